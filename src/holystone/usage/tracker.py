"""Track use on one host, from its containers, build cache, events and builds."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from holystone.engine.host import Observed
from holystone.planner.names import Names, complete
from holystone.planner.usage import SAME_USE, Key, Use
from holystone.usage import from_events
from holystone.usage.arrivals import in_registries
from holystone.usage.engine_history import History, HistoryReader, read_builds
from holystone.usage.from_inventory import objects_of, of_cache, of_containers, present_keys
from holystone.usage.sighting import Bookmark, Sighting, UsageUpdate, fold, last_seen
from holystone.usage.store_port import Memory

if TYPE_CHECKING:
    from holystone.engine.client import Client
    from holystone.engine.events import Event
    from holystone.planner.inventory import CacheRecord, Image, Inventory

_LISTED_EACH = 86400.0
"""Seconds after which a look lists every image again, though it needs the untagged alone."""
_WORTH_NOTING = 60.0
"""Seconds by which a use must be later than the one that is remembered."""


class UsageTracker:
    """What is known of use on one host, and what this run has seen of it."""

    def __init__(self, client: Client, memory: Memory) -> None:
        self.client = client
        self.memory = memory
        self.key = ""
        self.before = Bookmark()
        """How far the engine's history was read before this run."""
        self.bookmark = Bookmark()
        """How far it has been read by now."""
        self.saved = Bookmark()
        """How far the memory knows it to be read."""
        self.events: tuple[Event, ...] = ()
        """Those of this run that were not read before, the oldest first."""
        self.missed: tuple[str, ...] = ()
        self.known: dict[Key, float] = {}
        """The last uses of objects as they were remembered before this run."""
        self.last: dict[Key, float] = {}
        """Those of objects that are here, with what was seen in this run."""
        self.present: set[Key] = set()
        self.counted: tuple[Sighting, ...] = ()
        """The uses this run added to what is remembered."""
        self.in_registries: dict[str, float] = {}
        """When it was seen that a registry has an image, by complete reference with its digest."""
        self.history = HistoryReader(client)
        self._engine_name = ""
        self._at = 0.0
        self._seen: list[Sighting] = []
        """What was seen and is not kept yet."""
        self._released = False
        """Whether volumes or networks lost a container in this run, which is not kept yet."""
        self._images: dict[str, Image] = {}
        self._cache: dict[str, CacheRecord] = {}
        self._held: dict[str, tuple[Key, ...]] = {}
        """The volumes and networks that each container names, by its ID."""

    def begin(self, key: str) -> None:
        """Recall what is known, and ask the engine for its past. Raises EngineError."""
        if key != self.key:
            self.key = key
            self.known = self.memory.recall_uses(key)
            self.before = self.bookmark = self.saved = self.memory.recall_bookmark(key)
            self.history.parted()
        self.history.begin(self.bookmark)

    def look(
        self,
        inventory: Inventory,
        known: Collection[str],
        layered: Callable[[], Sequence[Image]],
    ) -> None:
        """See what is used on a host. Raises EngineError.

        ``known`` are the IDs of the images that were here at the last look. ``layered`` answers
        the images with their layers, which costs something: it is called where only they tell
        what a build began with.
        """
        names = Names(inventory.images)
        # Some time before the last look: things go on while an engine makes its lists, and what is
        # seen twice changes nothing.
        since = self.bookmark.looked - SAME_USE
        used = [each for each in inventory.cache if (each.last_used or each.created) > since]
        past = self.history.take(self.bookmark)
        self.events += past.events if past else ()
        made = {e.id: e.at for e in past.events if e.action == "create"} if past else {}
        news = of_containers(inventory, names, since, made)
        if past is not None:
            news += self._of_past(past, inventory, names, known, used, layered)
        self._cache.update((record.id, record) for record in used)
        self._add(news, names)
        self._held = {each.id: objects_of(each, inventory) for each in inventory.containers}
        self._engine_name, self._at = inventory.engine.name, inventory.taken_at
        self.present = present_keys(inventory)
        if inventory.partial:
            # What was not listed is not gone.
            self.present.update(key for key in self.known if key[0] == "image")
        since_listed = self._at - self.bookmark.listed
        if not self.bookmark.listed or (not inventory.partial and since_listed > _LISTED_EACH / 4):
            self.bookmark = replace(self.bookmark, listed=self._at)
        seen = last_seen(self._seen)
        self.last = {
            key: max(self.known.get(key, 0.0), seen.get(key, 0.0))
            for key in self.present
            if key in self.known or key in seen
        }

    def named_since(self, store: str) -> set[str] | None:
        """The references that the past since the last look names.

        None where they do not tell all: then it takes every image to read that past. Raises
        EngineError.
        """
        past = self.history.peek(self.bookmark)
        if past is None:
            return set()
        if past.missed and self.bookmark.looked:
            return None
        by_id = {"load", "loadfromarchive", "import"}
        if store != "containerd":
            # The bases of a build are found by the images that it was built on.
            by_id |= {"build", "tag"}
        named: set[str] = set()
        for event in past.events:
            if event.kind == "image" and event.action in by_id:
                return None
            names = (event.id, event.name) if event.kind == "image" else (event.image,)
            if event.kind in ("image", "container"):
                named.update(name for name in names if complete(name))
        return named

    def list_due(self, now: float) -> bool:
        """Whether every image should be listed again: new ones are to be known within a day."""
        return bool(self.bookmark.listed) and now - self.bookmark.listed >= _LISTED_EACH

    def hint(self, inventory: Inventory, tagged_at: Mapping[str, float | None]) -> None:
        """Take when images got their tags for a use, at the first look: nothing else is known."""
        if self.before.looked:
            return
        names = Names(inventory.images)
        hints = [
            Sighting(at, reference, image.id, hint=True)
            for image in inventory.images
            if (at := tagged_at.get(image.id)) is not None
            for reference in names.references(image.id)
        ]
        self._add(hints, names)

    def weighed(self, inventory: Inventory) -> None:
        """Take the layers of the used images: they cannot be read once the images are gone."""
        for image in inventory.images:
            if image.id in self._images:
                self._images[image.id] = image

    def succeed(self, image_id: str, successor: str) -> None:
        """Let the image that a tag moved to count as used when the one before it was."""
        used = self.last.get(("image", image_id))
        if used is not None:
            self.present.add(("image", successor))
            self.last["image", successor] = used
            self._seen.append(Sighting(used, image=successor))

    def removed(self, kind: str, object_id: str, at: float) -> None:
        """An object is gone, so nothing of it need be kept.

        The volumes and networks of a container count as used until then: nothing shows any more
        that they were.
        """
        self.present.discard((kind, object_id))
        objects = tuple(key for key in self._held.get(object_id, ()) if key in self.present)
        if kind == "container" and objects:
            self._released = True
            self._seen.append(Sighting(at, objects=objects, begins=False))
            self.last.update((key, max(at, self.last.get(key, 0.0))) for key in objects)

    def summaries(self, kind: str) -> Mapping[str, Use]:
        """What is remembered of every ``reference``, ``image`` or ``cache`` record."""
        remembered = self.memory.recall_summaries(self.key, kind)
        seen = fold({(kind, name): use for name, use in remembered.items()}, self._seen).uses
        return remembered | {name: use for (of, name), use in seen.items() if of == kind}

    def keep(self, *, always: bool = False) -> Observed:
        """Remember what was seen, unless next to nothing is new; what this run added.

        ``always``: also where nothing is, so that the next look knows of this one.
        """
        kept = not self._at or not (always or self._is_news())
        if not kept:
            update = UsageUpdate(
                self._engine_name,
                self._at,
                self.bookmark,
                tuple(self._seen),
                self._images,
                tuple(self._cache.values()),
                self.present,
                self.in_registries,
            )
            added = self.memory.fold(self.key, update)
            if added is not None:
                kept = True
                self.counted += added.counted
                self.known = {**self.known, **self.last}
                self._seen, self._cache, self._images = [], {}, {}
                self._released = False
                self.bookmark = self.saved = replace(self.bookmark, looked=self._at)
        return Observed(self.before.looked, self.counted, self.missed, kept)

    def _is_news(self) -> bool:
        """Whether there is anything worth writing down: most runs see what is known."""
        hinted = any(each.hint for each in self._seen)
        if self.bookmark != self.saved or self._cache or hinted or self._released:
            return True
        return not self.present.issuperset(self.known) or any(
            at - self.known.get(key, -_WORTH_NOTING) > _WORTH_NOTING
            for key, at in self.last.items()
            if key in self.present
        )

    def _of_past(
        self,
        past: History,
        inventory: Inventory,
        names: Names,
        known: Collection[str],
        used: Sequence[CacheRecord],
        layered: Callable[[], Sequence[Image]],
    ) -> list[Sighting]:
        """What the events since the last look show, and the builds since then, if there were.

        ``used`` are the build cache records that were: without any there was none.
        """
        podman = inventory.engine.store == "podman"
        news = from_events.of_events(past.events, names, known)
        news = [each for each in news if not self.bookmark.is_own(each)]
        if not podman:
            for image_id, there in in_registries(past.events, names).items():
                self._images[image_id] = names.by_id[image_id]
                for reference, at in there.items():
                    self.in_registries[reference] = max(at, self.in_registries.get(reference, 0.0))
            news += from_events.of_steps(past.events, names)
        builds = None
        if used:
            past, builds = read_builds(self.client, past)
        if builds is not None:
            news += from_events.of_builds(builds, names)
        elif used or podman:
            news += of_cache(inventory.cache, names)
            if made := from_events.made_by_builds(past.events, names, used):
                news += from_events.of_bases(made, Names(layered()))
        if past.missed and self.bookmark.looked:
            own = {each.reference for each in self.bookmark.own_pulls}
            news += from_events.of_lost_pulls(news, inventory, known, own)
        self.bookmark = past.bookmark
        self.missed = tuple(dict.fromkeys(self.missed + past.missed))
        return news

    def _add(self, news: Sequence[Sighting], names: Names) -> None:
        self._seen += news
        for image_id in {each.image for each in news}:
            if (image := names.by_id.get(image_id)) is not None:
                self._images[image_id] = image
