"""Which references are asked for together: the images of one pipeline come within minutes.

Of each reference it counts how often it was used, and how often each other was used for the first
time within the ten minutes after it. Both counts are halved now and then, so that what a pipeline
has dropped is forgotten.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import NamedTuple

TOGETHER = 600.0
"""Seconds within which the images of one pipeline are asked for."""
FORGOTTEN_AT = 20
"""At so many uses all counts of a reference are halved."""
_TRACE = 0.01
"""A count below this is dropped. What came along but once in a hundred uses still tells."""


class Followers(NamedTuple):
    """How often a reference was used, and what was used after it within ``TOGETHER``."""

    uses: float
    counts: Mapping[str, float]


class Company:
    """The references of one host, and what comes with them."""

    def __init__(self, known: Mapping[str, Followers] | None = None) -> None:
        self.uses: dict[str, float] = {}
        self.counts: dict[str, dict[str, float]] = {}
        for reference, (uses, counts) in (known or {}).items():
            self.uses[reference] = uses
            self.counts[reference] = dict(counts)
        self.recent: deque[tuple[float, str]] = deque()
        """The uses of the last ten minutes, the latest last."""

    def used(self, reference: str, at: float, before: float) -> list[str]:
        """Add a use, not earlier than any other; ``before``: the last one of this reference.

        Answers the references whose followers changed.
        """
        self._forget(at)
        changed = {reference}
        for when, other in self.recent:
            if other != reference and when >= before and other not in changed:
                changed.add(other)
                counts = self.counts.setdefault(other, {})
                counts[reference] = counts.get(reference, 0.0) + 1.0
        uses = self.uses.get(reference, 0.0) + 1.0
        if uses > FORGOTTEN_AT:
            uses /= 2
            counts = self.counts.get(reference, {})
            self.counts[reference] = {r: n / 2 for r, n in counts.items() if n / 2 >= _TRACE}
        self.uses[reference] = uses
        self.recent.append((at, reference))
        return list(changed)

    def resume(self, last: Mapping[str, float]) -> None:
        """Take up what is under way, by when each reference was last used."""
        newest = max(last.values(), default=0.0)
        under_way = [(at, name) for name, at in last.items() if at >= newest - TOGETHER]
        self.recent = deque(sorted(under_way))

    def followers(self, reference: str) -> Followers:
        """What is known of the company of a reference."""
        return Followers(self.uses.get(reference, 0.0), self.counts.get(reference, {}))

    def expected(self, now: float, last: Callable[[str], float]) -> dict[str, float]:
        """The chance of each reference to be asked for in the course of what is under way.

        ``last`` tells when a reference was last used: what has come already comes no more.
        """
        self._forget(now)
        missing: dict[str, float] = {}
        seen = set()
        for when, reference in reversed(self.recent):
            if reference in seen:
                continue
            seen.add(reference)
            uses = self.uses.get(reference, 0.0) + 1.0
            for other, count in self.counts.get(reference, {}).items():
                if last(other) < when:
                    missing[other] = missing.get(other, 1.0) * (1.0 - min(1.0, count / uses))
        return {other: 1.0 - chance for other, chance in missing.items()}

    def _forget(self, now: float) -> None:
        while self.recent and self.recent[0][0] < now - TOGETHER:
            self.recent.popleft()
