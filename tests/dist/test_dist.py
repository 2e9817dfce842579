"""What `make dist` makes runs where nothing but Python is: the wheel, the one file, the image."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

import holystone
from tests.dist.python_image import import_python
from tests.engines import Engine
from tests.engines.images import ImageToLoad, layer, load
from tests.engines.places import CLEAN_PATH, REPOSITORY

VERSION = f"holystone {holystone.__version__}\n"
BARE = str(Path(sys.executable).resolve())
"""The Python that the environment of this run was made with: nothing of the project is in it."""
LIBRARIES = {
    "PyYAML": "yaml",
    "h2": "h2",
    "hpack": "hpack",
    "hyperframe": "hyperframe",
    "Jinja2": "jinja2",
    "MarkupSafe": "markupsafe",
    "rich": "rich",
    "squarify": "squarify",
    "tomlkit": "tomlkit",
}
"""What holystone.pyz has in it beside holystone: distributions, and the packages in them."""


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with everything that is distributed."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, REPOSITORY / "scripts" / "dist", folder], check=True)
    return folder


def said(command: Sequence[str | Path], folder: Path) -> str:
    """What a command prints in an empty folder, in an environment of nothing."""
    empty = folder / "empty"
    empty.mkdir(exist_ok=True)
    return subprocess.run(
        command,
        cwd=empty,
        env={"PATH": CLEAN_PATH, "HOME": str(empty), "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def learned(command: Sequence[str | Path], folder: Path) -> dict[str, Any]:
    """What it learns of a repository with YAML in it."""
    repository = folder / "repository"
    repository.mkdir(exist_ok=True)
    repository.joinpath("Dockerfile").write_text("FROM python:3.12-slim\n")
    repository.joinpath("compose.yaml").write_text("services: {db: {image: 'postgres:16'}}\n")
    told = json.loads(said([*command, "protect", "--from", repository, "--json"], folder))
    assert isinstance(told, dict)
    return told


def references(told: dict[str, Any]) -> list[str]:
    return [image["reference"] for image in told["images"]]


def assert_runs(command: Sequence[str | Path], folder: Path) -> None:
    assert said([*command, "--version"], folder) == VERSION
    assert "Would free 39.7 GB" in said([*command, "plan", "--host", "demo:"], folder)
    assert "</html>" in said([*command, "report", "-", "--host", "demo:"], folder)
    assert "clean-weekly" in said([*command, "init", "make", "--print"], folder)
    listed = said([*command, "--help"], folder)
    for name in re.findall(r"^  ([a-z]+)  ", listed, re.MULTILINE):
        assert said([*command, name, "--help"], folder).startswith("usage:")


def test_one_file_runs_with_python_alone(made: Path, tmp_path: Path) -> None:
    shutil.copy(made / "holystone.pyz", tmp_path)
    command = (BARE, "-I", tmp_path / "holystone.pyz")
    assert_runs(command, tmp_path)
    assert references(learned(command, tmp_path)) == ["postgres:16", "python:3.12-slim"]


def test_one_file_has_the_licence_of_what_is_in_it(made: Path) -> None:
    with zipfile.ZipFile(made / "holystone.pyz") as archive:
        names = archive.namelist()
        licence = archive.read("licences/PyYAML/LICENSE").decode()
    assert "Kirill Simonov" in licence
    assert "Permission is hereby granted" in licence
    licensed = {name.split("/")[1].lower() for name in names if name.startswith("licences/")}
    assert licensed == {name.lower() for name in LIBRARIES}
    ours = {"__main__.py", "holystone", "licences"}
    assert {name.partition("/")[0] for name in names} == ours | set(LIBRARIES.values()) | {"_yaml"}
    assert [name for name in names if name.endswith((".so", ".pyc", ".pyd"))] == []


def test_one_file_runs_by_itself(made: Path, tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    programs.joinpath("python3").symlink_to(BARE)
    done = subprocess.run(
        [made / "holystone.pyz", "--version"],
        env={"PATH": f"{programs}:{CLEAN_PATH}"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == VERSION


@pytest.fixture
def installed(made: Path, tmp_path: Path) -> Path:
    """The command of the wheel, in an environment that has all it needs but PyYAML."""
    (wheel,) = made.glob("*.whl")
    subprocess.run([BARE, "-m", "venv", tmp_path / "venv"], check=True)
    pip = (tmp_path / "venv" / "bin" / "pip", "--isolated", "install", "--no-index", "--no-deps")
    said([*pip, wheel], tmp_path)
    (site,) = (tmp_path / "venv" / "lib").glob("python*/site-packages")
    for name in {*LIBRARIES.values()} - {"yaml"}:
        shutil.copytree(Path(yaml.__file__).parents[1] / name, site / name)
    return tmp_path / "venv" / "bin" / "holystone"


def test_wheel_runs_without_pyyaml(installed: Path, tmp_path: Path) -> None:
    """But for reading YAML, which says so."""
    assert_runs([installed], tmp_path)
    told = learned([installed], tmp_path)
    assert references(told) == ["python:3.12-slim"]
    assert "PyYAML" in told["unread"][0]["why"]


def test_wheel_asks_for_what_it_needs(made: Path, installed: Path, tmp_path: Path) -> None:
    (wheel,) = made.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (each for each in archive.namelist() if each.endswith("/METADATA"))
        metadata = archive.read(name).decode()
    wanted = re.findall("^Requires-Dist: ([\\w-]+)(?!.*extra ==)", metadata, re.MULTILINE)
    assert set(wanted) == {"h2", "jinja2", "pyyaml", "rich", "squarify", "tomlkit"}
    (site,) = (tmp_path / "venv" / "lib").glob("python*/site-packages")
    shutil.copytree(Path(yaml.__file__).parent, site / "yaml")
    assert references(learned([installed], tmp_path)) == ["postgres:16", "python:3.12-slim"]


def test_same_source_gives_same_bytes(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for name in ("src", "scripts"):
        shutil.copytree(REPOSITORY / name, first / name)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, first)
    # All dates in it are new.
    shutil.copytree(first, second, copy_function=shutil.copy)
    made = []
    for copy in (first, second):
        subprocess.run([sys.executable, copy / "scripts" / "dist"], check=True)
        made.append({path.name: path.read_bytes() for path in (copy / "dist").iterdir()})
    assert sorted(made[0]) == [
        f"holystone-{holystone.__version__}-py3-none-any.whl",
        "holystone.pyz",
    ]
    assert made[0] == made[1]


@pytest.mark.engine("docker20")
def test_image_cleans_the_host_whose_socket_it_is_given(
    made: Path, tmp_path: Path, engine: Engine, unique: str
) -> None:
    import_python(engine, f"{unique}:python")
    for name in ("Dockerfile", ".dockerignore"):
        shutil.copy(REPOSITORY / name, tmp_path)
    tmp_path.joinpath("dist").mkdir()
    shutil.copy(made / "holystone.pyz", tmp_path / "dist")
    base = f"BASE={unique}:python"
    engine.docker("build", "--quiet", "--build-arg", base, "--tag", unique, str(tmp_path))
    (untagged,) = load(engine, ImageToLoad([layer(unique)]))
    mounted = f"{engine.socket}:/var/run/docker.sock"
    run = ("run", "--rm", "--network=none", "-v", mounted, "-v", f"{unique}:/var/lib/holystone")
    assert engine.docker(*run, unique, "--version") == VERSION.strip()
    report = json.loads(engine.docker(*run, unique, "clean", "--min-age", "0s", "--json"))
    assert untagged in [item["id"] for item in report["items"] if item["result"] == "removed"]
    assert untagged not in engine.docker("images", "--all", "--quiet", "--no-trunc")
    assert f"{unique}:python" in engine.docker("images", "--format", "{{.Repository}}:{{.Tag}}")
    assert " routine " in engine.docker(*run, unique, "history")
