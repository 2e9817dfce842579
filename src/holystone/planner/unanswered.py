"""Removals that got no answer: what became of each is told by what is there afterwards."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

GONE = "no answer came, and it is gone"
WHOLE = "no answer came, and it is still there"


class Left(NamedTuple):
    """What is left of an object whose removal got no answer."""

    there: bool
    lost: tuple[str, ...] = ()
    """The references that an image had and has no more."""

    @property
    def detail(self) -> str:
        """What is left, in words."""
        if not self.there:
            return GONE
        return f"{WHOLE}, without {', '.join(self.lost)}" if self.lost else WHOLE


def lost(had: Iterable[str], has: Collection[str]) -> tuple[str, ...]:
    """The references that an image had and has no more, each once, in their order."""
    return tuple(each for each in dict.fromkeys(had) if each not in has)
