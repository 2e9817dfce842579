"""What the rows of a list have: fields to write, values to sort and to filter by."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Generic, NamedTuple, TypeVar

from holystone.planner.glob import has_marks, of_text
from holystone.planner.lookup import reference_test
from holystone.planner.units import parse_duration, parse_size

Row = TypeVar("Row")
Known = TypeVar("Known")
Value = str | int | float | bool | None | Sequence[str] | Mapping[str, str]
Test = Callable[[Row], bool]

_TERM = re.compile(r"\s*([a-z]+(?:-[a-z]+)*)\s*(!=|>=|<=|=|>|<)\s*(.*?)\s*", re.DOTALL)
_COMPARED: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
_EQUALITY = ("=", "!=")


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
        for each in self.fields:
            if each.name == name:
                return each
        names = [each.name for each in self.fields]
        near = _near(name, names)
        hint = f" (did you mean .{near}?)" if near else ""
        raise ValueError(f"there is no field .{name}{hint}; there are {', '.join(names)}")

    def read_filter(self, text: str) -> Term:
        """A filter as it was typed. Raises ValueError."""
        names = [each.name for each in self.filters]
        match = _TERM.fullmatch(text)
        if match is None:
            name = text.strip().rstrip("=<>!")
            if name in names:
                raise ValueError(f"{text!r} has no value; write it like '{name}=...', in quotes")
            raise ValueError(f"{text!r} is not a filter; write it like {names[0]}=...")
        name, sign, value = match.groups()
        if name not in names:
            near = _near(name, names)
            hint = f" (did you mean {near}?)" if near else ""
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
                near = _near(name, self.orders)
                hint = f" (did you mean {near}?)" if near else ""
                known = ", ".join(self.orders)
                raise ValueError(f"nothing can be sorted by {name!r}{hint}; there are {known}")
            read.append((name, word.strip().startswith("-")))
        return read

    def tests(self, terms: Sequence[Term]) -> Test[Row]:
        """The test that all filters together make. Raises ValueError."""
        groups: list[list[Test[Row]]] = []
        for each in self.filters:
            met = [term for term in terms if term.name == each.name]
            any_of = [term for term in met if term.operator == "=" and not each.all_of]
            groups += [[each.test(t.operator, t.value)] for t in met if t not in any_of]
            if any_of:
                groups.append([each.test(t.operator, t.value) for t in any_of])
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
            unknown = [row for row in listed if value(row) is None]
            known = [row for row in listed if value(row) is not None]
            known.sort(key=value, reverse=downwards != turned)
            listed = known + unknown
        return listed


def by_text(get: Callable[[Row], Iterable[str]]) -> Callable[[str, str], Test[Row]]:
    """Texts that are equal, or as a pattern with ``*`` and ``?`` says."""

    def test(sign: str, value: str) -> Test[Row]:
        _refuse(sign, _EQUALITY)
        pattern = of_text(value.lower())
        return lambda row: any(pattern.matches(text.lower()) for text in get(row)) == (sign == "=")

    return test


def by_choice(
    get: Callable[[Row], Iterable[str]], choices: Sequence[str]
) -> Callable[[str, str], Test[Row]]:
    """Words of which there are only these; a pattern of them will do."""

    def test(sign: str, value: str) -> Test[Row]:
        if value.lower() not in choices and not has_marks(value):
            near = _near(value, choices)
            hint = f" (did you mean {near}?)" if near else ""
            raise ValueError(f"there is no {value!r}{hint}; there are {', '.join(choices)}")
        return by_text(get)(sign, value)

    return test


def by_start(get: Callable[[Row], str]) -> Callable[[str, str], Test[Row]]:
    """The start of an ID, with or without its algorithm."""

    def test(sign: str, value: str) -> Test[Row]:
        _refuse(sign, _EQUALITY)
        start = value.removeprefix("sha256:").lower()
        return lambda row: get(row).removeprefix("sha256:").startswith(start) == (sign == "=")

    return test


def by_part(get: Callable[[Row], Iterable[str]]) -> Callable[[str, str], Test[Row]]:
    """Texts that contain a word, or are as a pattern says."""

    def test(sign: str, value: str) -> Test[Row]:
        return by_text(get)(sign, value if has_marks(value) else f"*{value}*")

    return test


def by_reference(get: Callable[[Row], Iterable[str]]) -> Callable[[str, str], Test[Row]]:
    """References that a pattern covers, or that end in what was typed."""

    def test(sign: str, value: str) -> Test[Row]:
        _refuse(sign, _EQUALITY)
        covers = reference_test(value)
        return lambda row: any(map(covers, get(row))) == (sign == "=")

    return test


def by_size(get: Callable[[Row], int | None]) -> Callable[[str, str], Test[Row]]:
    """Bytes, compared."""
    return _compared(get, parse_size)


def by_age(get: Callable[[Row], float | None]) -> Callable[[str, str], Test[Row]]:
    """Seconds, compared; written as a time."""
    return _compared(get, parse_duration)


def by_least_age(get: Callable[[Row], float | None]) -> Callable[[str, str], Test[Row]]:
    """Seconds that are more than the time given, as docker's ``until`` means it."""

    def test(sign: str, value: str) -> Test[Row]:
        _refuse(sign, ("=",))
        return _compared(get, parse_duration)(">=", value)

    return test


