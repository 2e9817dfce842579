"""What a stream can show: colour, width, Unicode, and whether a person can answer a question."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import NamedTuple, TextIO

from holystone.outside.text import safe_lines

WIDTH = 100
"""Columns where there is no terminal to ask, for what is drawn: nothing is broken there."""
NARROWEST = 20

_STYLES = {
    "bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36",
    "heading": "1;36",
}  # fmt: skip
_SAMPLE = "🧹✅❌…█░—"
"""If a stream's encoding has these, it has everything holystone draws with."""
_PLAIN = str.maketrans(
    {"🧹": "*", "✅": "OK", "❌": "!!", "…": "...", "—": "-", "█": "#", "░": "."}
)
_CI_VARIABLES = (
    "CI", "GITLAB_CI", "GITHUB_ACTIONS", "JENKINS_URL", "TF_BUILD", "TEAMCITY_VERSION",
)  # fmt: skip
_UNKNOWN_ENCODINGS = ("", "ascii", "us-ascii", "ansi_x3.4-1968", "646", "unknown-8bit")


class Look(NamedTuple):
    """How text is to be drawn."""

    width: int = WIDTH
    colour: bool = False
    unicode: bool = True
    elide: bool = False
    """Cut what is too long for the width. Only for terminals: elsewhere someone may search it."""
    wrap: bool = True
    """Break sentences at the width. Only for terminals: elsewhere a line is read by a program."""

    def paint(self, text: str, style: str) -> str:
        """The text in a style, or as it is where there is no colour, no style or no text."""
        if not self.colour or not style or not text:
            return text
        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m"

    @property
    def ellipsis(self) -> str:
        """What stands for text left out."""
        return "…" if self.unicode else "..."


class Output(NamedTuple):
    """A stream and what it can show."""

    stream: TextIO
    look: Look
    interactive: bool = False
    """A person sits there: questions may be asked and progress drawn."""

    def write(self, text: str) -> None:
        """Write text and the end of its line, made safe. Never fails for a character.

        What the stream's encoding lacks is replaced by something it has.
        """
        self.write_marked(safe_lines(text, colour=self.look.colour))

    def write_marked(self, text: str) -> None:
        """Write text that was made safe before it got marks for a CI system's log."""
        if not text.endswith("\n"):
            text += "\n"
        if not self.look.unicode:
            encoding = getattr(self.stream, "encoding", None) or "ascii"
            text = plain(text).encode(encoding, "backslashreplace").decode(encoding)
        self.stream.write(text)


def plain(text: str) -> str:
    """The text with ASCII in place of every character holystone draws with."""
    return text if text.isascii() else text.translate(_PLAIN)


def open_output(stream: TextIO, environ: Mapping[str, str], *, color: str = "auto") -> Output:
    """The stream made ready, with what it can show. ``color`` is ``auto``, ``always`` or ``never``.

    The stream is switched to UTF-8 where it has no better than ASCII and is read by a program (a
    pipe, a CI job under ``LANG=C``): the lines people search job logs for must come out whole.
    """
    automated = in_ci(environ)
    isatty: Callable[[], bool] | None = getattr(stream, "isatty", None)
    terminal = isatty is not None and isatty()
    encoding = (getattr(stream, "encoding", None) or "").lower()
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        if encoding in _UNKNOWN_ENCODINGS and (automated or not terminal):
            reconfigure(encoding="utf-8", errors="backslashreplace")
            encoding = "utf-8"
        else:
            reconfigure(errors="backslashreplace")
    dumb = environ.get("TERM") == "dumb"
    asked = terminal and not automated
    look = Look(
        width=_width(stream, environ, asked=asked),
        colour=_colour(environ, color, terminal=terminal and not dumb),
        unicode=_shows_unicode(encoding, stream),
        elide=asked,
        wrap=asked,
    )
    return Output(stream, look, interactive=asked and not dumb)


def in_ci(environ: Mapping[str, str]) -> bool:
    """Whether this is a CI job, by the variables CI systems set."""
    return any(_on(environ.get(name, "")) for name in _CI_VARIABLES)


def _on(value: str) -> bool:
    return value.lower() not in ("", "0", "false", "no")


def _colour(environ: Mapping[str, str], color: str, *, terminal: bool) -> bool:
    """The option, then NO_COLOR, FORCE_COLOR or CLICOLOR_FORCE, CLICOLOR=0, the terminal."""
    if color != "auto":
        return color == "always"
    if environ.get("NO_COLOR"):
        return False
    if _on(environ.get("FORCE_COLOR", "")) or _on(environ.get("CLICOLOR_FORCE", "")):
        return True
    return terminal and environ.get("CLICOLOR") != "0"


def _width(stream: TextIO, environ: Mapping[str, str], *, asked: bool) -> int:
    """Columns: what COLUMNS says, else the terminal where it is to be asked, else WIDTH."""
    columns = environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns) > 0:
        return max(NARROWEST, int(columns))
    if asked:
        try:
            columns_now = os.get_terminal_size(stream.fileno()).columns
        except (OSError, ValueError):
            columns_now = 0
        # A serial console answers 0: it does not know.
        return max(NARROWEST, columns_now or 80)
    return WIDTH


def _shows_unicode(encoding: str, stream: TextIO) -> bool:
    """Whether the encoding has the characters holystone draws with."""
    if not encoding:
        return not hasattr(stream, "buffer")  # in memory: text stays text
    try:
        _SAMPLE.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True
