"""Uses seen on a host, and how they change the recorded use."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from holystone.planner.demand import TOGETHER, Company
from holystone.planner.inventory import CacheRecord, Image
from holystone.planner.usage import SAME_USE, Followers, Key, Use

_BEGINS, _ENDS = 0, 1


class Sighting(NamedTuple):
    """One use that was seen, of a reference, of the image behind it, or of both.

    Times are UTC seconds.
    """

    at: float
    """When it began; where it was not seen to begin, when it ended."""
    reference: str = ""
    """In full; empty if the name under which the image was used is unknown."""
    image: str = ""
    """The ID of the image; empty where it is not here."""
    until: float = 0.0
    """How long it went on as far as seen; 0 for a moment."""
    begins: bool = True
    """False for the end of a use, which is not another use."""
    hint: bool = False
    """True where it counts only if nothing else is known of the reference."""
    pulled: bool = False
    """Whether the image had to come from a registry for it."""
    objects: tuple[Key, ...] = ()
    """Volumes and networks that were used with it."""
    event: int = 0
    """When the event happened that tells of it, in nanoseconds; 0 where none does."""

    @property
    def keys(self) -> tuple[Key, ...]:
        """All that was used."""
        own = (("reference", self.reference), ("image", self.image))
        return (*(key for key in own if key[1]), *self.objects)


class OwnPull(NamedTuple):
    """A pull by holystone itself, which is no use: else it would keep unneeded images.

    Times are UTC seconds.
    """

    reference: str
    """In full."""
    began: float
    ended: float


@dataclass(frozen=True, slots=True)
class Bookmark:
    """How far the history of an engine has been read: what is older must not count again."""

    events: int = 0
    """When the newest event happened, in nanoseconds since 1970; 0 before the first look."""
    anchored: bool = True
    """False where that is no event but a moment: the engine had no events left after a restart."""
    builds: float = 0.0
    """When the newest build ended, UTC seconds."""
    looked: float = 0.0
    """When the last look was that kept anything, UTC seconds; 0 before the first."""
    own_pulls: tuple[OwnPull, ...] = ()
    """What holystone pulled lately."""
    listed: float = 0.0
    """When every image was last listed, UTC seconds; 0 before the first look."""

    def is_own(self, sighting: Sighting) -> bool:
        """Whether an event shows a pull by holystone itself."""
        return any(
            own.reference == sighting.reference and own.began <= sighting.at <= own.ended
            for own in self.own_pulls
        )

    def moved(self, other: Bookmark, looked: float) -> Bookmark:
        """The bookmark after a look that read up to ``other``; it never goes back."""
        return replace(
            max(self, other, key=lambda each: each.events),
            builds=max(self.builds, other.builds),
            looked=max(self.looked, looked),
            listed=max(self.listed, other.listed),
        )


@dataclass(frozen=True, slots=True)
class UsageUpdate:
    """What one look at a host adds to what is remembered of use."""

    engine_name: str
    at: float
    """When the look was, UTC seconds."""
    bookmark: Bookmark
    """How far the look has read."""
    sightings: tuple[Sighting, ...] = ()
    images: Mapping[str, Image] = field(default_factory=dict)
    """The images that were used, by ID."""
    cache: tuple[CacheRecord, ...] = ()
    """The build cache records that were used since the last look."""
    present: Collection[Key] = ()
    """Every image, volume, network and build cache record that is here."""
    in_registries: Mapping[str, float] = field(default_factory=dict)
    """When a pull or a push showed that a registry has an image, by complete reference with its
    digest."""

    def unread(self, bookmark: Bookmark) -> list[Sighting]:
        """The sightings that were not kept before, by this process or another."""
        return [each for each in self.sightings if not 0 < each.event <= bookmark.events]


def last_seen(sightings: Iterable[Sighting]) -> dict[Key, float]:
    """When each object of the host was last in use, by these; hints do not count."""
    uses: dict[Key, float] = {}
    for sighting in sightings:
        if not sighting.hint:
            at = max(sighting.at, sighting.until)
            for key in sighting.keys:
                if key[0] != "reference":
                    uses[key] = max(at, uses.get(key, 0.0))
    return uses


class Folded(NamedTuple):
    """What sightings changed."""

    uses: Mapping[Key, Use]
    """The recorded uses after new sightings, or longer ones."""
    counted: tuple[Sighting, ...]
    """The sightings that are a use of their own of a reference, or brought its image here, in
    order of time."""


def fold(known: Mapping[Key, Use], sightings: Iterable[Sighting]) -> Folded:
    """The changes that these sightings, in any order, make to the recorded use."""
    uses: dict[Key, Use] = {}
    counted = []
    moments = []
    for number, each in enumerate(sightings):
        moments.append((each.hint, each.at, _BEGINS, number, each))
        if each.until > each.at:
            moments.append((each.hint, each.until, _ENDS, number, each))
    # Hints come last: a use must not be taken for the same as what only hints at one.
    for _, at, what, _, sighting in sorted(moments):
        counts = sighting.pulled
        for key in sighting.keys:
            before = uses.get(key) or known.get(key)
            if before is None:
                after = Use(at, at)
            elif sighting.hint:
                continue
            elif what == _BEGINS and sighting.begins:
                after = before.again(at)
            else:
                after = before.until(at)
            if before is None or after.count != before.count:
                counts = counts or key[0] == "reference"
            if after != before:
                uses[key] = after
        if counts and what == _BEGINS and not sighting.hint and sighting.reference:
            counted.append(sighting)
    return Folded(uses, tuple(counted))


def fold_record(known: Use | None, record: CacheRecord) -> Use:
    """What is remembered of the uses of a build cache record, by its own counters.

    At first sight the gap is the mean over all its uses so far.
    """
    last = record.created if record.last_used is None else record.last_used
    count = max(1, record.usage_count)
    if known is None:
        span = last - record.created
        gap = span / (count - 1) if count > 1 and span >= SAME_USE else None
        return Use(min(record.created, last), last, count, gap)
    after = known.again(last)
    return after._replace(count=max(after.count, count))


def fold_company(
    counted: Sequence[Sighting], latest: Mapping[str, float], known: Mapping[str, Followers]
) -> dict[str, Followers]:
    """How these uses, in order of time, change what is known of references used together.

    ``latest`` has when the latest use of each reference began before them: of the references used
    now, and of all that were used less than ``TOGETHER`` before the first.
    """
    since = counted[0].at - TOGETHER
    company = Company(known)
    company.recent = deque(sorted((at, name) for name, at in latest.items() if at >= since))
    last, changed = dict(latest), set()
    for sighting in counted:
        before = last.get(sighting.reference, 0.0)
        # An image that only had to be pulled again was not used again.
        if not before or sighting.at >= before + SAME_USE:
            changed.update(company.used(sighting.reference, sighting.at, before))
            last[sighting.reference] = sighting.at
    return {name: company.followers(name) for name in sorted(changed)}
