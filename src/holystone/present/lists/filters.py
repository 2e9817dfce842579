"""The tests of ``--filter``: each gets a function that reads a value from a row, and makes a test.

Each raises ValueError for an operator or a value that it does not take.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, TypeVar

from holystone.planner.glob import has_marks, of_text
from holystone.planner.lookup import reference_test
from holystone.planner.units import parse_duration, parse_size

Row = TypeVar("Row")
Test = Callable[[Row], bool]
Filter = Callable[[str, str], Test[Row]]

_COMPARED: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
_FLAGS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def text(get: Callable[[Row], Iterable[str]]) -> Filter[Row]:
    """Texts that are equal, or as a pattern with ``*`` and ``?`` says."""

    def read(value: str) -> Test[Row]:
        pattern = of_text(value.lower())
        return lambda row: any(pattern.matches(each.lower()) for each in get(row))

    return _equal(read)


def choice(get: Callable[[Row], str], choices: Sequence[str]) -> Filter[Row]:
    """A word of which there are only these; a pattern of them will do."""
    equal: Filter[Row] = text(lambda row: (get(row),))

    def test(sign: str, value: str) -> Test[Row]:
        if value.lower() not in choices and not has_marks(value):
            hint = did_you_mean(value, choices)
            raise ValueError(f"there is no {value!r}{hint}; there are {', '.join(choices)}")
        return equal(sign, value)

    return test


def start(get: Callable[[Row], str]) -> Filter[Row]:
    """The start of an ID, with or without its algorithm."""

    def read(value: str) -> Test[Row]:
        begins = value.removeprefix("sha256:").lower()
        return lambda row: get(row).removeprefix("sha256:").startswith(begins)

    return _equal(read)


def part(get: Callable[[Row], Iterable[str]]) -> Filter[Row]:
    """Texts that contain a word, or are as a pattern says."""
    test = text(get)
    return lambda sign, value: test(sign, value if has_marks(value) else f"*{value}*")


def reference(get: Callable[[Row], Iterable[str]]) -> Filter[Row]:
    """References that a pattern covers, or that end in what was typed."""

    def read(value: str) -> Test[Row]:
        covers = reference_test(value)
        return lambda row: any(map(covers, get(row)))

    return _equal(read)


def flag(get: Callable[[Row], bool]) -> Filter[Row]:
    """``true`` or ``false``."""

    def read(value: str) -> Test[Row]:
        if value.lower() not in _FLAGS:
            raise ValueError(f"{value!r}: write true or false")
        return lambda row: get(row) == _FLAGS[value.lower()]

    return _equal(read)


def label(get: Callable[[Row], Mapping[str, str]]) -> Filter[Row]:
    """``key`` or ``key=value``; both may be patterns."""

    def read(value: str) -> Test[Row]:
        key, equals, wanted = value.partition("=")
        keys, values = of_text(key), of_text(wanted)
        return lambda row: any(
            keys.matches(name) and (not equals or values.matches(told))
            for name, told in get(row).items()
        )

    return _equal(read)


def size(get: Callable[[Row], int | None]) -> Filter[Row]:
    """Bytes, compared."""
    return _compared(get, parse_size)


def age(get: Callable[[Row], float | None]) -> Filter[Row]:
    """Seconds, compared; written as a time."""
    return _compared(get, parse_duration)


def number(get: Callable[[Row], float | None]) -> Filter[Row]:
    """Numbers, compared."""

    def read(value: str) -> float:
        try:
            return float(value)
        except ValueError:
            raise ValueError(f"{value!r} is not a number") from None

    return _compared(get, read)


def least_age(get: Callable[[Row], float | None]) -> Filter[Row]:
    """Seconds that are more than the time given, as docker's ``until`` means it."""
    return _only_equal(age(get), ">=")


def moment(get: Callable[[Row], float | None], *, later: bool) -> Filter[Row]:
    """Moments before or after the one given, UTC seconds."""
    return _only_equal(_compared(get, float), ">" if later else "<")


def did_you_mean(word: str, known: Iterable[str], mark: str = "") -> str:
    """The known word that is most like this one, as a question in brackets; empty if none is."""
    by_lower = {each.lower(): each for each in known}
    near = get_close_matches(word.lower()[:100], list(by_lower), 1)
    return f" (did you mean {mark}{by_lower[near[0]]}?)" if near else ""


def _equal(read: Callable[[str], Test[Row]]) -> Filter[Row]:
    """What is so, or with ``!=`` is not so."""

    def test(sign: str, value: str) -> Test[Row]:
        _refuse(sign, "=", "!=")
        holds, wanted = read(value), sign == "="
        return lambda row: holds(row) == wanted

    return test


def _only_equal(test: Filter[Row], meant: str) -> Filter[Row]:
    """What is written with ``=`` alone, and means another operator."""

    def meaning(sign: str, value: str) -> Test[Row]:
        _refuse(sign, "=")
        return test(meant, value)

    return meaning


def _compared(get: Callable[[Row], float | None], read: Callable[[str], float]) -> Filter[Row]:
    """Numbers, compared; what is not known never holds."""

    def test(sign: str, value: str) -> Test[Row]:
        wanted, compare = read(value), _COMPARED[sign]
        return lambda row: (found := get(row)) is not None and compare(found, wanted)

    return test


def _refuse(sign: str, *taken: str) -> None:
    if sign not in taken:
        raise ValueError(f"{sign} makes no sense here; write {' or '.join(taken)}")
