"""``.env`` beside a compose file: the values of variables in it."""

from __future__ import annotations

import re

from holystone.scan.variables import COMPOSE, NoValue, expand

_LINE = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_.-]*)\s*[=:]\s*(.*)", re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}


_COMMENT = re.compile(r"(?:^|\s)#")


def _uncommented(value: str) -> str:
    found = _COMMENT.search(value)
    return (value if found is None else value[: found.start()]).rstrip()


def values(text: str) -> dict[str, str]:
    """The variables of a text. Lines that are no assignment are passed over.

    So are values in quotes that go on over the line: no reference is written like that.
    """
    found: dict[str, str] = {}
    for line in text.splitlines():
        match = _LINE.fullmatch(line)
        if not match:
            continue
        name, value = match[1], match[2]
        found.pop(name, None)
        if quoted := re.match(r"'([^']*)'\s*(#.*)?$", value):
            found[name] = quoted[1]
            continue
        if quoted := re.match(r'"((?:[^"\\]|\\.)*)"\s*(#.*)?$', value):
            value = re.sub(r"\\(.)", lambda each: _ESCAPES.get(each[1], each[1]), quoted[1])
        elif value[:1] in ("'", '"'):
            continue
        else:
            value = _uncommented(value)
        try:
            found[name] = expand(value, found.get, COMPOSE)
        except NoValue:
            continue
    return found
