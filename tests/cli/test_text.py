"""What people and programs read: pipes, terminals of every width and encoding, colours."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest
from rich.cells import cell_len

from tests.cli.command import Command

FIRST = "🧹 Cleaning up temporary build artifacts only..."
LAST = "✅ Cleaned temporary artifacts, preserved base images"
DEMO = ("-H", "demo:")
COMMANDS = ("status", "images", "plan", "plan --all", "clean", "explain python:3.12-slim")
ESCAPE = "\x1b"
BARE_C: Mapping[str, str] = {"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0"} | {
    "PYTHONCOERCECLOCALE": "0"
}
"""A C locale that Python does not take for UTF-8: what is left of it on older systems."""


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"LANG": "C"},
        {"LANG": "C", "LC_ALL": "C"},
        {"LANG": None},
        BARE_C,
        {"CI": "true"},
        {"CI": "true", **BARE_C},
        {"NO_COLOR": "1"},
        {"TERM": "dumb"},
        {"FORCE_COLOR": "1"},
    ],
)
def test_the_two_lines(holystone: Command, variables: Mapping[str, str | None]) -> None:
    """First and last, exactly, wherever the log is read by a program."""
    done = holystone("clean", *DEMO, **variables)
    assert (done.code, done.err) == (0, "")
    lines = done.out.split("\n")
    assert lines[0] == FIRST
    assert lines[-2:] == [LAST, ""]
    assert done.out.count(FIRST) == done.out.count(LAST) == 1


def test_the_two_lines_can_be_found_with_grep(holystone: Command) -> None:
    for line in (FIRST, LAST):
        command = f"holystone clean -H demo: | grep -cFx '{line}'"
        assert holystone.shell(command, LANG="C") == (0, "1\n", "")
        assert holystone.shell(f"holystone clean -H demo: | grep -qFx '{line}'").code == 0


def test_what_a_clean_tells(holystone: Command) -> None:
    """The table of what went, what stayed and how many bytes; it adds up."""
    text = holystone("clean", *DEMO, HOLYSTONE_STATE=None).out
    document = holystone("clean", "--json", *DEMO, HOLYSTONE_STATE=None).json
    rows = dict(re.findall(r"^  (\w[\w ]*?) +(\d+ +\d+) +\S+ \w+$", text, re.MULTILINE))
    assert list(rows) == ["containers", "images", "build cache", "volumes", "networks", "total"]
    counts = {name: tuple(map(int, row.split())) for name, row in rows.items()}
    gone, kept = counts.pop("total")
    assert (gone, kept) == (document["outcome"]["removed"], len(document["items"]) - gone)
    assert (gone, kept) == tuple(map(sum, zip(*counts.values(), strict=True)))
    assert "as planned." in text


def test_verbose_lists_what_went(holystone: Command) -> None:
    done = holystone("clean", "-v", *DEMO, HOLYSTONE_STATE=None)
    assert "\nWhat went (51)\n" in done.out
    names = [
        name
        for item in holystone("plan", "--json", *DEMO).json["items"]
        if item["action"] == "remove" and item["kind"] == "container"
        for name in item["names"]
    ]
    assert names
    assert all(f"\n  {name} " in done.out for name in names)
    assert "What went" not in holystone("clean", *DEMO).out


@pytest.mark.parametrize("command", COMMANDS)
def test_a_pipe_gets_no_colours(holystone: Command, command: str) -> None:
    done = holystone(*command.split(), *DEMO)
    assert (done.code, done.err) == (0, "")
    assert ESCAPE not in done.out
    assert "\r" not in done.out


@pytest.mark.parametrize("columns", [40, 80, 200])
@pytest.mark.parametrize("command", COMMANDS)
def test_terminals(holystone: Command, command: str, columns: int) -> None:
    """Nothing but the two lines is wider than the terminal, and it is in colour."""
    done = holystone.on_terminal(*command.split(), *DEMO, columns=columns)
    assert done.code == 0
    assert ESCAPE + "[" in done.out
    lines = done.lines
    if command == "clean":
        assert (lines[0], lines[-1]) == (FIRST, LAST)
        lines = lines[1:-1]
    widest = max(lines, key=cell_len)
    assert cell_len(widest) <= columns, widest


def test_a_wide_terminal_shows_more(holystone: Command) -> None:
    narrow, wide = (holystone.on_terminal("images", *DEMO, columns=c).lines for c in (40, 200))
    assert len(wide[0].split()) > len(narrow[0].split())
    assert {"REPOSITORY", "TAG", "SIZE"} <= set(narrow[0].split())


@pytest.mark.parametrize("variables", [{"PYTHONIOENCODING": "latin-1"}, BARE_C])
def test_a_terminal_without_unicode(holystone: Command, variables: Mapping[str, str]) -> None:
    done = holystone.on_terminal("clean", *DEMO, columns=100, **variables)
    assert done.code == 0
    assert done.lines[0] == "* Cleaning up temporary build artifacts only..."
    assert done.lines[-1] == "OK Cleaned temporary artifacts, preserved base images"
    status = holystone.on_terminal("status", *DEMO, columns=100, **variables)
    assert status.code == 0
    assert "####" in status.out
    assert all(line.isascii() for line in status.lines)


def test_json_on_a_terminal_is_laid_out(holystone: Command) -> None:
    done = holystone.on_terminal("clean", "--json", *DEMO, columns=80)
    assert done.code == 0
    assert done.out.startswith('{\n  "schema": 1,')
    assert done.json["outcome"]["removed"] == 51
    assert ESCAPE not in done.out


@pytest.mark.parametrize(
    ("arguments", "variables", "piped", "shown"),
    [
        ((), {}, False, True),
        ((), {"NO_COLOR": "1"}, False, False),
        ((), {"FORCE_COLOR": "1"}, True, True),
        ((), {"TERM": "dumb"}, False, False),
        (("--color", "always"), {"NO_COLOR": "1"}, True, True),
        (("--color", "never"), {"FORCE_COLOR": "1"}, False, False),
    ],
)
def test_colours(
    holystone: Command,
    arguments: tuple[str, ...],
    variables: Mapping[str, str],
    piped: bool,
    shown: bool,
) -> None:
    """In a pipe and on a terminal."""
    pipe = holystone("status", *arguments, *DEMO, **variables)
    terminal = holystone.on_terminal("status", *arguments, *DEMO, columns=80, **variables)
    assert pipe.code == terminal.code == 0
    assert (ESCAPE in pipe.out) is piped
    assert (ESCAPE in terminal.out) is shown
