from __future__ import annotations

import io
import os
import termios
from collections.abc import Iterator
from typing import TextIO

import pytest

from holystone.present.report.clean import FIRST_LINE, LAST_LINE
from holystone.present.terminal import Look, in_ci, open_output


class Screen(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def pipe(encoding: str) -> tuple[io.BytesIO, TextIO]:
    raw = io.BytesIO()
    return raw, io.TextIOWrapper(raw, encoding=encoding)


@pytest.fixture
def pty() -> Iterator[tuple[int, int]]:
    """A real terminal: the side that reads what it shows, and the side that is written to."""
    sides = os.openpty()
    yield sides
    for descriptor in sides:
        os.close(descriptor)


@pytest.mark.parametrize(
    ("color", "environ", "terminal", "expected"),
    [
        ("auto", {}, True, True),
        ("auto", {}, False, False),
        ("never", {"FORCE_COLOR": "1"}, True, False),
        ("always", {"NO_COLOR": "1"}, False, True),
        ("auto", {"NO_COLOR": "1", "FORCE_COLOR": "1"}, True, False),
        ("auto", {"NO_COLOR": ""}, True, True),
        ("auto", {"FORCE_COLOR": "1", "CLICOLOR": "0"}, False, True),
        ("auto", {"CLICOLOR_FORCE": "1"}, False, True),
        ("auto", {"CLICOLOR_FORCE": "0"}, False, False),
        ("auto", {"FORCE_COLOR": "0"}, False, False),
        ("auto", {"CLICOLOR": "0"}, True, False),
        ("auto", {"CLICOLOR": "1"}, True, True),
        ("auto", {"TERM": "dumb"}, True, False),
        ("always", {"TERM": "dumb"}, True, True),
    ],
)
def test_colour(color: str, environ: dict[str, str], terminal: bool, expected: bool) -> None:
    stream = Screen() if terminal else io.StringIO()
    assert open_output(stream, environ, color=color).look.colour is expected


@pytest.mark.parametrize(
    ("environ", "terminal", "width"),
    [
        ({}, False, 100),
        ({"CI": "true"}, True, 100),
        ({"COLUMNS": "64"}, True, 64),
        ({"COLUMNS": "64"}, False, 64),
        ({"COLUMNS": "3"}, True, 20),
        ({"COLUMNS": "wide"}, False, 100),
        ({"COLUMNS": "0"}, False, 100),
        ({}, True, 80),
    ],
)
def test_width(environ: dict[str, str], terminal: bool, width: int) -> None:
    assert open_output(Screen() if terminal else io.StringIO(), environ).look.width == width


def test_width_is_that_of_the_real_terminal(pty: tuple[int, int]) -> None:
    termios.tcsetwinsize(pty[1], (24, 57))
    with open(pty[1], "w", encoding="utf-8", closefd=False) as stream:
        assert open_output(stream, {}).look.width == 57


@pytest.mark.parametrize(
    ("environ", "terminal", "interactive"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"CI": "true"}, True, False),
        ({"CI": "false"}, True, True),
        ({"GITLAB_CI": "true"}, True, False),
        ({"JENKINS_URL": "https://ci.example.com"}, True, False),
        ({"TERM": "dumb"}, True, False),
    ],
)
def test_interactive(environ: dict[str, str], terminal: bool, interactive: bool) -> None:
    """What is no terminal of a person may be searched: nothing is cut there."""
    output = open_output(Screen() if terminal else io.StringIO(), environ)
    assert output.interactive is interactive
    assert output.look.elide is (interactive or "TERM" in environ)


def test_ci_is_seen() -> None:
    assert in_ci({"CI": "1"})
    assert in_ci({"TEAMCITY_VERSION": "2024.03"})
    assert not in_ci({"CI": "0", "HOME": "/root"})


@pytest.mark.parametrize("encoding", ["ascii", "utf-8", "utf-16"])
@pytest.mark.parametrize("environ", [{}, {"CI": "true", "LANG": "C"}])
def test_the_two_lines_come_out_of_a_pipe_whole(encoding: str, environ: dict[str, str]) -> None:
    raw, stream = pipe(encoding)
    output = open_output(stream, environ)
    output.write(FIRST_LINE)
    output.write(LAST_LINE)
    stream.flush()
    written = raw.getvalue().decode("utf-16" if encoding == "utf-16" else "utf-8")
    assert written == (
        "🧹 Cleaning up temporary build artifacts only...\n"
        "✅ Cleaned temporary artifacts, preserved base images\n"
    )


@pytest.mark.parametrize(
    ("encoding", "text", "written"),
    [
        ("latin-1", f"{FIRST_LINE} café — 日本 █░… ❌",
         "* Cleaning up temporary build artifacts only... café - \\u65e5\\u672c #.... !!\n"),
        ("utf-8", "name \ud800", "name \\ud800\n"),
    ],
)  # fmt: skip
def test_what_a_pipe_lacks_is_written_otherwise(encoding: str, text: str, written: str) -> None:
    raw, stream = pipe(encoding)
    open_output(stream, {}).write(text)
    stream.flush()
    assert raw.getvalue().decode(encoding) == written


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp437"])
def test_a_real_terminal_without_unicode_gets_what_it_can_show(
    pty: tuple[int, int], encoding: str
) -> None:
    reader, writer = pty
    with open(writer, "w", encoding=encoding, closefd=False) as stream:
        output = open_output(stream, {"TERM": "vt100"})
        assert not output.look.unicode
        output.write(f"{LAST_LINE} 日")
    shown = os.read(reader, 1000).decode("ascii")
    assert shown.rstrip() == ("OK Cleaned temporary artifacts, preserved base images \\u65e5")


def test_paint() -> None:
    assert Look(colour=True).paint("web", "bold") == "\x1b[1mweb\x1b[0m"
    assert Look(colour=True).paint("", "bold") == ""
    assert Look(colour=True).paint("web", "") == "web"
    assert Look().paint("web", "bold") == "web"
