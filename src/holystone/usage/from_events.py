"""Turn events and builds into sightings: references, images and volumes that they show in use."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from holystone.engine.buildkit import Build
from holystone.engine.events import Event
from holystone.engine.parse import full_id
from holystone.planner.inventory import CacheRecord, Inventory
from holystone.planner.names import Names, complete, is_id
from holystone.usage.sighting import Sighting

_BEGINNINGS = ("create", "start")
_ENDS = ("die", "died")
_MOUNTS = ("mount", "unmount")
"""What Docker tells of a volume when a container with it starts and ends. Podman does not."""
_MAKINGS = ("load", "loadfromarchive", "import", "build")
"""Actions that bring an image and its tags, and tell its ID alone."""
_ARRIVALS = (*_MAKINGS, "create", "tag")
"""Actions after which an image is here that no registry had to give."""
_MADE_NOW = 60.0
"""Seconds from when an image was built to its tag within which a build made both."""
_BESIDE = 2.0
"""Seconds between a tag and a use of the build cache within which a build made both."""


def of_events(events: Sequence[Event], names: Names, known: Collection[str]) -> list[Sighting]:
    """What these events, the oldest first, show in use.

    ``known`` are the IDs of the images that were here before. They tell which pulls had to bring
    an image, and which found that the newest was here.
    """
    # The images that are here by then: by ID, and by name those that are gone since.
    here, gone_since = set(known), set[str]()
    sightings: list[Sighting] = []
    for event in events:
        if event.kind == "container":
            sightings += _of_container(event, names)
        elif event.kind == "volume" and event.action in _MOUNTS:
            # Of a job whose container is gone by the next look, nothing else tells its volumes.
            used = (("volume", event.id),)
            begins = event.action == _MOUNTS[0]
            sightings.append(
                Sighting(event.at, begins=begins, objects=used, event=event.nanoseconds)
            )
        if event.kind != "image":
            continue
        reference, at = complete(event.written), event.nanoseconds
        if event.action == "pull" and reference:
            image = names.behind(event.written)
            key, before = (image, here) if image else (reference, gone_since)
            sightings.append(
                Sighting(event.at, reference, image, pulled=key not in before, event=at)
            )
            before.add(key)
        elif event.action in ("tag", "push") and reference:
            # A tag that has moved on since is behind another image now.
            image = full_id(event.id) if is_id(event.id) else names.behind(event.written)
            image = image if image in names.by_id else ""
            sightings.append(Sighting(event.at, reference, image, event=at))
        elif event.action in _MAKINGS:
            image = event.image_id
            sightings += [
                Sighting(event.at, each, image, event=at) for each in names.references(image)
            ]
        if event.action == "delete":
            # It may be any of those known by name.
            here.discard(full_id(event.id))
            gone_since.clear()
        elif event.action in _ARRIVALS:
            here.add(event.image_id)
    return sightings


def _of_container(event: Event, names: Names) -> list[Sighting]:
    begins = event.action in _BEGINNINGS
    if not begins and event.action not in _ENDS:
        return []
    reference = complete(event.image)
    if reference:
        image, references = names.behind(event.image), [reference]
    else:
        found = names.begun_by(event.image)
        image = found.pop() if len(found) == 1 else ""
        references = [*names.references(image)] or [""]
    return [
        Sighting(event.at, each, image, begins=begins, event=event.nanoseconds)
        for each in references
        if each or image
    ]


def of_lost_pulls(
    news: Iterable[Sighting], inventory: Inventory, known: Collection[str], own: Collection[str]
) -> list[Sighting]:
    """Images that came from a registry since the last look, where events may be missing.

    ``news`` is what was seen, ``known`` the IDs of the images that were here before, ``own`` the
    references that holystone itself pulled.
    """
    told, here = set(), set(known)
    first: dict[str, float] = {}
    for each in news:
        first[each.image] = min(each.at, first.get(each.image, each.at))
        if each.event:
            told.add(each.image)
    return [
        Sighting(first.get(image.id, inventory.taken_at), reference, image.id, pulled=True)
        for image in inventory.images
        if image.tags and image.digests and image.id not in here and image.id not in told
        for reference in filter(None, map(complete, image.tags))
        if reference not in own
    ]


def of_builds(builds: Iterable[Build], names: Names) -> list[Sighting]:
    """The images that these builds began with."""
    return [
        Sighting(build.began, reference, names.behind(written))
        for build in builds
        for written in build.references
        if (reference := complete(written))
    ]


def of_steps(events: Sequence[Event], names: Names) -> list[Sighting]:
    """What classic builds began with, by the parents of the images that they just made.

    Most of their steps have a container, whose events tell it; those that only copy have none.
    """
    told = {full_id(e.image) for e in events if e.kind == "container" and is_id(e.image)}
    sightings = []
    for event in events:
        made = names.by_id.get(event.image_id) if event.action == "tag" else None
        if made is None or not 0 <= event.at - made.created < _MADE_NOW:
            continue
        steps = names.steps(made.parent)
        if told.isdisjoint(step.id for step in steps):
            sightings += [
                Sighting(event.at, each, steps[-1].id) for each in names.references(made.parent)
            ]
    return sightings


def made_by_builds(
    events: Iterable[Event], names: Names, cache: Sequence[CacheRecord]
) -> list[tuple[float, str]]:
    """When a build seems to have made which image, by ID, where no engine remembers builds.

    Podman reports it. For Docker it is guessed: an image that gets a tag right after it was built,
    or while the build cache was used.
    """
    used = [record.last_used for record in cache if record.last_used is not None]
    found = []
    for event in events:
        image = names.by_id.get(event.image_id) if event.kind == "image" else None
        if image is not None and (
            event.action == "build"
            or (
                event.action == "tag"
                and (
                    0 <= event.at - image.created < _MADE_NOW
                    or any(abs(event.at - each) < _BESIDE for each in used)
                )
            )
        ):
            found.append((event.at, image.id))
    return found


def of_bases(made: Iterable[tuple[float, str]], names: Names) -> list[Sighting]:
    """What these images were built on, by the layers they have in common with others here."""
    return [
        Sighting(at, reference, base)
        for at, image_id in made
        for base in names.bases(image_id)
        for reference in names.references(base)
    ]
