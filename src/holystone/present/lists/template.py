r"""Rows written as a template says: ``{{.Name}}``, ``{{json .}}``, ``table {{.ID}}\t{{.Size}}``.

The language is the part of Go's templates that docker's ``--format`` is used with: fields, and
functions of them. Conditions and loops are not in it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Generic, NamedTuple, TypeVar

from rich.cells import cell_len

from holystone.outside.text import safe, safe_json, safe_lines
from holystone.present.lists.table import Field, Table, Value

Row = TypeVar("Row")
_PLACE = re.compile(r"\{\{(-\s)?\s*(.*?)\s*(\s-)?\}\}", re.DOTALL)
_WORD = re.compile(r'"(?:[^"\\]|\\.)*"|`[^`]*`|\||[^\s"`|]+')
_TITLE = re.compile(r"(?<=[a-z])(?=[A-Z])")
_NOT_HERE = ("if", "else", "end", "range", "with", "template", "block", "define", "break")
_GAP = 3


class _Part(NamedTuple, Generic[Row]):
    """A piece of a template."""

    text: str
    """What is written as it stands; of a place what its column is called."""
    value: Callable[[Row], str] | None = None


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
        self.parts = self._parts(text)

    @property
    def is_table(self) -> bool:
        """Whether it is ``table`` alone: the list as it is without a template."""
        return self.headed and not self.parts

    def lines(self, rows: Sequence[Row]) -> list[str]:
        """A line for each row, with a heading where the template begins with ``table``."""
        told = [safe_lines("".join(self._told(part, row) for part in self.parts)) for row in rows]
        if not self.headed:
            return told
        return _aligned(["".join(part.text for part in self.parts), *told])

    @staticmethod
    def _told(part: _Part[Row], row: Row) -> str:
        return part.text if part.value is None else part.value(row)

    def _parts(self, text: str) -> list[_Part[Row]]:
        parts: list[_Part[Row]] = []
        at, trim = 0, False
        for place in _PLACE.finditer(text):
            before = text[at : place.start()]
            before = before.lstrip() if trim else before
            before = before.rstrip() if place[1] else before
            self._add(parts, before)
            parts.append(self._place(place[2]))
            at, trim = place.end(), bool(place[3])
        self._add(parts, text[at:].lstrip() if trim else text[at:])
        return parts

    @staticmethod
    def _add(parts: list[_Part[Row]], text: str) -> None:
        for mark in ("{{", "}}"):
            if mark in text:
                other = "}}" if mark == "{{" else "{{"
                raise ValueError(f"the template has a {mark} without a {other}")
        if text:
            parts.append(_Part(text.replace(r"\t", "\t").replace(r"\n", "\n")))

    def _place(self, text: str) -> _Part[Row]:
        """What stands between braces: steps with a ``|`` between them."""
        steps: list[list[str]] = [[]]
        for word in _WORD.findall(text):
            if word == "|":
                steps.append([])
            else:
                steps[-1].append(word)
        if not all(steps):
            raise ValueError(f"{{{{{text}}}}} is empty; write it like {{{{.{self._first}}}}}")
        value = self._step(text, steps[0], None)
        for step in steps[1:]:
            value = self._step(text, step, value)
        named = re.findall(r"\.([A-Za-z]\w*)", text)
        title = " ".join(_TITLE.sub(" ", name) for name in named).upper()
        return _Part(title, lambda row: _text(value(row)))

    @property
    def _first(self) -> str:
        return self.fields.fields[0].name

    def _step(
        self, text: str, words: Sequence[str], piped: Callable[[Row], Value] | None
    ) -> Callable[[Row], Value]:
        """A field, a text, or a function of them."""
        name, *rest = words
        if name == ".Label" and len(rest) == 1:
            labels, key = self.fields.field("Labels").value, _literal(rest[0])
            return lambda row: dict(_pairs(labels(row))).get(key, "")
        if name.startswith((".", '"', "`")):
            if rest or piped is not None:
                raise ValueError(f"{{{{{text}}}}}: put a | or a function between the fields")
            return self._operand(name)
        if name in _NOT_HERE:
            raise ValueError(
                f"{{{{{name}}}}} is not understood: a template has fields like "
                f"{{{{.{self._first}}}}} and the functions {', '.join(_FUNCTIONS)}"
            )
        function = _FUNCTIONS.get(name)
        if function is None:
            if name.lower() in {each.name.lower() for each in self.fields.fields}:
                raise ValueError(f"{{{{{text}}}}}: write a field with a point: {{{{.{name}}}}}")
            known = ", ".join(_FUNCTIONS)
            raise ValueError(f"there is no function {name!r} in a template; there are {known}")
        operands = [self._operand(word) for word in rest] + ([piped] if piped else [])
        if len(operands) != function[0]:
            raise ValueError(f"{{{{{text}}}}}: {name} takes {function[0]} of fields and texts")
        return lambda row: function[1](*[operand(row) for operand in operands])

    def _operand(self, word: str) -> Callable[[Row], Value]:
        if word == ".":
            return lambda row: _Whole(self.fields.fields, row)  # type: ignore[arg-type,return-value]
        if word.startswith("."):
            return self.fields.field(word[1:]).value
        if word[0] in '"`':
            literal = _literal(word)
            return lambda _: literal
        if word.isdecimal():
            number = int(word)
            return lambda _: number
        raise ValueError(f"{word!r} is neither a field (with a point before it) nor a text")


class _Whole:
    """A row with all its fields: what the point alone means."""

    def __init__(self, fields: Sequence[Field[object]], row: object) -> None:
        self.values = {each.name: each.value(row) for each in fields}


def _text(value: object) -> str:
    """A value as people read it, on one line."""
    if isinstance(value, _Whole):
        return safe(" ".join(_text(each) for each in value.values.values()))
    if isinstance(value, _Ready):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:g}" if abs(value) < 1e6 else f"{value:.0f}"
    if isinstance(value, Mapping):
        return safe(",".join(f"{key}={text}" for key, text in value.items()))
    if isinstance(value, Sequence) and not isinstance(value, str):
        return safe(", ".join(map(str, value)))
    return safe(str(value))


class _Ready(str):
    """JSON, which is safe as it stands: nothing in it but ASCII that can be printed."""

    __slots__ = ()


def _json(value: object) -> _Ready:
    told = value.values if isinstance(value, _Whole) else value
    return _Ready(safe_json(json.dumps(told, separators=(",", ":"))))


def _joined(value: object, between: object) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return _text(between).join(map(str, value))
    return _text(value)


def _cut(value: object, length: object) -> str:
    return _text(value)[: int(str(length))] if str(length).isdecimal() else _text(value)


_FUNCTIONS: Mapping[str, tuple[int, Callable[..., Value]]] = {
    "json": (1, _json),
    "upper": (1, lambda value: _text(value).upper()),
    "lower": (1, lambda value: _text(value).lower()),
    "title": (1, lambda value: _text(value).title()),
    "join": (2, _joined),
    "truncate": (2, _cut),
    "len": (1, lambda value: len(value) if isinstance(value, Sequence | Mapping) else 0),
}
"""How many operands each takes, and what it makes of them."""


def _literal(word: str) -> str:
    if word.startswith("`"):
        return word[1:-1]
    try:
        return str(json.loads(word))
    except ValueError:
        raise ValueError(f"{word} is not a text; write it in double quotes") from None


def _pairs(value: Value) -> Mapping[str, str]:
    return value if isinstance(value, Mapping) else {}


def _aligned(lines: Sequence[str]) -> list[str]:
    """Lines whose cells stand below one another; a tab separates them."""
    cells = [line.split("\t") for line in lines]
    count = max(map(len, cells))
    widths = [
        max((cell_len(row[i]) for row in cells if i < len(row)), default=0) for i in range(count)
    ]
    return [
        "".join(
            cell + " " * (widths[i] - cell_len(cell) + _GAP) for i, cell in enumerate(row)
        ).rstrip()
        for row in cells
    ]
