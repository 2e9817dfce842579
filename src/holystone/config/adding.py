"""Patterns added to ``[protect] images`` in the text of a ``holystone.toml``; the rest stays.

What this writes is read again: it must say the same as before, and the patterns beside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from holystone.config.kinds import toml
from holystone.config.toml_text import loads

_TABLE, _NAME = "protect", "images"
_WIDEST = 100
_INDENT = "  "
_SPACE = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BLANK = re.compile(r"[ \t]*")
_STRING = re.compile(
    r"""
      \"{3} (?: [^\\] | \\. )*? \"{3,5}
    | '{3} .*? '{3,5}
    | " (?: [^"\\\n] | \\. )* "
    | ' [^'\n]* '
    """,
    re.DOTALL | re.VERBOSE,
)
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_PLAIN = re.compile(r"[^\s,\[\]{}#]+(?: [0-9][^\s,\[\]{}#]*)?")


class CannotAdd(Exception):
    """The text has the list in a form that is not changed here; the message names the mend."""


class _Pair(NamedTuple):
    """A key with its value, and where the value stands."""

    path: tuple[str, ...]
    start: int
    end: int


class _Header(NamedTuple):
    """A line like ``[protect]``."""

    path: tuple[str, ...]
    end: int
    """Where the text after its line begins."""


def add(text: str, patterns: Sequence[str]) -> str:
    """The text with these patterns at the end of the list. It must be TOML that is right.

    Raises CannotAdd.
    """
    mark = text[:1] if text.startswith("\ufeff") else ""
    text = text.removeprefix(mark)
    plain = text.replace("\r\n", "\n")
    newline = "\n" if plain == text else "\r\n"
    try:
        made = _added(plain, list(patterns)).replace("\n", newline)
        wanted = _extended(loads(text), patterns)
        right = plain.replace("\n", newline) == text and loads(made) == wanted
    except (ValueError, IndexError, RecursionError):
        right = False
    if not right:
        raise CannotAdd(f"[{_TABLE}] {_NAME} is written in a way that is not changed here")
    return mark + made


def block(patterns: Sequence[str]) -> str:
    """The table with these patterns alone, as one pastes it into a file."""
    return f"[{_TABLE}]\n{_NAME} = {_list(patterns)}\n"


def _list(patterns: Sequence[str]) -> str:
    return _at_end("[]", [toml(each) for each in patterns])


def _extended(tables: dict[str, Any], patterns: Sequence[str]) -> dict[str, Any]:
    table = tables.get(_TABLE, {})
    return {**tables, _TABLE: {**table, _NAME: [*table.get(_NAME, ()), *patterns]}}


def _added(text: str, patterns: list[str]) -> str:
    statements = list(_statements(text))
    for each in statements:
        if isinstance(each, _Pair) and each.path == (_TABLE, _NAME):
            changed = _lengthened(text[each.start : each.end], patterns, _column(text, each.start))
            return text[: each.start] + changed + text[each.end :]
    for at, each in enumerate(statements):
        if isinstance(each, _Header) and each.path == (_TABLE,):
            end = next((s for s in statements[at + 1 :] if isinstance(s, _Header)), None)
            return _into_table(text, each.end, end.end if end else len(text), patterns)
    return _new_table(text, statements, patterns)


def _into_table(text: str, start: int, end: int, patterns: list[str]) -> str:
    """The text with the key as a new one of its table: behind the sample's own line for it."""
    line = f"{_NAME} = {_list(patterns)}\n"
    sample = re.compile(rf"^[ \t]*#[ \t]*{_NAME}[ \t]*=.*\n?", re.MULTILINE).search(
        text, start, end
    )
    at = sample.end() if sample else start
    gap = "" if not at or text[at - 1] == "\n" else "\n"
    return text[:at] + gap + line + text[at:]


def _new_table(text: str, statements: list[_Pair | _Header], patterns: list[str]) -> str:
    """The text with the table as a new one at its end, or as a key beside others of it."""
    last = None
    for each in statements:
        if isinstance(each, _Header):
            break
        if each.path[0] == _TABLE:
            last = each
    if last is not None:
        end = text.find("\n", last.end)
        at = len(text) if end < 0 else end + 1
        gap = "" if text[at - 1] == "\n" else "\n"
        return f"{text[:at]}{gap}{_TABLE}.{_NAME} = {_list(patterns)}\n{text[at:]}"
    if not text.strip():
        return text + block(patterns)
    return text.rstrip("\n") + "\n\n" + block(patterns)


