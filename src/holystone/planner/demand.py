"""Predict from its past how soon each reference will be requested again.

The expected time to the next use is the mean interval between uses plus the idle time: ``rate = 1 /
(gap + idle)``. A new reference counts as used once a day. If its repository got a newer tag since
its last use, a reference is probably outdated. References that were requested together will be
requested together again: when one image of a pipeline starts, the others follow within minutes.
``docs/explanation/eviction.md`` has the measurements behind the numbers.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from holystone.planner.names import repository
from holystone.planner.usage import SAME_USE, Followers, Use

TOGETHER = 600.0
"""Seconds within which the images of one pipeline are requested."""
FORGOTTEN_AT = 20
"""At so many uses all counts of a reference are halved."""
_TRACE = 0.01
"""A count below this is dropped. One in a hundred uses still has a meaning."""


class Company:
    """The references of one host, and the references requested with them."""

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
        """Find the pipelines under way, from the last use of each reference."""
        newest = max(last.values(), default=0.0)
        under_way = [(at, name) for name, at in last.items() if at >= newest - TOGETHER]
        self.recent = deque(sorted(under_way))

    def followers(self, reference: str) -> Followers:
        """How often each other reference followed a reference."""
        return Followers(self.uses.get(reference, 0.0), self.counts.get(reference, {}))

    def expected(self, now: float, last: Callable[[str], float]) -> dict[str, float]:
        """The chance of each reference to be requested by a pipeline under way.

        ``last`` returns when a reference was last used: one that has come is not expected again.
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


USUAL_GAP = 86400.0
"""Assumed seconds between the uses of a reference with too few recorded uses."""
SUCCEEDED = 0.15
"""What remains of the rate of a tag when a newer one of its repository is used instead."""
SPEED = 12_500_000.0
"""Bytes a second from a registry whose speed is unknown: 100 Mbit/s."""
SOON = 2500.0
"""Seconds within which an image that is certain to follow another one is expected."""


@dataclass(slots=True)
class Repository:
    """A repository: when the newest of its tags was first used."""

    newest: float = 0.0


class Habit:
    """What is known of the uses of one reference."""

    __slots__ = ("begins", "last", "reference", "repository", "seconds_per_byte", "use")

    def __init__(self, reference: str, repository: Repository, speed: float, use: Use) -> None:
        """``speed``: bytes a second that its registry sends."""
        self.reference = reference
        self.repository = repository
        self.seconds_per_byte = 1 / speed
        self.take(use)

    def take(self, use: Use) -> None:
        """Know this of its uses."""
        self.use = use
        self.last = use.last
        self.begins = use.last - typical_gap(use)
        """When a rate of ``1 / (time - begins)`` would have begun: a gap before the last use."""
        self.repository.newest = max(self.repository.newest, use.first)

    def rate(self, now: float) -> float:
        """Expected uses a second, without the part of pipelines under way."""
        idle = max(self.last, now)
        rate = 1 / (idle - self.begins)
        return rate * SUCCEEDED if self.repository.newest > self.last else rate


class Habits:
    """The references of one host. Grows with each use."""

    def __init__(
        self,
        uses: Mapping[str, Use] | None = None,
        company: Company | None = None,
        speeds: Mapping[str, float] | None = None,
    ) -> None:
        """``uses`` and ``company`` as they are remembered, ``speeds`` of registries by domain."""
        self.company = company or Company()
        self.speeds = speeds or {}
        self.known: dict[str, Habit] = {}
        self._repositories: dict[str, Repository] = {}
        for reference, use in (uses or {}).items():
            self.know(reference, use)
        if self.company.uses:
            self.company.resume({name: habit.last for name, habit in self.known.items()})

    def know(self, reference: str, use: Use) -> Habit:
        """Replace the known uses of a reference by the stored ones."""
        habit = self.known.get(reference)
        if habit is not None:
            habit.take(use)
            return habit
        name = repository(reference)
        tags = self._repositories.setdefault(name, Repository())
        speed = self.speeds.get(name.partition("/")[0], SPEED)
        habit = self.known[reference] = Habit(reference, tags, speed, use)
        return habit

    def used(self, reference: str, at: float) -> Habit:
        """Add a use, not earlier than any before. One within a minute of the last is the same."""
        habit = self.known.get(reference)
        use = Use(at, at) if habit is None else habit.use.again(at)
        if habit is None or use.count != habit.use.count:
            self.company.used(reference, at, 0.0 if habit is None else habit.use.latest)
        return self.know(reference, use)

    def seen(self, reference: str, at: float) -> Habit:
        """Take a sign that a reference was wanted, which may not count as a separate use."""
        habit = self.known.get(reference)
        if habit is None:
            return self.know(reference, Use(at, at))
        return habit if at <= habit.last else self.know(reference, habit.use.until(at))

    def soon(self, now: float) -> dict[str, float]:
        """The references expected with those just requested, and the rate that this adds."""
        chances = self.company.expected(now, self._last)
        return {reference: chance / SOON for reference, chance in chances.items()}

    def _last(self, reference: str) -> float:
        habit = self.known.get(reference)
        return 0.0 if habit is None else habit.last


def typical_gap(use: Use) -> float:
    """Seconds between uses: the running mean, pulled towards a day while there are few."""
    if use.gap is None:
        return USUAL_GAP
    return max(SAME_USE, use.gap + (USUAL_GAP - use.gap) / use.count)
