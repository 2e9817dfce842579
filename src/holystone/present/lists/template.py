r"""Rows written as a template says: ``{{.Name}}``, ``{{json .}}``, ``table {{.ID}}\t{{.Size}}``.

The language is the part of Go's templates that docker's ``--format`` is used with: fields, and
functions of them. Conditions and loops are not in it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from itertools import zip_longest
from typing import Any, Generic, TypeVar

from rich.cells import cell_len

from holystone.outside.text import safe, safe_json, safe_lines
from holystone.present.lists.table import Table

Row = TypeVar("Row")
_Take = Callable[[Row], Any]
"""What takes a value from a row."""
_PLACE = re.compile(r"\{\{(-\s)?\s*(.*?)\s*(\s-)?\}\}", re.DOTALL)
_WORD = re.compile(r'"(?:[^"\\]|\\.)*"|`[^`]*`|\||[^\s"`|]+')
_TITLE = re.compile(r"(?<=[a-z])(?=[A-Z])")
_NOT_HERE = ("if", "else", "end", "range", "with", "template", "block", "define", "break")
_GAP = 3


class Template(Generic[Row]):
    """A template, read."""

    def __init__(self, text: str, table: Table[Row]) -> None:
        """Raises ValueError for what is no template, or has a field that is none."""
        self.fields = table
        text = text.strip(" ")
        self.headed = text == "table" or re.match(r"table\s", text) is not None
        if self.headed:
            text = text.removeprefix("table").strip(" ")
        if text == "json":
            text = "{{json .}}"
        self.parts: list[tuple[str, _Take[Row] | None]] = []
        """What is written as it stands, without a value; of a place what its column is called."""
        at, trim = 0, False
        for place in _PLACE.finditer(text):
            before = text[at : place.start()]
            before = before.lstrip() if trim else before
            self._add(before.rstrip() if place[1] else before)
            self.parts.append(self._place(place[2]))
            at, trim = place.end(), bool(place[3])
        self._add(text[at:].lstrip() if trim else text[at:])

    @property
    def is_table(self) -> bool:
        """Whether it is ``table`` alone: the list as it is without a template."""
        return self.headed and not self.parts

    def lines(self, rows: Sequence[Row]) -> list[str]:
        """A line for each row, with a heading where the template begins with ``table``."""
        told = [
            safe_lines("".join(_text(take(row)) if take else text for text, take in self.parts))
            for row in rows
        ]
        return _aligned(["".join(text for text, _ in self.parts), *told]) if self.headed else told

    def _add(self, text: str) -> None:
        for mark, other in (("{{", "}}"), ("}}", "{{")):
            if mark in text:
                raise ValueError(f"the template has a {mark} without a {other}")
        if text:
            self.parts.append((text.replace(r"\t", "\t").replace(r"\n", "\n"), None))

    def _place(self, text: str) -> tuple[str, _Take[Row]]:
        """What stands between braces: steps with a ``|`` between them."""
        steps: list[list[str]] = [[]]
        for word in _WORD.findall(text):
            if word == "|":
                steps.append([])
            else:
                steps[-1].append(word)
        if not all(steps):
            first = self.fields.fields[0].name
            raise ValueError(f"{{{{{text}}}}} is empty; write it like {{{{.{first}}}}}")
        take = self._step(text, steps[0], None)
        for step in steps[1:]:
            take = self._step(text, step, take)
        named = re.findall(r"\.([A-Za-z]\w*)", text)
        return " ".join(_TITLE.sub(" ", name) for name in named).upper(), take

    def _step(self, text: str, words: Sequence[str], piped: _Take[Row] | None) -> _Take[Row]:
        """A field, a text, or a function of them."""
        name, *rest = words
        if name == ".Label" and len(rest) == 1:
            labels, key = self.fields.field("Labels").value, _literal(rest[0])
            return lambda row: (
                found.get(key, "") if isinstance(found := labels(row), Mapping) else ""
            )
        if name.startswith((".", '"', "`")):
            if rest or piped is not None:
                raise ValueError(f"{{{{{text}}}}}: put a | or a function between the fields")
            return self._operand(name)
        known = ", ".join(_FUNCTIONS)
        if name in _NOT_HERE:
            raise ValueError(
                f"{{{{{name}}}}} is not understood: a template has fields like "
                f"{{{{.{self.fields.fields[0].name}}}}} and the functions {known}"
            )
        if name not in _FUNCTIONS:
            if name.lower() in {each.name.lower() for each in self.fields.fields}:
                raise ValueError(f"{{{{{text}}}}}: write a field with a point: {{{{.{name}}}}}")
            raise ValueError(f"there is no function {name!r} in a template; there are {known}")
        count, function = _FUNCTIONS[name]
        operands = [self._operand(word) for word in rest] + ([piped] if piped else [])
        if len(operands) != count:
            raise ValueError(f"{{{{{text}}}}}: {name} takes {count} of fields and texts")
        return lambda row: function(*[operand(row) for operand in operands])

    def _operand(self, word: str) -> _Take[Row]:
        if word == ".":
            return lambda row: _Whole((each.name, each.value(row)) for each in self.fields.fields)
        if word.startswith("."):
            return self.fields.field(word[1:]).value
        if word[0] in '"`' or word.isdecimal():
            literal = int(word) if word.isdecimal() else _literal(word)
            return lambda _: literal
        raise ValueError(f"{word!r} is neither a field (with a point before it) nor a text")


class _Whole(dict[str, Any]):
    """A row with all its fields: what the point alone means."""

    __slots__ = ()


class _Ready(str):
    """JSON, which is safe as it stands: nothing in it but ASCII that can be printed."""

    __slots__ = ()


def _text(value: Any) -> str:
    """A value as people read it, on one line."""
    if isinstance(value, _Ready):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:g}" if abs(value) < 1e6 else f"{value:.0f}"
    if isinstance(value, _Whole):
        return safe(" ".join(map(_text, value.values())))
    if isinstance(value, Mapping):
        return safe(",".join(f"{key}={text}" for key, text in value.items()))
    if isinstance(value, Sequence) and not isinstance(value, str):
        return safe(", ".join(map(str, value)))
    return safe(str(value))


def _joined(value: Any, between: Any) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return _text(between).join(map(str, value))
    return _text(value)


def _cut(value: Any, length: Any) -> str:
    return _text(value)[: int(str(length))] if str(length).isdecimal() else _text(value)


def _count(value: Any) -> int:
    is_list = isinstance(value, Sequence | Mapping) and not isinstance(value, _Whole)
    return len(value) if is_list else 0


_FUNCTIONS: Mapping[str, tuple[int, Callable[..., Any]]] = {
    "json": (1, lambda value: _Ready(safe_json(json.dumps(value, separators=(",", ":"))))),
    "upper": (1, lambda value: _text(value).upper()),
    "lower": (1, lambda value: _text(value).lower()),
    "title": (1, lambda value: _text(value).title()),
    "join": (2, _joined),
    "truncate": (2, _cut),
    "len": (1, _count),
}
"""How many operands each takes, and what it makes of them."""


def _literal(word: str) -> str:
    if word.startswith("`"):
        return word[1:-1]
    try:
        return str(json.loads(word))
    except ValueError:
        raise ValueError(f"{word} is not a text; write it in double quotes") from None


def _aligned(lines: Sequence[str]) -> list[str]:
    """Lines whose cells stand below one another; a tab separates them."""
    cells = [line.split("\t") for line in lines]
    widths = [max(map(cell_len, column)) for column in zip_longest(*cells, fillvalue="")]
    return [
        "".join(
            cell + " " * (width - cell_len(cell) + _GAP)
            for cell, width in zip(row, widths, strict=False)
        ).rstrip()
        for row in cells
    ]