def by_moment(
    get: Callable[[Row], float | None], *, later: bool
) -> Callable[[str, str], Test[Row]]:
    """Moments before or after the one given, UTC seconds."""

    def test(sign: str, value: str) -> Test[Row]:
        _refuse(sign, ("=",))
        return _compared(get, float)(">" if later else "<", value)

    return test


def by_number(get: Callable[[Row], float | None]) -> Callable[[str, str], Test[Row]]:
    """Numbers, compared."""

    def read(text: str) -> float:
        try:
            return float(text)
        except ValueError:
            raise ValueError(f"{text!r} is not a number") from None

    return _compared(get, read)


def by_flag(get: Callable[[Row], bool]) -> Callable[[str, str], Test[Row]]:
    """``true`` or ``false``."""

    def test(sign: str, value: str) -> Test[Row]:
        _refuse(sign, _EQUALITY)
        words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
        if value.lower() not in words:
            raise ValueError(f"{value!r}: write true or false")
        wanted = words[value.lower()] == (sign == "=")
        return lambda row: get(row) == wanted

    return test


def by_label(get: Callable[[Row], Mapping[str, str]]) -> Callable[[str, str], Test[Row]]:
    """``key`` or ``key=value``; both may be patterns."""

    def test(sign: str, value: str) -> Test[Row]:
        _refuse(sign, _EQUALITY)
        key, equals, wanted = value.partition("=")
        keys, values = of_text(key), of_text(wanted)

        def has(row: Row) -> bool:
            return any(
                keys.matches(name) and (not equals or values.matches(text))
                for name, text in get(row).items()
            )

        return lambda row: has(row) == (sign == "=")

    return test


def _compared(
    get: Callable[[Row], float | None], read: Callable[[str], float]
) -> Callable[[str, str], Test[Row]]:
    def test(sign: str, value: str) -> Test[Row]:
        wanted, compare = read(value), _COMPARED[sign]

        def holds(row: Row) -> bool:
            found = get(row)
            return found is not None and compare(found, wanted)

        return holds

    return test


def _refuse(sign: str, taken: Sequence[str]) -> None:
    if sign not in taken:
        raise ValueError(f"{sign} makes no sense here; write {' or '.join(taken)}")


def _near(word: str, known: Iterable[str]) -> str:
    by_lower = {each.lower(): each for each in known}
    near = get_close_matches(word.lower()[:100], list(by_lower), 1)
    return by_lower[near[0]] if near else ""
