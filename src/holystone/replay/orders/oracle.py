"""Belady's order, which knows the future."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from heapq import heappop, heappush

from holystone.replay.order import Order


class Oracle(Order):
    """Gives up the image whose next use is farthest away, by image.

    With images of one size that share nothing no order pulls less. With real images some order
    might, but none is known that finds it.
    """

    def __init__(self, uses: Sequence[int]) -> None:
        """``uses`` are the images of all uses, in time order."""
        self._next_use = _next_uses(uses)
        self._at = -1
        self._next: dict[int, int] = {}
        self._farthest: list[tuple[int, int, int]] = []
        """Next use, negative, then last use, and image; with what no longer holds between."""

    def arrived(self, image: int) -> None:
        """The image will be used in this very moment."""
        self._next[image] = -1

    def used(self, reference: str, image: int, now: float) -> None:  # noqa: ARG002
        """Time moves on to this use, and the image waits for its next one."""
        self._at += 1
        self._next[image] = self._next_use[self._at]
        heappush(self._farthest, (-self._next[image], self._at, image))

    def gone(self, image: int) -> None:
        """The image is here no longer."""
        del self._next[image]

    def victim(self, now: float, asked: int) -> int | None:  # noqa: ARG002
        """The image whose next use is farthest away; of those never used again the oldest."""
        aside = None
        found = None
        while self._farthest and found is None:
            entry = heappop(self._farthest)
            negative, _, image = entry
            if self._next.get(image) != -negative:
                continue
            if image == asked:
                aside = entry
            else:
                found = image
        if aside is not None:
            heappush(self._farthest, aside)
        return found


def _next_uses(uses: Sequence[int]) -> array[int]:
    """For each use, which one is the next of the same image; past the end where there is none."""
    following = array("q", bytes(8 * len(uses)))
    seen: dict[int, int] = {}
    for at in range(len(uses) - 1, -1, -1):
        following[at] = seen.get(uses[at], len(uses))
        seen[uses[at]] = at
    return following
