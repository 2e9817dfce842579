"""What the words of a rule are made with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from holystone.planner.units import format_duration, format_size
from holystone.planner.verdict import Fact
from holystone.present.format import ago, clock, safe, short_reference


class Facts:
    """The facts of a reason, as people read them."""

    def __init__(self, told: Mapping[str, Fact]) -> None:
        self._told = told

    def __contains__(self, name: str) -> bool:
        """Whether a fact is given, if only as not known."""
        return name in self._told

    def known(self, name: str) -> bool:
        """Whether a fact is given and known."""
        return self._told.get(name) is not None

    def true(self, name: str) -> bool:
        """Whether a fact holds: true, or neither 0 nor empty."""
        return bool(self._told.get(name))

    def text(self, name: str) -> str:
        """A fact as text on one line."""
        return safe(str(self._told.get(name)))

    def reference(self, name: str) -> str:
        """A reference with its digest cut short."""
        return short_reference(str(self._told.get(name)))

    def number(self, name: str) -> float:
        """A fact as a number; 0 where it is missing."""
        return float(self._told.get(name) or 0)

    def count(self, name: str) -> int:
        """A fact as a whole number."""
        return int(self.number(name))

    def size(self, name: str) -> str:
        """A fact in bytes."""
        return format_size(self.count(name))

    def duration(self, name: str) -> str:
        """A fact in seconds."""
        return format_duration(self.number(name))

    def ago(self, name: str) -> str:
        """How long ago something was, a fact in seconds."""
        return ago(self.number(name))

    def clock(self, name: str, now: float) -> str:
        """A time, a fact in UTC seconds."""
        return clock(self.number(name), now)


@dataclass(frozen=True, slots=True)
class Wording:
    """The words of one rule: see ``reasons``."""

    text: Callable[[Facts], str]
    label: str
    brief: Callable[[Facts], str] | None = None


def fixed(text: str) -> Callable[[Facts], str]:
    """Words that need no fact."""
    return lambda _: text


def until(text: Callable[[Facts], str], mark: str) -> Callable[[Facts], str]:
    """The words of a rule up to a mark in them."""
    return lambda facts: text(facts).partition(mark)[0]


def sign(facts: Facts) -> str:
    """What ``idle`` counts from: where no use is known, when it was made or came here."""
    return facts.text("sign") if facts.true("sign") else "last used"


def used(facts: Facts) -> str:
    """How long something is unused, and what that counts from."""
    return f"{sign(facts)} {facts.ago('idle')}"
