"""How an operation reports the progress of its pulls to a face."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol


class Watcher(Protocol):
    """Is told how far the pulls are. Called from several threads."""

    def moved(self, place: int, come: int, size: int) -> None:
        """Of the pull at this place ``come`` bytes have come, of ``size`` known of so far."""

    def settled(self, place: int) -> None:
        """What was to be done at this place has ended."""


class Unwatched:
    """A watcher that shows nothing, of pulls or of anything else."""

    def moved(self, *_: int) -> None:
        """Show nothing."""

    def settled(self, *_: int) -> None:
        """Show nothing."""


Watch = Callable[[Collection[int]], AbstractContextManager[Watcher]]
"""Makes the watcher of a piece of work, of which these places are pulls; entered meanwhile."""


def unwatched(pulls: Collection[int]) -> AbstractContextManager[Watcher]:  # noqa: ARG001 - none
    """Watch nothing."""
    return nullcontext(Unwatched())
