"""Sightings folded into what is remembered: the same one twice changes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from holystone.planner.inventory import CacheRecord
from holystone.planner.usage import SAME_USE, Key, Use
from holystone.usage.sighting import Sighting

_BEGINS, _ENDS = 0, 1


class Folded(NamedTuple):
    """What sightings changed."""

    uses: Mapping[Key, Use]
    """What is remembered now of all that was seen anew, or for longer."""
    counted: tuple[Sighting, ...]
    """The sightings that are a use of their own of a reference, or brought its image here, in
    order of time."""


def fold(known: Mapping[Key, Use], sightings: Iterable[Sighting]) -> Folded:
    """What these sightings, in whatever order, add to what is known."""
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
