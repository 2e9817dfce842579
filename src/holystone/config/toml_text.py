"""Read TOML from untrusted files in a time bounded by their length, and find the lines of keys.

The time of ``tomllib`` grows with the square of the parts of one key: 100 kB of ``a.a.a.``
practically never end. No valid key has so many parts, so such a text is refused before it is read.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from typing import Any

Path = tuple[str | int, ...]

MOST_PARTS = 50
"""Parts of one key. The deepest key of ``holystone.toml`` has three."""

# A string that is not closed ends where the line or the text does: the reader finds that.
_TOKEN = re.compile(
    r"""
      (?P<text>
          \"{3} (?: [^\\"] | \\. | "(?!"") )*+ (?: \"{3,5} )?
        | '{3} (?: [^'] | '(?!'') )*+ (?: '{3,5} )?
        | " (?: [^"\\\n] | \\[^\n] )*+ "?
        | ' [^'\n]*+ '?
        | [A-Za-z0-9_+-]++
      )
    | (?P<dot> \. )
    | (?P<blank> [ \t]++ )
    | (?P<comment> \#[^\n]*+ )
    | (?P<other> [^A-Za-z0-9_+\-."'\# \t]++ )
    """,
    re.DOTALL | re.VERBOSE,
)


_SYNTAX = re.compile(r"(.*?) ?\(at (?:line (\d+), column (\d+)|end of document)\)", re.DOTALL)
_MULTILINE = ('"""', "'''")
_TRIES = 3


def loads(text: str) -> dict[str, Any]:
    """The tables of a text. Raises ValueError with the line, RecursionError."""
    if text.count(".") >= MOST_PARTS:
        _check(text)
    return tomllib.loads(text)


def _check(text: str) -> None:
    dots = 0
    for token in _TOKEN.finditer(text):
        if token.lastgroup == "dot":
            dots += 1
            if dots >= MOST_PARTS:
                line = text.count("\n", 0, token.start()) + 1
                column = token.start() - text.rfind("\n", 0, token.start())
                raise ValueError(
                    f"a key has more than {MOST_PARTS} parts with dots between (at line {line}, "
                    f"column {column})"
                )
        elif token.lastgroup in ("comment", "other"):
            dots = 0


def syntax(error: Exception, text: str) -> tuple[str, int | None]:
    """The message of the TOML reader, and the line if the message names one."""
    match = _SYNTAX.fullmatch(str(error))
    if match is None:
        deep = isinstance(error, RecursionError)
        return "it is nested too deeply" if deep else "a number or date is out of bounds", None
    line = int(match[2]) if match[2] else text.count("\n") + 1
    return match[1].rstrip(".")[:200], line


class Lines:
    """Where the keys of a text stand. For messages: it may know of less than there is."""

    def __init__(self, text: str) -> None:
        self.lines = text.splitlines()
        self.keys: dict[Path, int] = {}
        self._scan()

    def of(self, path: Sequence[str | int], element: str = "") -> int | None:
        """The line of a key, else of the table it stands in; None where neither is found.

        Of the element of a list that is this text it is the line where that stands.
        """
        at = tuple(path)
        while at and at not in self.keys:
            at = at[:-1]
        if not at:
            return None
        start = self.keys[at]
        if element:
            end = min((line for line in self.keys.values() if line > start), default=None)
            for number in range(start, (end or len(self.lines) + 1)):
                line = self.lines[number - 1]
                if line.lstrip().startswith("#"):
                    continue
                if f'"{element}"' in line or f"'{element}'" in line:
                    return number
        return start

    def _scan(self) -> None:
        table: Path = ()
        counts: dict[Path, int] = {}
        inside = ""
        for number, line in enumerate(self.lines, start=1):
            if inside:
                inside = "" if line.count(inside) % 2 else inside
                continue
            stripped = line.strip()
            if stripped.startswith("["):
                header = _header(stripped)
                if header:
                    table = header
                    if stripped.startswith("[["):
                        table = (*header, counts.get(header, 0))
                        counts[header] = counts.get(header, 0) + 1
                    for end in range(1, len(table) + 1):
                        self.keys.setdefault(table[:end], number)
            elif "=" in stripped and not stripped.startswith("#"):
                key = _key(stripped)
                for end in range(1, len(key) + 1):
                    self.keys.setdefault((*table, *key[:end]), number)
            inside = next((mark for mark in _MULTILINE if line.count(mark) % 2), "")


def _header(line: str) -> Path:
    """The path of a line like ``[a.b]`` or ``[[a.b]]``; empty where it is none."""
    try:
        return _only_path(loads(line))
    except (ValueError, RecursionError):
        return ()


def _key(line: str) -> Path:
    """The path of a line like ``a.b = ...``; empty where it is none."""
    at = -1
    for _ in range(_TRIES):
        at = line.find("=", at + 1)
        if at < 0:
            break
        try:
            return _only_path(loads(line[:at] + "= 0"))
        except (ValueError, RecursionError):
            continue
    return ()


def _only_path(content: Any) -> Path:
    path: list[str | int] = []
    while content:
        if isinstance(content, list):
            content = content[0]
            continue
        ((name, content),) = content.items()
        path.append(name)
    return tuple(path)
