"""``holystone protect``: what it proposes, what it writes, and how it ends."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from tests.cli.command import POWERLESS, Command
from tests.docs.test_reference import codes, fields, first_cells, section

BLOCK = """\
[protect]
images = [
  "node:18-alpine",
  "postgres:16",
  "python:3.12-slim",
]
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "Dockerfile").write_text(
        "ARG BASE\nFROM node:18-alpine AS web\nFROM python:3.12-slim\nCOPY --from=web / /\n"
        "FROM ${BASE}\n"
    )
    (folder / "compose.yaml").write_text(
        "services:\n  db: {image: 'postgres:16'}\n  app: {build: ., image: team/app}\n"
        "  job: {image: team/app}\n"
    )
    (folder / ".gitlab-ci.yml").write_text("test: {image: 'python:3.12-slim', script: x}\n")
    return folder


def test_proposes_a_table_to_paste(holystone: Command, repository: Path) -> None:
    done = holystone("protect", "--from", repository)
    assert (done.code, done.err) == (0, "")
    assert done.lines[0] == "3 base images in 3 files."
    assert BLOCK in done.out
    used, left = done.out.split("Where they are used")[1].split("Left out")
    assert f"python:3.12-slim  {repository}/.gitlab-ci.yml:1, {repository}/Dockerfile:3" in used
    assert "BASE has no value here" in left
    assert "a stage of this Dockerfile" in left
    assert f"built by this repository ({repository}/compose.yaml:3)" in left
    assert done.lines[-1] == "Nothing was written: --write holystone.toml adds them there."
    assert sorted(path.name for path in repository.iterdir()) == [
        ".gitlab-ci.yml", "Dockerfile", "compose.yaml",
    ]  # fmt: skip


def test_several_paths(holystone: Command, repository: Path) -> None:
    paths = ("--from", repository / "compose.yaml", "--from", repository / ".gitlab-ci.yml")
    done = holystone("protect", *paths, "--json")
    # compose builds the Dockerfile.
    assert [each["reference"] for each in done.json["images"]] == [
        "node:18-alpine", "postgres:16", "python:3.12-slim",
    ]  # fmt: skip
    done = holystone("protect", "--from", repository / ".gitlab-ci.yml", "--json")
    assert [each["reference"] for each in done.json["images"]] == ["python:3.12-slim"]


def test_writes_a_new_file(holystone: Command, repository: Path) -> None:
    file = repository / "holystone.toml"
    done = holystone("protect", "--from", repository, "--write", file, COLUMNS="300")
    assert done.code == 0
    assert f"Wrote {file}: 3 images added to [protect]." in done.lines
    assert file.read_text() == BLOCK
    assert holystone("config", "check", "--config", file, "-H", "demo:").code == 0
    before = file.stat()
    again = holystone("protect", "--from", repository, "--write", file, COLUMNS="300")
    assert f"There is none to add to {file}, which stays as it is." in again.lines
    assert "node:18-alpine    by node:18-alpine" in again.out
    assert file.stat() == before
    assert not list(repository.glob(".holystone.toml*"))


def test_adds_what_is_missing_to_a_file(holystone: Command, repository: Path) -> None:
    file = repository / "holystone.toml"
    file.write_text(
        '# Ours.\n[protect]\nimages = ["python:*", "node", "!node:18*"]  # by hand\n'
        '\n[disk]\nhigh = "90%"\n'
    )
    file.chmod(0o640)
    link = repository / "link.toml"
    link.symlink_to(file.name)
    done = holystone("protect", "--from", repository, "--write", link, COLUMNS="300")
    assert f"Changed {link}: 1 image added to [protect]." in done.lines
    assert "python:3.12-slim  by python:*" in done.out
    assert "node:18-alpine  by !node:18*" in done.out
    assert file.read_text() == (
        '# Ours.\n[protect]\nimages = ["python:*", "node", "!node:18*", "postgres:16"]  # by hand\n'
        '\n[disk]\nhigh = "90%"\n'
    )
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert link.is_symlink()
    told = holystone("protect", "--from", repository, "--write", file, "--json").json["written"]
    covered = {"postgres:16": "postgres:16", "python:3.12-slim": "python:*"}
    assert told == {
        "path": str(file), "created": False, "added": [],
        "covered": [{"reference": name, "pattern": by} for name, by in covered.items()],
        "excepted": [{"reference": "node:18-alpine", "pattern": "!node:18*"}],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"[protect]\nimages = [\n", ":3: not valid TOML"), (b"[protct]\n", ":1: protct: "),
        (b"[protect]\nimages = 'x'\n", ":2: protect.images: 'x' is not a list"),
        (b"\xff", ":1: it is not UTF-8"),
        (b"protect = {images = ['a']}\n", ":1: [protect] images is written in a way"),
    ],
)  # fmt: skip
def test_refuses_what_it_cannot_read(
    holystone: Command, repository: Path, content: bytes, told: str
) -> None:
    file = repository / "holystone.toml"
    file.write_bytes(content)
    done = holystone("protect", "--from", repository, "--write", file)
    assert (done.code, done.out) == (1, "")
    assert f"{file}{told}" in done.err
    assert "othing was written" in done.err
    assert file.read_bytes() == content


