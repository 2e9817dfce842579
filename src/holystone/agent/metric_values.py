"""How the values of metrics are read from the state of the agent.

Known values of labels are there from the start, with 0: ``rate()`` sees no growth in a series that
begins with its first count. An unknown value counts as ``other``, so names from outside make no
series.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any
from weakref import WeakKeyDictionary

import holystone
from holystone.agent.jobs import LEVEL
from holystone.agent.level import space_policy
from holystone.agent.state import FAILED, MISSED, OK, STOPPED, Now, Snapshot, State
from holystone.config.agent_settings import JOBS
from holystone.planner.inventory import Inventory
from holystone.planner.policy import LEVELS, Policy
from holystone.present.figures import cache_bytes, stored_bytes, volume_bytes

OTHER = "other"
ALL_JOBS = (*JOBS, LEVEL)
CLEANS = (*LEVELS, LEVEL)
RESULTS = (OK, FAILED, STOPPED, MISSED)
EVENTS = ("image", "container", "volume", "network", "builder", "pod")
SEVERITIES = ("warning", "critical")
DISK_STATES = ("ok", "high", "critical", "inodes", "unseen")

Labels = tuple[str, ...]
Sample = tuple[Labels, float]
Read = Callable[[State, float], Iterable[Sample]]
Counts = Mapping[Any, float]
"""What was counted, by labels: a tuple of as many texts as the metric has labels."""


def one(read: Callable[[Now], float | None]) -> Read:
    """A series without labels; none where the value is not known."""

    def samples(state: State, _: float) -> Iterator[Sample]:
        value = read(state.now)
        if value is not None:
            yield (), value

    return samples


def counted(read: Callable[[State], Counts], *known: tuple[str, ...]) -> Read:
    """A series for each combination of known values, with what was counted."""

    def samples(state: State, _: float) -> Iterable[Sample]:
        totals = dict.fromkeys(_combined(known), 0.0)
        # A copy, since the worker counts meanwhile.
        for labels, value in dict(read(state)).items():
            pairs = zip(labels, known, strict=True)
            bounded = tuple(each if each in values else OTHER for each, values in pairs)
            totals[bounded] = totals.get(bounded, 0.0) + value
        return totals.items()

    return samples


def _combined(known: tuple[tuple[str, ...], ...]) -> Iterator[Labels]:
    if not known:
        yield ()
        return
    for rest in _combined(known[:-1]):
        for value in known[-1]:
            yield (*rest, value)


def by(read: Callable[[Now], Mapping[str, float | None]], known: tuple[str, ...]) -> Read:
    """A series for each known name that has a value."""

    def samples(state: State, _: float) -> Iterator[Sample]:
        values = read(state.now)
        for name in known:
            value = values.get(name)
            if value is not None:
                yield (name,), value

    return samples


def alone(counter: Mapping[str, float]) -> Counts:
    """Counts by one label."""
    return {(name,): value for name, value in dict(counter).items()}


def version(_: State, __: float) -> Iterator[Sample]:
    """A series whose label is the version."""
    yield (holystone.__version__,), 1


def marks(now: Now) -> Mapping[str, float | None]:
    """Free bytes at each watermark."""
    total, marks = now.disk.total_bytes, now.marks
    if total is None:
        return {}
    end = space_policy(Policy(disk=marks), now.disk).target or marks.end
    levels = {"high": marks.high, "low": end, "critical": marks.critical}
    return {name: mark.least_free(total) for name, mark in levels.items()}


def inode_mark(now: Now) -> float | None:
    """Free inodes at their mark."""
    total = now.disk.total_inodes
    return None if total is None else total - int(total * now.marks.inodes)


def disk_state(now: Now) -> Mapping[str, float]:
    """1 for the state that the disk is in, 0 for the others."""
    is_in = "unseen" if now.disk.free_bytes is None else now.mark or "ok"
    return {name: float(name == is_in) for name in DISK_STATES}


def full_in(now: Now) -> float | None:
    """Seconds until the disk is full; infinite where it is not filling."""
    if now.disk.free_bytes is None:
        return None
    return math.inf if now.full_in is None else now.full_in


def objects(now: Now) -> Mapping[str, float]:
    """How many objects of each kind there are."""
    if now.snapshot is None:
        return {}
    seen = now.snapshot.inventory
    return {
        "container": len(seen.containers),
        "image": len(seen.images),
        "cache": len(seen.cache),
        "volume": len(seen.volumes),
        "network": len(seen.networks),
    }


_BYTES: WeakKeyDictionary[Snapshot, Mapping[str, float | None]] = WeakKeyDictionary()
"""The bytes of a host are those of its last snapshot, and cost more than a scrape may."""


def object_bytes(now: Now) -> Mapping[str, float | None]:
    """The bytes that each kind holds."""
    if now.snapshot is None:
        return {}
    known = _BYTES.get(now.snapshot)
    if known is None:
        known = _BYTES[now.snapshot] = bytes_by_kind(now.snapshot.inventory)
    return known


def bytes_by_kind(inventory: Inventory) -> Mapping[str, float | None]:
    """The bytes that each kind holds, as ``status`` counts them; None where that is not known."""
    volumes = volume_bytes(inventory)
    return {
        "container": sum(each.writable_size for each in inventory.containers),
        "image": stored_bytes(inventory.images),
        "cache": cache_bytes(inventory).own,
        "volume": volumes.known if volumes.known or not volumes.unknown else None,
    }


def age(state: State, now: float) -> Iterator[Sample]:
    """Seconds since the host was looked at."""
    if state.now.snapshot is not None:
        yield (), max(0.0, now - state.now.snapshot.looked_at)


def firing(now: Now) -> Mapping[str, float]:
    """How many alerts of each severity are firing."""
    severities = list(now.alerts.values())
    return {each: severities.count(each) for each in SEVERITIES}


def durations(part: int) -> Callable[[State], Counts]:
    """Of each job how often it ran (part 0), or the seconds in all (1)."""
    return lambda state: {(job,): each[part] for job, each in dict(state.durations).items()}


def reclaimable(part: int) -> Read:
    """What a clean of each level would remove: bytes (part 0) or objects (1)."""

    def samples(state: State, _: float) -> Iterator[Sample]:
        known = state.reclaimable
        return (((level,), known[level][part]) for level in LEVELS if level in known)

    return samples


def of_disk(field: str) -> Read:
    """A series with this figure of the disk."""
    return one(lambda now: getattr(now.disk, field))
