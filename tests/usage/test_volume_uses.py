"""Volumes that only containers used which are gone: their events tell when."""

from __future__ import annotations

from holystone.engine.events import Event
from holystone.planner.names import Names
from holystone.usage.from_events import of_events
from holystone.usage.sighting import fold, last_seen

CACHE = ("volume", "cache")


def event(action: str, second: int, kind: str = "volume") -> Event:
    """What Docker tells of the volume ``cache``."""
    return Event(kind, action, "cache", "", "", second * 10**9)


def test_a_mount_and_its_end_are_one_use() -> None:
    events = [event("mount", 1000), event("unmount", 9000)]
    sightings = of_events(events, Names(()), ())
    assert last_seen(sightings) == {CACHE: 9000.0}
    use = fold({}, sightings).uses[CACHE]
    assert (use.first, use.latest, use.count) == (1000.0, 1000.0, 1)
    assert use.last == 9000.0


def test_what_is_made_or_removed_is_not_used() -> None:
    events = [event("create", 1000), event("destroy", 2000), event("mount", 3000, "plugin")]
    assert of_events(events, Names(()), ()) == []
