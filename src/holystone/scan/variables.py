"""Variables in a text, filled in as the program does that reads the file; never by a guess."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

Lookup = Callable[[str], "str | None"]
"""The value of a variable, None where it has none. Raises NoValue where it cannot be told."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OPERATOR = re.compile(r":?[-+?]")
_DEEPEST = 20
_LONGEST = 100_000


class NoValue(Exception):
    """A variable has no plain value here; the message says which and why."""


class Syntax(NamedTuple):
    """How variables are written."""

    escape: str = ""
    """The character that takes the meaning from the next one."""
    quotes: bool = False
    """Quotes are taken away, and in single ones nothing is filled in."""
    doubled: bool = False
    """``$$`` is a dollar sign."""
    defaults: str = ""
    """Who does not know ``${NAME:-default}``; empty where it is known."""


COMPOSE = Syntax(doubled=True)
GITLAB = Syntax(doubled=True, defaults="GitLab")


def dockerfile_syntax(escape: str) -> Syntax:
    """How variables are written in a Dockerfile with this escape character."""
    return Syntax(escape=escape, quotes=True)


def expand(text: str, lookup: Lookup, syntax: Syntax, depth: int = 0) -> str:
    """The text with its variables filled in. Raises NoValue."""
    if depth > _DEEPEST:
        raise NoValue("its variables are nested too deeply")
    made: list[str] = []
    length, at, quote = 0, 0, ""
    while at < len(text):
        char = text[at]
        if syntax.quotes and char in "'\"" and quote in ("", char):
            quote = "" if quote else char
            part, at = "", at + 1
        elif quote == "'":
            part, at = char, at + 1
        elif syntax.escape and char == syntax.escape and at + 1 < len(text):
            part, at = text[at + 1], at + 2
        elif char == "$":
            part, at = _variable(text, at, lookup, syntax, depth)
        else:
            part, at = char, at + 1
        made.append(part)
        length += len(part)
        if length > _LONGEST:
            raise NoValue("its variables make it far too long")
    return "".join(made)


def _variable(text: str, at: int, lookup: Lookup, syntax: Syntax, depth: int) -> tuple[str, int]:
    """What stands for the variable at a dollar sign, and where the text goes on."""
    if syntax.doubled and text.startswith("$$", at):
        return "$", at + 2
    if not text.startswith("${", at):
        name = _NAME.match(text, at + 1)
        return (_value(name[0], lookup), name.end()) if name else ("$", at + 1)
    end = _closing(text, at + 2)
    name = _NAME.match(text, at + 2)
    whole = text[at : end + 1]
    if end < 0 or not name:
        raise NoValue(f"{text[at:][:60]!r} is no variable")
    if name.end() == end:
        return _value(name[0], lookup), end + 1
    operator = _OPERATOR.match(text, name.end())
    if syntax.defaults:
        raise NoValue(f"{syntax.defaults} does not know {whole}, only ${{{name[0]}}}")
    if not operator:
        raise NoValue(f"{whole} is not worked out here")
    word = text[operator.end() : end]
    given = lookup(name[0])
    is_set = bool(given) if operator[0][0] == ":" else given is not None
    if operator[0][-1] == "+":
        return (expand(word, lookup, syntax, depth + 1) if is_set else ""), end + 1
    if is_set:
        return given or "", end + 1
    if operator[0][-1] == "?":
        raise NoValue(f"{name[0]} has no value here, and must be given one")
    return expand(word, lookup, syntax, depth + 1), end + 1


def _value(name: str, lookup: Lookup) -> str:
    value = lookup(name)
    if value is None:
        raise NoValue(f"{name} has no value here")
    return value


def _closing(text: str, at: int) -> int:
    """Where the brace closes that was opened before ``at``; -1 where it does not."""
    depth = 1
    while at < len(text):
        if text[at] == "}":
            depth -= 1
            if not depth:
                return at
        elif text.startswith("${", at):
            depth += 1
            at += 1
        at += 1
    return -1
