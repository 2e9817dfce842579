"""When images came here, by which names, from which registry, and when they got a tag.

Only an inspection reports when a tagged image last got a tag. It is read once for the tags of the
image, then stored. A new tag shows in the list of images; the same tag set again shows in an event.
If events may be missing, every image is inspected again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from holystone.engine.events import Event
from holystone.engine.parse import full_id
from holystone.planner.inventory import Engine, Image, Inventory
from holystone.planner.names import Names, complete, digest_references, is_id, repository
from holystone.planner.reference import parse
from holystone.usage.sighting import Bookmark, Sighting
from holystone.usage.store_port import ImageFacts

_FROM_ARCHIVE = ("load", "loadfromarchive", "import")
"""Actions after which an image is here that may have no name, and that no build waits for."""
_BUILT = ("create", "build")
_TAGGING = ("tag", "pull", *_FROM_ARCHIVE, *_BUILT)
"""Actions that may put a tag on an image, or put the same one on again."""
_UNKNOWN = {"arrived": None, "loaded": False, "pinned": (), "tagged_in": ()}
_ID = frozenset("0123456789abcdef")
_ID_LENGTH = 64
_TOLD_WITHIN = 10.0
"""Seconds after an image is stored within which the engine tells of the pull that brought it."""


def learn(
    facts: Mapping[str, ImageFacts],
    inventory: Inventory,
    events: Sequence[Event],
    bookmark: Bookmark,
) -> dict[str, ImageFacts]:
    """The facts that change by what a look at a host shows; ``events`` the oldest first.

    ``bookmark`` tells which pulls were holystone's own: pulling an image by a digest does not name
    the image.
    """
    learning = _Learning(facts, inventory.images)
    names = learning.names
    for event in events:
        if event.kind == "image":
            learning.of_image(event, bookmark)
        elif event.kind == "container" and "@" in event.image:
            learning.pin(names.behind(event.image), event.image)
    for container in inventory.containers:
        if "@" in container.image:
            learning.pin(container.image_id, container.image)
    for image in inventory.images:
        if image.tags:
            learning.tagged(image.id, image.tags)
    return {image_id: fact for image_id, fact in learning.now.items() if fact != facts[image_id]}


class _Learning:
    """The facts of the images that are here, as they become."""

    def __init__(self, facts: Mapping[str, ImageFacts], images: Sequence[Image]) -> None:
        self.facts = facts
        self.names = Names(images)
        self.now: dict[str, ImageFacts] = {}

    def of_image(self, event: Event, bookmark: Bookmark) -> None:
        """Learn from what happened to an image."""
        image_id = event.image_id
        if event.action == "pull":
            name = event.written
            image_id = full_id(event.id) if is_id(event.id) else self.names.behind(name)
            self._set(image_id, arrived=event.at, loaded=False)
            if "@" not in name:
                self.tagged(image_id, [name])
            elif not bookmark.is_own(Sighting(event.at, complete(name))):
                self.pin(image_id, name)
        elif event.action == "delete":
            fact = self._get(image_id)
            if fact is None or fact.arrived is None or fact.arrived <= event.at:
                # A later image with this ID is a new arrival.
                self._set(image_id, **_UNKNOWN)
        elif event.action in (*_FROM_ARCHIVE, *_BUILT):
            self._set(image_id, arrived=event.at, loaded=event.action in _FROM_ARCHIVE)
        elif event.action == "tag":
            self._set(image_id, arrived=event.at)
            self.tagged(image_id, [event.name])

    def pin(self, image_id: str, written: str) -> None:
        """Somebody asked for an image by this digest."""
        image, fact = self.names.by_id.get(image_id), self._get(image_id)
        if image is not None and fact is not None:
            meant = complete(written)
            own = [each for each in image.digests if complete(each) == meant]
            self._set(image_id, pinned=tuple(dict.fromkeys((*fact.pinned, *own))))

    def tagged(self, image_id: str, tags: Iterable[str]) -> None:
        """An image has, or had, these tags."""
        if (fact := self._get(image_id)) is not None:
            told = {repository(tag) for tag in tags if tag and not is_id(tag)}
            if told and (fact.loaded or not told.issubset(fact.tagged_in)):
                everywhere = tuple(sorted(told.union(fact.tagged_in)))
                self._set(image_id, tagged_in=everywhere, loaded=False)

    def _get(self, image_id: str) -> ImageFacts | None:
        return self.now.get(image_id) or self.facts.get(image_id)

    def _set(self, image_id: str, **known: object) -> None:
        if (fact := self._get(image_id)) is not None:
            self.now[image_id] = fact._replace(**known)  # type: ignore[arg-type]


def file_times(root: str, engine: Engine, ids: Iterable[str]) -> dict[str, float]:
    """When these images were last stored, UTC seconds, by the files in the engine's data folder.

    The classic store and Podman write an image's config, or its manifest, anew each time it comes,
    also where it was here before. What cannot be read is left out.
    """
    if engine.store == "containerd" or "/" in engine.storage_driver:
        return {}
    if engine.store == "podman":
        folder, name = f"{root}/{engine.storage_driver}-images", "/manifest"
    else:
        folder, name = f"{root}/image/{engine.storage_driver}/imagedb/content/sha256", ""
    times = {}
    for image_id in ids:
        digits = image_id.removeprefix("sha256:")
        if len(digits) == _ID_LENGTH and _ID.issuperset(digits):
            try:
                times[image_id] = os.stat(f"{folder}/{digits}{name}").st_mtime
            except OSError:
                continue
    return times


def pulled_by_tag(
    images: Iterable[Image], times: Mapping[str, float], events: Iterable[Event]
) -> dict[str, set[str]]:
    """The repositories in which these images had a tag when they came, by ID.

    The event of a pull names a tag, which has moved since, and no image. The first pull that ended
    after an image was stored is the one that brought it.
    """
    pulls = [event for event in events if event.kind == "image" and event.action == "pull"]
    found: dict[str, set[str]] = {}
    for image in images:
        stored = times.get(image.id)
        for name in map(repository, image.digests if stored is not None else ()):
            ended = (
                pull.id
                for pull in pulls
                if stored is not None
                and 0 <= pull.at - stored <= _TOLD_WITHIN
                and repository(pull.id) == name
            )
            if "@" not in next(ended, "@"):
                found.setdefault(image.id, set()).add(name)
    return found


def in_registries(events: Iterable[Event], names: Names) -> dict[str, dict[str, float]]:
    """The images here that these events, the oldest first, show to be in a registry, by ID.

    Of each the references with its digest there, and when that was shown (UTC seconds). Events name
    a reference alone; a name that another image got later shows nothing. Not for Podman: it sends a
    pull event also where ``podman run`` found the image here and asked no registry.
    """
    shown: dict[str, Event] = {}
    for event in events:
        if event.kind != "image":
            continue
        if event.action in ("pull", "push"):
            if reference := complete(event.id):
                shown[reference] = event
            continue
        lost: Iterable[str] = (event.id, event.name)
        if event.action in (*_FROM_ARCHIVE, "build"):
            made = names.by_id.get(full_id(event.id))
            lost = made.tags if made is not None else ()
        for name in lost:
            shown.pop(complete(name), None)
    found: dict[str, dict[str, float]] = {}
    for reference, event in sorted(shown.items(), key=lambda item: item[1].at):
        if image_id := names.behind(reference):
            there = parse(reference).name
            for digest in digest_references(names.by_id[image_id].digests):
                if digest.name == there:
                    found.setdefault(image_id, {})[str(digest)] = event.at
    return found


def dated(images: Iterable[Image], facts: Mapping[str, ImageFacts]) -> dict[str, float | None]:
    """When the tagged images got the tags they have, by ID, of those of which it is known."""
    return {
        image.id: facts[image.id].dated
        for image in images
        if image.tags and facts[image.id].dated_tags == tuple(sorted(image.tags))
    }


def learn_dates(images: Iterable[Image], found: Mapping[str, ImageFacts]) -> dict[str, ImageFacts]:
    """The facts to remember of images that were inspected; ``found`` is what that told.

    The date for when they lose their tags is asked for again then.
    """
    return {
        image.id: found[image.id]._replace(
            inspected=False,
            last_tagged=None,
            dated_tags=tuple(sorted(image.tags)),
            dated=found[image.id].last_tagged,
        )
        for image in images
        if image.id in found
    }


def tagged_by(events: Iterable[Event], meant_by: Callable[[Event], Collection[str]]) -> set[str]:
    """The images that an event may have tagged; ``meant_by`` answers their IDs."""
    tagging = (each for each in events if each.kind == "image" and each.action in _TAGGING)
    return {image_id for event in tagging for image_id in meant_by(event)}


def forget_dates(facts: Mapping[str, ImageFacts], ids: Collection[str]) -> dict[str, ImageFacts]:
    """The facts of these images that are known to be dated, without when they were tagged."""
    return {
        each: facts[each]._replace(dated_tags=(), dated=None)
        for each in ids
        if each in facts and facts[each].dated_tags
    }
