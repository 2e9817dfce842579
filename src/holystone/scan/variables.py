"""Fill in the variables of a text as the program that reads the file does; never guess."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

Lookup = Callable[[str], "str | None"]
"""The value of a variable, None where it has none. Raises NoValue where it cannot be told."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OPERATOR = re.compile(r":?[-+?]")
_BRACES = re.compile(r"\$\{|\}")
_DOTENV = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_.-]*)\s*[=:]\s*(.*)", re.DOTALL)
_COMMENT = re.compile(r"(?:^|\s)#")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}
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


def expand(text: str, lookup: Lookup, syntax: Syntax, depth: int = 0) -> str:
    """The text with its variables filled in. Raises NoValue."""
    if depth > _DEEPEST:
        raise NoValue("its variables are nested too deeply")
    made: list[str] = []
    length, at, quote = 0, 0, ""
    while at < len(text):
        part, after = text[at], at + 1
        if syntax.quotes and part in "'\"" and quote in ("", part):
            part, quote = "", "" if quote else part
        elif quote != "'" and part == syntax.escape and after < len(text):
            part, after = text[after], after + 1
        elif quote != "'" and part == "$":
            part, after = _variable(text, at, lookup, syntax, depth)
        made.append(part)
        at = after
        length += len(part)
        if length > _LONGEST:
            raise NoValue("its variables make it far too long")
    return "".join(made)


def _variable(text: str, at: int, lookup: Lookup, syntax: Syntax, depth: int) -> tuple[str, int]:
    """What stands for the variable at a dollar sign, and where the text goes on."""
    if syntax.doubled and text.startswith("$$", at):
        return "$", at + 2
    braced = text.startswith("${", at)
    name = _NAME.match(text, at + 1 + braced)
    if not braced and not name:
        return "$", at + 1
    end = _closing(text, at + 2) if braced else 0
    if end < 0 or not name:
        raise NoValue(f"{text[at:][:60]!r} is no variable")
    if not braced or name.end() == end:
        if (value := lookup(name[0])) is None:
            raise NoValue(f"{name[0]} has no value here")
        return value, name.end() + braced
    whole = text[at : end + 1]
    if syntax.defaults:
        raise NoValue(f"{syntax.defaults} does not know {whole}, only ${{{name[0]}}}")
    operator = _OPERATOR.match(text, name.end())
    if not operator:
        raise NoValue(f"{whole} is not worked out here")
    given = lookup(name[0])
    is_set = bool(given) if operator[0][0] == ":" else given is not None
    sign = operator[0][-1]
    if sign == "?" and not is_set:
        raise NoValue(f"{name[0]} has no value here, and must be given one")
    if is_set == (sign == "+"):
        return expand(text[operator.end() : end], lookup, syntax, depth + 1), end + 1
    return ("" if sign == "+" else given or ""), end + 1


def _closing(text: str, at: int) -> int:
    """Where the brace closes that was opened before ``at``; -1 where it does not."""
    depth = 1
    for brace in _BRACES.finditer(text, at):
        depth += 1 if brace[0] == "${" else -1
        if not depth:
            return brace.start()
    return -1


def dotenv(text: str) -> dict[str, str]:
    """The variables of a ``.env`` beside a compose file. Other lines are passed over.

    So are values in quotes that go on over the line: no reference is written like that.
    """
    found: dict[str, str] = {}
    for line in text.splitlines():
        match = _DOTENV.fullmatch(line)
        if not match:
            continue
        name, value = match.groups()
        found.pop(name, None)
        if quoted := re.match(r"'([^']*)'\s*(#.*)?$", value):
            found[name] = quoted[1]
            continue
        if quoted := re.match(r'"((?:[^"\\]|\\.)*)"\s*(#.*)?$', value):
            value = re.sub(r"\\(.)", lambda each: _ESCAPES.get(each[1], each[1]), quoted[1])
        elif value[:1] in ("'", '"'):
            continue
        else:
            comment = _COMMENT.search(value)
            value = value[: comment.start() if comment else None].rstrip()
        try:
            found[name] = expand(value, found.get, COMPOSE)
        except NoValue:
            continue
    return found
