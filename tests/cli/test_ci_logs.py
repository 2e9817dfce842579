"""The logs of GitLab and GitHub: sections well formed, the two lines outside of them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.cli.command import Command
from tests.cli.faulty import EMPTY
from tests.cli.test_text import FIRST, LAST
from tests.engine_client.misbehaving import misbehaving

DEMO = ("-H", "demo:")
GITLAB = {"GITLAB_CI": "true", "CI": "true", "LANG": "C"}
GITHUB = {"GITHUB_ACTIONS": "true", "CI": "true", "LANG": "C"}
START = re.compile(r"\x1b\[0Ksection_start:(\d+):([\w.-]+)\[collapsed=true\]\r\x1b\[0K\S.*")
END = re.compile(r"\x1b\[0Ksection_end:(\d+):([\w.-]+)\r\x1b\[0K")


def outside_sections(text: str) -> list[str]:
    """The lines of a GitLab log that no section folds away. Fails where one is not well formed."""
    outside = []
    opened: tuple[int, str] | None = None
    for line in text.split("\n"):
        start, end = START.fullmatch(line), END.fullmatch(line)
        if start:
            assert opened is None, "a section inside another of ours"
            opened = int(start[1]), start[2]
        elif end:
            assert opened is not None, "an end without a start"
            assert opened[1] == end[2]
            assert opened[0] <= int(end[1])
            opened = None
        else:
            assert "section_" not in line
            assert "\x1b" not in line
            if opened is None:
                outside.append(line)
    assert opened is None, "a start without an end"
    return outside


def test_gitlab(holystone: Command) -> None:
    done = holystone("clean", *DEMO, **GITLAB)
    assert (done.code, done.err) == (0, "")
    outside = outside_sections(done.out)
    assert "section_start" in done.out
    assert outside[0] == FIRST
    assert outside[-2:] == [LAST, ""]
    assert "total 51 102 39.7 GB" in [" ".join(line.split()) for line in outside]
    assert not any("smoke-backend" in line or "e2e-shop-4711" in line for line in outside)
    assert "e2e-shop-4711" in done.out


def test_github(holystone: Command) -> None:
    done = holystone("clean", *DEMO, **GITHUB)
    assert (done.code, done.err) == (0, "")
    lines = done.out.split("\n")
    marks = [line for line in lines if line.startswith("::")]
    assert marks == ["::group::What went (51)", "::endgroup::"]
    start, end = lines.index(marks[0]), lines.index(marks[1])
    assert lines[0] == FIRST
    assert lines[-2:] == [LAST, ""]
    assert 0 < start < end < len(lines) - 2
    assert any("e2e-shop-4711" in line for line in lines[start:end])


@pytest.mark.parametrize("environment", [GITLAB, GITHUB], ids=["gitlab", "github"])
@pytest.mark.parametrize("command", ["status", "images", "plan", "explain node:18-alpine"])
def test_other_commands_fold_nothing_that_counts(
    holystone: Command, command: str, environment: dict[str, str]
) -> None:
    done = holystone(*command.split(), *DEMO, **environment)
    assert (done.code, done.err) == (0, "")
    assert any(line.strip() for line in outside_sections(done.out))
    assert done.out.count("::group::") == done.out.count("::endgroup::")


@pytest.mark.parametrize("environment", [GITLAB, GITHUB], ids=["gitlab", "github"])
def test_no_section_where_nothing_went(holystone: Command, environment: dict[str, str]) -> None:
    with misbehaving(EMPTY) as host:
        done = holystone("clean", "-H", host, **environment)
    lines = done.out.split("\n")
    assert (done.code, lines[0], lines[-2]) == (0, FIRST, LAST)
    assert "section" not in done.out
    assert "::" not in done.out


def test_step_summary(holystone: Command, tmp_path: Path) -> None:
    """Appended to, once for each command, whether it writes text or JSON."""
    summary = tmp_path / "summary.md"
    summary.write_text("# What was there\n")
    for words in ("plan", "clean", "clean --json"):
        variables = {**GITHUB, "GITHUB_STEP_SUMMARY": str(summary), "HOLYSTONE_STATE": None}
        assert holystone(*words.split(), *DEMO, **variables).code == 0
    text = summary.read_text()
    assert text.startswith("# What was there\n### holystone: a routine clean would free 39.7 GB\n")
    assert text.count("### holystone: routine clean freed 39.7 GB\n") == 2
    assert text.count("| images | 16 | 39 | 15.0 GB |\n") == 3


def test_a_summary_that_cannot_be_written_is_only_noted(holystone: Command) -> None:
    done = holystone("clean", *DEMO, **GITHUB, GITHUB_STEP_SUMMARY="/nowhere/summary.md")
    assert done.code == 0
    assert done.err == (
        "holystone: cannot write the step summary to /nowhere/summary.md: "
        "No such file or directory\n"
    )
    assert done.out.rstrip().endswith(LAST)


def test_a_failed_run_closes_its_sections(holystone: Command) -> None:
    done = holystone("clean", "-H", "unix:///nowhere.sock", **GITLAB)
    assert done.code == 10
    assert LAST not in outside_sections(done.out)


@pytest.mark.parametrize("name", ["CI", "GITLAB_CI", "GITHUB_ACTIONS", "JENKINS_URL"])
def test_a_terminal_in_ci_is_no_person(holystone: Command, name: str) -> None:
    """No cutting of names, no progress, JSON in one line."""
    done = holystone.on_terminal("plan", "--json", *DEMO, columns=40, **{name: "true"})
    assert done.out.count("\n") == 1


def test_report_beside_the_log(holystone: Command, tmp_path: Path) -> None:
    """The document of ``--json`` in a file, and nothing of it in the log."""
    path = tmp_path / "report.json"
    path.write_text("what was there, and longer than nothing\n" * 9999)
    done = holystone("clean", *DEMO, "--report", path)
    assert (done.code, done.err) == (0, "")
    assert done.lines[-1] == LAST
    report = json.loads(path.read_text())
    assert path.read_text().count("\n") == 1
    both = holystone("clean", *DEMO, "--json", "--report", path)
    assert both.json.keys() == report.keys() == json.loads(path.read_text()).keys()
    assert report["outcome"]["removed"] == 51


def test_a_report_that_cannot_be_written(holystone: Command) -> None:
    done = holystone("clean", *DEMO, "--report", "/nowhere/report.json")
    assert (done.code, done.out) == (1, "")
    assert done.err == (
        "holystone: cannot write the report to '/nowhere/report.json': no such file or directory. "
        "Nothing was removed. Name another file.\n"
    )
    assert "--report" in holystone("clean", *DEMO, "--report", "x", "--dry-run").failed(64)