def test_a_place_that_cannot_be_written_to(holystone: Command, repository: Path) -> None:
    (repository / "file").touch()
    for place, told in ((repository / "file" / "x", "not a directory"),
                        (repository, "no file that can be")):  # fmt: skip
        assert told in holystone("protect", "--from", repository, "--write", place).failed(1)
    locked = repository / "locked"
    locked.mkdir(mode=0o555)
    done = holystone.under(POWERLESS, "protect", "--from", repository, "--write", locked / "x")
    assert "permission denied" in done.failed(1)
    assert list(locked.iterdir()) == []


def test_nothing_found(holystone: Command, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    file = tmp_path / "holystone.toml"
    done = holystone("protect", "--from", tmp_path / "empty", "--write", file)
    assert done.code == 0
    assert done.lines[0].startswith("No base images in 0 files.")
    assert not file.exists()


def test_a_path_that_cannot_be_read(holystone: Command, repository: Path) -> None:
    """Alone it is an error; beside others they are told, and the code says it."""
    gone = repository / "gone"
    assert f"{gone}: cannot be read: no such file" in holystone("protect", "--from", gone).failed(1)
    done = holystone("protect", "--from", gone, "--from", repository)
    assert done.code == 1
    assert BLOCK in done.out
    assert done.err == f"holystone: {gone}: cannot be read: no such file or directory\n"
    (repository / ".git").mkdir(mode=0o000)
    locked = holystone.under(POWERLESS, "protect", "--from", repository / ".git")
    assert "permission denied" in locked.failed(1)


def test_names_from_outside_cannot_steer_a_terminal(holystone: Command, tmp_path: Path) -> None:
    """And a file that cannot be read is told beside what others say."""
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "Dockerfile").write_text("FROM a\x1b]0;title\x07\n")
    (folder / "Dockerfile.\x1b[31m").write_text("FROM a:1\n")
    (folder / "compose.yaml").write_text("a: [\n")
    done = holystone("protect", "--from", folder)
    assert (done.code, done.err) == (0, "")
    assert "\x1b" not in done.out
    assert f"{folder}/compose.yaml:2  it is no YAML" in done.out.split("Could not be read")[1]
    assert holystone("protect", "--from", folder, "--json").json["images"]


@pytest.mark.parametrize("arguments", [[], ["--write", "x"], ["--from"], ["--from", ".", "more"]])
def test_usage(holystone: Command, arguments: list[str]) -> None:
    holystone("protect", *arguments).failed(64)


def test_json_is_documented(holystone: Command, repository: Path) -> None:
    (repository / "Dockerfile.bad").write_text("x")
    file = repository / "holystone.toml"
    file.write_text('[protect]\nimages = ["python", "node", "!node:18*"]\n')
    before = holystone("protect", "--from", repository, "--json").json
    assert before["written"] is None
    told = fields(holystone("protect", "--from", repository, "--write", file, "--json").json)
    documented = codes(first_cells(section("docs/reference/json.md", "protect --json")))
    assert documented - {"written"} == told


def test_init_names_them(holystone: Command, repository: Path) -> None:
    done = holystone("init", "--into", repository)
    assert done.code == 0
    assert "Base images: node:18-alpine, postgres:16 and python:3.12-slim" in done.lines
    command = f"protect --from {repository} --write {repository}/holystone.toml"
    assert f"  protect them: holystone {command}" in done.lines
    assert holystone("init", "--into", repository, "--json").json["base_images"] == [
        "node:18-alpine", "postgres:16", "python:3.12-slim",
    ]  # fmt: skip
    assert holystone(*command.split()).code == 0
    for number in range(10):
        (repository / f"Dockerfile.{number}").write_text(f"FROM a:{number}")
    lines = holystone("init", "--into", repository).lines
    assert "Base images: a:0, a:1, a:2 and 10 more" in lines


def test_starts_without_yaml_where_there_is_none(holystone: Command, repository: Path) -> None:
    """Only who reads YAML pays for it."""
    for path in ("compose.yaml", ".gitlab-ci.yml"):
        (repository / path).unlink()
    done = holystone("protect", "--from", repository, PYTHONPROFILEIMPORTTIME="1")
    assert done.code == 0
    assert "holystone.scan.yaml_nodes" in done.err
    assert " yaml" not in done.err
