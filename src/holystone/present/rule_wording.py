"""What the words of a rule are made with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from holystone.planner.units import format_duration, format_size
from holystone.planner.verdict import Fact

Facts = Mapping[str, Fact]


class Wording(NamedTuple):
    """The words of one rule: see ``reasons``."""

    text: Callable[[Facts], str]
    label: str
    brief: Callable[[Facts], str] | None = None


def number(facts: Facts, name: str) -> float:
    """A fact as a number; 0 where it is missing."""
    return float(facts.get(name) or 0)


def count(facts: Facts, name: str) -> int:
    """A fact as a whole number."""
    return int(number(facts, name))


def size(facts: Facts, name: str) -> str:
    """A fact in bytes, as people write it."""
    return format_size(count(facts, name))


def duration(facts: Facts, name: str) -> str:
    """A fact in seconds, as people write it."""
    return format_duration(number(facts, name))
