"""The columns of a list: fields to write, values to sort and to filter by."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from holystone.present.lists.filters import Test, did_you_mean

Row = TypeVar("Row")
Known = TypeVar("Known")
Value = str | int | float | bool | None | Sequence[str] | Mapping[str, str]

_TERM = re.compile(r"\s*([a-z]+(?:-[a-z]+)*)\s*(!=|>=|<=|=|>|<)\s*(.*?)\s*", re.DOTALL)


class Field(NamedTuple, Generic[Row]):
    """A field of a row: what ``{{.Name}}`` writes."""

    name: str
    told: str
    """What it is, in a few words."""
    value: Callable[[Row], Value]


def where_known(write: Callable[[Known], str], value: Known | None) -> str | None:
    """The value as ``write`` has it; None where it is not known."""
    return None if value is None else write(value)


class Filter(NamedTuple, Generic[Row]):
    """What ``--filter name=value`` asks."""

    name: str
    told: str
    test: Callable[[str, str], Test[Row]]
    """The test for an operator and a value. Raises ValueError for those it does not take."""
    all_of: bool = False
    """Whether several of this name must all hold, as docker does with labels; else any of them."""


class Term(NamedTuple):
    """One ``--filter``, read."""

    name: str
    operator: str
    value: str


class Table(NamedTuple, Generic[Row]):
    """A list: what its rows can be asked for."""

    fields: Sequence[Field[Row]]
    orders: Mapping[str, Callable[[Row], Any]]
    """What rows can be sorted by: a value, smallest first; None comes last in any direction."""
    filters: Sequence[Filter[Row]]

    def field(self, name: str) -> Field[Row]:
        """The field of this name. Raises ValueError."""
        known = {each.name: each for each in self.fields}
        if name not in known:
            hint = did_you_mean(name, known, ".")
            raise ValueError(f"there is no field .{name}{hint}; there are {', '.join(known)}")
        return known[name]

    def read_filter(self, text: str) -> Term:
        """A filter as it was typed. Raises ValueError."""
        names = [each.name for each in self.filters]
        match = _TERM.fullmatch(text)
        name, sign, value = match.groups() if match else (text.strip().rstrip("=<>!"), "", "")
        if name not in names:
            if match is None:
                raise ValueError(f"{text!r} is not a filter; write it like {names[0]}=...")
            hint = did_you_mean(name, names)
            raise ValueError(f"there is no filter {name!r}{hint}; there are {', '.join(names)}")
        if not value:
            raise ValueError(f"{text!r} has no value; write it like '{name}=...', in quotes")
        return Term(name, sign, value)

    def read_order(self, text: str) -> list[tuple[str, bool]]:
        """What to sort by, and whether that is turned round. Raises ValueError."""
        read = []
        for word in text.split(","):
            name = word.strip().removeprefix("-").removeprefix("+").strip().lower()
            if name not in self.orders:
                hint, known = did_you_mean(name, self.orders), ", ".join(self.orders)
                raise ValueError(f"nothing can be sorted by {name!r}{hint}; there are {known}")
            read.append((name, word.strip().startswith("-")))
        return read

    def tests(self, terms: Sequence[Term]) -> Test[Row]:
        """The test that all filters together make. Raises ValueError."""
        groups: list[list[Test[Row]]] = []
        for each in self.filters:
            any_of = []
            for _, sign, value in (term for term in terms if term.name == each.name):
                test = each.test(sign, value)
                if sign == "=" and not each.all_of:
                    any_of.append(test)
                else:
                    groups.append([test])
            groups += [any_of] if any_of else []
        return lambda row: all(any(test(row) for test in group) for group in groups)

    def ordered(
        self, rows: Iterable[Row], by: Sequence[tuple[str, bool]], *, turned: bool = False
    ) -> list[Row]:
        """The rows in an order; equal ones stay as they are. ``turned`` turns the whole round."""
        listed = list(rows)
        if turned and not by:
            listed.reverse()
        for name, downwards in reversed(by):
            value = self.orders[name]
            known = [row for row in listed if value(row) is not None]
            known.sort(key=value, reverse=downwards != turned)
            listed = known + [row for row in listed if value(row) is None]
        return listed
