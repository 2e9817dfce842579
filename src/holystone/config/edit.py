"""Add patterns to ``[protect] images`` in the text of a ``holystone.toml``; the rest stays.

The changed text is read again: it must say the same as before, and the added patterns.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, cast

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import Array, InlineTable

from holystone.config.kinds import toml
from holystone.config.toml_text import Lines, loads

_TABLE, _NAME = "protect", "images"
_WIDEST = 100
_INDENT = "  "
_LARGEST = 100_000
"""Characters: the time that ``tomlkit`` takes grows with their square."""
_SAMPLE = re.compile(rf"[ \t]*#[ \t]*{_NAME}[ \t]*=")
_HEADER = re.compile(r"[ \t]*\[")
_INDENTED = re.compile(r"^([ \t]+)[^\s\]]", re.MULTILINE)


class CannotAdd(Exception):
    """The list stands in a form that is not changed here; the message names the mend."""


def add(text: str, patterns: Sequence[str]) -> str:
    """The text, which must be valid TOML, with these patterns at the end of the list.

    Raises CannotAdd.
    """
    mark = text[:1] if text.startswith("\ufeff") else ""
    text = text.removeprefix(mark)
    plain = text.replace("\r\n", "\n")
    newline = "\n" if plain == text else "\r\n"
    if len(text) > _LARGEST:
        raise CannotAdd(f"files of more than {_LARGEST // 1000} kB are not changed here")
    try:
        tables = loads(text)
        made = _added(plain, tables, list(patterns)).replace("\n", newline)
        table = tables.get(_TABLE, {})
        wanted = {**tables, _TABLE: {**table, _NAME: [*table.get(_NAME, ()), *patterns]}}
        right = plain.replace("\n", newline) == text and loads(made) == wanted
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError, TOMLKitError):
        right = False
    if not right:
        raise CannotAdd(f"[{_TABLE}] {_NAME} is written in a way that is not changed here")
    return mark + made


def block(patterns: Sequence[str]) -> str:
    """The table with these patterns alone, as one pastes it into a file."""
    return f"[{_TABLE}]\n{_NAME} = {_list([toml(each) for each in patterns])}\n"


def _list(words: Sequence[str]) -> str:
    return "[\n" + "".join(f"{_INDENT}{word},\n" for word in words) + "]"


def _added(text: str, tables: dict[str, Any], patterns: list[str]) -> str:
    if _TABLE not in tables:
        kept = text.rstrip()
        return f"{kept}\n\n{block(patterns)}" if kept else text + block(patterns)
    document = tomlkit.parse(text)
    table: Any = document[_TABLE]
    if isinstance(table, InlineTable):
        raise TypeError("a table that stands on one line")
    lines = text.splitlines(keepends=True)
    if _NAME in table:
        at = Lines(text).of([_TABLE, _NAME]) or 1
        table[_NAME] = _longer(table[_NAME], patterns, lines[at - 1])
        return tomlkit.dumps(document)
    new = _list([toml(each) for each in patterns])
    at = Lines(text).of([_TABLE]) or 1
    if not _HEADER.match(lines[at - 1]):
        table[_NAME] = tomlkit.parse(f"{_NAME} = {new}\n")[_NAME]
        return tomlkit.dumps(document)
    # Not at the end of the table, where comments are about the next one: behind the line of the
    # sample that shows how it is written, or as the first key.
    until = next((n for n in range(at, len(lines)) if _HEADER.match(lines[n])), len(lines))
    at = next((n + 1 for n in range(at, until) if _SAMPLE.match(lines[n])), at)
    before = "".join(lines[:at])
    gap = "" if before.endswith("\n") else "\n"
    return f"{before}{gap}{_NAME} = {new}\n{''.join(lines[at:])}"


def _longer(listed: Array, patterns: list[str], line: str) -> Array:
    """The list with more at its end; ``line`` is the one on which it begins."""
    written = listed.as_string()
    if "\n" in written:
        indents = _INDENTED.findall(written)
        for each in patterns:
            listed.add_line(each, indent=indents[-1] if indents else _INDENT)
        if not written.rstrip("]").endswith((" ", "\t", "\n")):
            listed.add_line(indent="")
        return listed
    words = [item.as_string() for item in listed] + [toml(each) for each in patterns]
    column = line.index("[", line.index("="))
    if len(listed) and column + len(f"[{', '.join(words)}]") <= _WIDEST:
        listed.extend(patterns)
        return listed
    return cast(Array, tomlkit.parse(f"{_NAME} = {_list(words)}")[_NAME])
