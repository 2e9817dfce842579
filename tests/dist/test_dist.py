"""What `make dist` makes runs where nothing but Python is: the wheel, the one file, the image."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

import holystone
from tests.dist.python_image import import_python
from tests.engines import Engine
from tests.engines.images import ImageToLoad, layer, load
from tests.engines.places import CLEAN_PATH, REPOSITORY

VERSION = f"holystone {holystone.__version__}\n"
BARE = str(Path(sys.executable).resolve())
"""The Python that the environment of this run was made with: nothing of the project is in it."""


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


def assert_runs(command: Sequence[str | Path], folder: Path) -> None:
    assert said([*command, "--version"], folder) == VERSION
    assert "Would free 39.7 GB" in said([*command, "plan", "--host", "demo:"], folder)
    assert "clean-weekly" in said([*command, "init", "make", "--print"], folder)
    listed = said([*command, "--help"], folder)
    for name in re.findall(r"^  ([a-z]+)  ", listed, re.MULTILINE):
        assert said([*command, name, "--help"], folder).startswith("usage:")


def test_one_file_runs_with_python_alone(made: Path, tmp_path: Path) -> None:
    shutil.copy(made / "holystone.pyz", tmp_path)
    assert_runs([BARE, "-I", tmp_path / "holystone.pyz"], tmp_path)


def test_one_file_runs_by_itself(made: Path, tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    programs.joinpath("python3").symlink_to(BARE)
    done = subprocess.run(
        [made / "holystone.pyz", "--version"],
        env={"PATH": f"{programs}:{CLEAN_PATH}"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == VERSION


def test_wheel_installs_with_nothing_else(made: Path, tmp_path: Path) -> None:
    (wheel,) = made.glob("*.whl")
    subprocess.run([BARE, "-m", "venv", tmp_path / "venv"], check=True)
    pip = (tmp_path / "venv" / "bin" / "pip", "--isolated", "install", "--no-index", "--no-deps")
    said([*pip, wheel], tmp_path)
    assert_runs([tmp_path / "venv" / "bin" / "holystone"], tmp_path)


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
