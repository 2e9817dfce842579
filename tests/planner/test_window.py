"""A maintenance window: where it lies in the day, across midnight too."""

from __future__ import annotations

import pytest

from holystone.planner.units import parse_window


def hours(text: str) -> set[int]:
    """The hours at whose beginning the window is open."""
    return {hour for hour in range(24) if parse_window(text).holds(hour * 60)}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("22:00-06:00", {22, 23, 0, 1, 2, 3, 4, 5}),
        ("01:00-03:00", {1, 2}),
        ("00:01-03:01", {1, 2, 3}),
        ("07:30-07:30", set(range(24))),
    ],
)
def test_when_it_is_open(text: str, holds: set[int]) -> None:
    assert hours(text) == holds
    assert str(parse_window(text)) == text


def test_it_closes_to_the_minute() -> None:
    window = parse_window(" 22:15 - 06:45 ")
    told = [window.holds(minute) for minute in (1334, 1335, 404, 405)]
    assert told == [False, True, True, False]


@pytest.mark.parametrize(
    "text", ["", "22-6", "22:00", "22:00-24:00", "22:60-06:00", "22:00-06:00-07:00", "2:00-3:00"]
)
def test_it_says_what_it_wants(text: str) -> None:
    with pytest.raises(ValueError, match="write it like 22:00-06:00"):
        parse_window(text)