def _lengthened(written: str, patterns: list[str], column: int) -> str:
    """The list as written, with more at its end; one that gets too long for its line is broken."""
    if not written.startswith("["):
        raise ValueError("no list")
    words = [toml(each) for each in patterns]
    spans = list(_elements(written))
    if "\n" not in written:
        words = [*(written[start:end] for start, end in spans), *words]
        line = f"[{', '.join(words)}]"
        if spans and column + len(line) <= _WIDEST:
            return line
        return _at_end("[]", words)
    if spans:
        last = spans[-1][1]
        if written[_skipped(_SPACE, written, last)] != ",":
            written = f"{written[:last]},{written[last:]}"
    return _at_end(written, words)


def _at_end(written: str, words: list[str]) -> str:
    """The list with each word on a line of its own before the bracket that closes it."""
    inner = written[:-1]
    body = inner.rstrip(" \t")
    found = re.findall(r"^([ \t]+)\S", body, re.MULTILINE)
    indent = found[-1] if found else _INDENT
    lines = "".join(f"{indent}{word},\n" for word in words)
    if body.endswith("\n"):
        return body + lines + inner[len(body) :] + "]"
    return f"{body}\n{lines}]"


def _elements(written: str) -> Iterator[tuple[int, int]]:
    """Where the elements of a list begin and end."""
    at = _skipped(_SPACE, written, 1)
    while written[at] != "]":
        end = _value_end(written, at)
        yield at, end
        at = _skipped(_SPACE, written, end)
        if written[at] == ",":
            at = _skipped(_SPACE, written, at + 1)


def _statements(text: str) -> Iterator[_Pair | _Header]:
    """The headers and the pairs of a text that is right; pairs with the path of their table."""
    table: tuple[str, ...] = ()
    at = _skipped(_SPACE, text, 0)
    while at < len(text):
        if text[at] == "[":
            twice = text.startswith("[[", at)
            table, at = _path(text, at + 1 + twice)
            at += 1 + twice
            # A table of a list is never the one that is looked for.
            table = ("", *table) if twice else table
            line = text.find("\n", at)
            yield _Header(table, len(text) if line < 0 else line + 1)
        else:
            path, at = _path(text, at)
            start = _skipped(_BLANK, text, at + 1)
            at = _value_end(text, start)
            yield _Pair((*table, *path), start, at)
        at = _skipped(_SPACE, text, at)


def _path(text: str, at: int) -> tuple[tuple[str, ...], int]:
    """The parts of a dotted key, and where it ends."""
    parts = []
    while True:
        at = _skipped(_BLANK, text, at)
        match = _BARE.match(text, at) or _STRING.match(text, at)
        if not match:
            raise ValueError("no key")
        bare = match.re is _BARE
        parts.append(match[0] if bare else str(loads(f"a = {match[0]}")["a"]))
        at = _skipped(_BLANK, text, match.end())
        if text[at] != ".":
            return tuple(parts), at
        at += 1


def _value_end(text: str, at: int) -> int:
    """Where the value ends that begins here."""
    if text[at] not in "[{":
        match = _STRING.match(text, at) or _PLAIN.match(text, at)
        if not match:
            raise ValueError("no value")
        return match.end()
    depth = 0
    while True:
        at = _skipped(_SPACE, text, at)
        if text[at] in "[{":
            depth += 1
            at += 1
        elif text[at] in "]}":
            depth -= 1
            at += 1
            if not depth:
                return at
        elif text[at] in ",=.":
            at += 1
        else:
            match = _STRING.match(text, at) or _PLAIN.match(text, at)
            if not match:
                raise ValueError("no value")
            at = match.end()


def _skipped(pattern: re.Pattern[str], text: str, at: int) -> int:
    match = pattern.match(text, at)
    return match.end() if match else at


def _column(text: str, at: int) -> int:
    return at - (text.rfind("\n", 0, at) + 1)
