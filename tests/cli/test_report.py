"""``holystone report`` and ``status --svg``: the file, standard output, and what goes wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from holystone.planner.policy import LEVELS
from holystone.planner.units import format_size
from tests.cli.command import Command

LEDGER = "holystone.db"


def test_writes_a_file_in_the_current_folder(
    holystone: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = holystone("report", "-H", "demo:")
    assert done.code == 0, done
    size = format_size((tmp_path / "holystone-report.html").stat().st_size)
    assert done.lines == [f"Wrote holystone-report.html ({size})."]


def test_a_dash_is_standard_output(holystone: Command) -> None:
    done = holystone("report", "-", "-H", "demo:")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("<!DOCTYPE html>\n")
    assert done.out.endswith("</html>\n")


def test_standard_output_is_utf8_whatever_the_locale(tmp_path: Path) -> None:
    environment = {**os.environ, "LANG": "C", "LC_ALL": "C", "PYTHONIOENCODING": "ascii"}
    environment.pop("HOLYSTONE_STATE", None)
    for command in (("report", "-"), ("status", "--svg")):
        done = subprocess.run(
            [sys.executable, "-m", "holystone", *command, "-H", "demo:"],
            capture_output=True, check=True, env=environment, cwd=tmp_path,
        )  # fmt: skip
        done.stdout.decode("utf-8")
        assert done.stderr == b""


def test_json_has_the_figures_of_the_plans(holystone: Command, tmp_path: Path) -> None:
    holystone("clean", "-H", "demo:", "--state", holystone.state)
    file = tmp_path / "page.html"
    told = holystone("report", file, "-H", "demo:", "--state", holystone.state, "--json").json
    assert (told["file"], told["size_bytes"]) == (str(file), file.stat().st_size)
    page = file.read_text()
    for level in LEVELS:
        plan = holystone("plan", level, "-H", "demo:", "--state", holystone.state, "--json").json
        names = [name for name in plan if name in told["levels"][level]]
        assert told["levels"][level] == {name: plan[name] for name in names}
        assert {"freed_bytes", "estimated", "at_least_bytes"} <= set(names)
        removed = any(item["action"] == "remove" for item in plan["items"])
        promise = format_size(plan["freed_bytes"]) if removed else "nothing"
        assert f">{promise}</p>" in page


def test_a_past_is_told_of_runs_and_uses(holystone: Command, tmp_path: Path) -> None:
    holystone("clean", "weekly", "-H", "demo:", "--state", holystone.state)
    file = tmp_path / "page.html"
    assert holystone("report", file, "-H", "demo:", "--state", holystone.state).code == 0
    page = file.read_text()
    assert ">weekly clean</td>" in page
    assert "computed, not measured" in page
    assert "longer with the prune" in page


def test_a_ledger_that_cannot_be_read_costs_the_past_alone(
    holystone: Command, tmp_path: Path
) -> None:
    holystone.state.mkdir()
    (holystone.state / LEDGER).mkdir()
    file = tmp_path / "page.html"
    done = holystone("report", file, "-H", "demo:", "--state", holystone.state)
    assert done.code == 0, done
    assert done.err.startswith("holystone: ")
    assert "Traceback" not in done.err
    assert "What a clean would do" in file.read_text()


@pytest.mark.parametrize("command", [("report", "FILE"), ("status", "--svg", "FILE")])
def test_no_engine_leaves_the_file_as_it_was(
    holystone: Command, tmp_path: Path, command: tuple[str, ...]
) -> None:
    file = tmp_path / "before"
    file.write_text("before")
    words = [str(file) if word == "FILE" else word for word in command]
    holystone(*words, "-H", "unix:///nowhere/docker.sock").failed(10)
    assert file.read_text() == "before"
    assert [each.name for each in tmp_path.iterdir() if each.name.startswith(".before")] == []


@pytest.mark.parametrize("command", [("report", "FILE"), ("status", "--svg", "FILE")])
def test_a_folder_that_is_not_there(holystone: Command, command: tuple[str, ...]) -> None:
    missing = holystone.home / "missing" / "file"
    words = [str(missing) if word == "FILE" else word for word in command]
    said = holystone(*words, "-H", "demo:").failed(1)
    assert f"to {missing}: no such file or directory" in said


def test_what_does_not_go_together(holystone: Command) -> None:
    assert "name one" in holystone("report", "-", "--json", "-H", "demo:").failed(64)
    assert "only one" in holystone("status", "--svg", "--json", "-H", "demo:").failed(64)


@pytest.mark.parametrize("command", [("report", "deep"), ("status", "--svg", "deep")])
def test_a_level_is_not_taken_for_a_file(holystone: Command, command: tuple[str, ...]) -> None:
    assert "give ./deep" in holystone(*command, "-H", "demo:").failed(64)


def test_svg_takes_a_file_or_none(holystone: Command, tmp_path: Path) -> None:
    file = tmp_path / "status.svg"
    for words in (["--svg", file, "-H", "demo:"], [f"--svg={file}", "-H", "demo:"]):
        assert holystone("status", *words).out == ""
        assert file.read_text().startswith("<svg xmlns=")
        file.unlink()
    for words in (
        ["--svg", "-H", "demo:"],
        ["-H", "demo:", "--svg"],
        ["--svg", "-", "-H", "demo:"],
    ):
        assert holystone("status", *words).out.startswith("<svg xmlns=")
