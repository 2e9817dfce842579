"""Files that commands write: whole, and never through a link or into a device."""

from __future__ import annotations

import gzip
import json
import os
import stat
from pathlib import Path

import pytest

from holystone.outside import writing
from tests.cli.command import Command, Done
from tests.replay.recorded import SMALL


def run(holystone: Command, what: str, path: Path) -> Done:
    """One of the commands that write a file, writing this one."""
    if what == "report":
        return holystone("clean", "-H", "demo:", "--report", path)
    if what == "page":
        return holystone("report", path, "-H", "demo:")
    if what == "picture":
        return holystone("status", "-H", "demo:", "--svg", path)
    if what == "plan":
        return holystone("plan", "-H", "demo:", "--out", path)
    if what == "plot":
        return holystone("replay", SMALL, "--order", "all", "--plot", path)
    if what == "trace":
        holystone("observe", "-H", "demo:", "--state", holystone.state)
        return holystone("history", "export", path, "--state", holystone.state)
    if what == "config":
        return holystone("config", "init", path)
    repository = path.parent / "repository"
    repository.mkdir(exist_ok=True)
    (repository / "Dockerfile").write_text("FROM python:3.12-slim\n")
    return holystone("protect", "--from", repository, "--write", path)


WRITERS = ("report", "page", "picture", "plan", "plot", "trace", "config", "protect")


@pytest.mark.parametrize("what", WRITERS)
def test_a_link_is_not_followed(holystone: Command, tmp_path: Path, what: str) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    precious = tmp_path / "precious"
    precious.write_text("[protect]\n")
    before = precious.stat()
    for link, target in ((folder / "a", precious), (folder / "b", tmp_path / "new")):
        link.symlink_to(target)
        done = run(holystone, what, link)
        assert "link" in done.err or "exist" in done.err, done
        assert "Traceback" not in done.err
        assert link.is_symlink()
    after = precious.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert not (tmp_path / "new").exists()
    assert sorted(each.name for each in folder.iterdir() if each.name != "repository") == ["a", "b"]


@pytest.mark.parametrize("what", WRITERS)
def test_a_pipe_is_refused_at_once(holystone: Command, tmp_path: Path, what: str) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    done = run(holystone, what, pipe)
    assert str(pipe) in done.err
    assert "Traceback" not in done.err
    assert stat.S_ISFIFO(pipe.lstat().st_mode)


@pytest.mark.parametrize("what", ["report", "page", "picture", "plan", "plot", "trace"])
def test_a_file_is_replaced_whole(holystone: Command, tmp_path: Path, what: str) -> None:
    file = tmp_path / "file"
    file.write_text("before")
    file.chmod(0o600)
    other = tmp_path / "same"
    os.link(file, other)
    done = run(holystone, what, file)
    assert done.code == 0, done
    assert other.read_text() == "before"
    assert stat.S_IMODE(file.stat().st_mode) == 0o644 & ~_umask()
    assert not list(tmp_path.glob(".file.*"))
    if what in ("page", "picture"):
        assert file.read_text().endswith("</html>\n" if what == "page" else "</svg>\n")
    elif what != "plot":
        json.loads(file.read_text().split("\n")[0] if what == "trace" else file.read_text())


def test_a_packed_trace_is_whole(holystone: Command, tmp_path: Path) -> None:
    file = tmp_path / "trace.gz"
    assert run(holystone, "trace", file).code == 0
    assert gzip.decompress(file.read_bytes()).endswith(b"\n")


def test_the_report_may_go_to_standard_output(holystone: Command) -> None:
    done = holystone("clean", "-H", "demo:", "--report", "/dev/stdout")
    assert any(line.startswith('{"schema":1,') for line in done.lines)


def test_what_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("before")
    with pytest.raises(ZeroDivisionError), writing.writing(str(file)) as draft:
        draft.write(b"half" * (1 // 0))
    assert file.read_text() == "before"
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
