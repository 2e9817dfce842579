"""A host that is looked at again and again: what has not changed is not asked for again.

For a daemon. A containerd store weighs each image that it lists, which takes it 8 to 17 ms: its
tagged images are kept from the last whole list, and those that events named since are asked for
by name. The other stores list all their images quicker than that.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

from holystone.engine import observe
from holystone.engine.client import Client
from holystone.engine.errors import EngineError, EngineRefused
from holystone.engine.events import Event, EventStream
from holystone.engine.remove import references
from holystone.operations.live_host import LiveHost
from holystone.planner.inventory import Image, Inventory
from holystone.planner.names import complete, is_id
from holystone.store.store import Store

_MOST_NAMED = 30
"""Most references to ask for by name; with more the whole list is as quick."""
_KEPT_OPEN = 60.0
"""Seconds after which a connection is not used again: engines end idle ones, at any moment."""
_ENDS = frozenset({"delete", "untag"})


class HotHost(LiveHost):
    """A ``LiveHost`` that keeps its connections, its events and its list of images between looks.

    ``watch`` begins each look. The thread that calls it may be another one than that which waits
    for ``stream``.
    """

    def __init__(self, client: Client, memory: Store) -> None:
        super().__init__(client, memory)
        self.kept: tuple[Image, ...] | None = None
        """The images of the last look; None where they are to be listed anew."""
        self.whole_at = 0.0
        """When the engine was last asked for all of them, UTC seconds on this machine's clock."""
        self._untagged: frozenset[str] = frozenset()
        """The IDs of the images that the last look listed as untagged."""
        self._news: deque[Event] = deque()
        """The events of images since they were listed."""
        self._breaks = 0
        self._looked = False
        self._watched = 0.0

    @property
    def stream(self) -> EventStream | None:
        """The engine's events, once they are followed."""
        return self.touched.stream

    def watch(self) -> None:
        """Follow the events from now on, and keep what the last look taught. Raises EngineError."""
        if self._looked:
            self._looked = False
            self.keep()
            # What was read for that look is in the memory now.
            self.uses.events, self.uses.counted = (), ()
            self.confirming = None
        now = time.monotonic()
        if now - self._watched > _KEPT_OPEN:
            self.client.close()
        self._watched = now
        stream = self.stream
        if stream is not None and stream.breaks != self._breaks:
            # It may be another engine by now, and events may be missing.
            self._breaks = stream.breaks
            self.forget()
        super().watch()
        if stream is None and self.stream is not None:
            self._news, self._breaks = self.stream.inbox(), self.stream.breaks

    def forget(self) -> None:
        """Have the next look ask for everything anew."""
        self.kept = None
        self.client.close()
        self.client.version = self.client.info = None

    def observe(self, *, sizes: bool = False, every: bool = True) -> Inventory:
        """Everything on the engine now; see ``Host.observe``."""
        inventory = super().observe(sizes=sizes, every=every)
        self._looked = True
        return inventory

    def complete(self, *, sizes: bool = False) -> Inventory:
        """The look that was just taken, with every image; see ``Host.complete``."""
        # The images that are kept are as new as a list of the others.
        return self.observe(sizes=sizes)

    def _listed(self, *, sizes: bool, every: bool) -> tuple[Inventory, float]:
        if every and self.kept is not None:
            inventory, asked_at = super()._listed(sizes=sizes, every=False)
            images = self._merged(self.kept, inventory)
            if images is not None:
                self.first = None
                self.kept = images
                whole = inventory._replace(images=images, partial=False, image_count=None)
                return whole, asked_at
        self._poll()
        self._news.clear()
        inventory, asked_at = super()._listed(sizes=sizes, every=every)
        if not inventory.partial:
            keeps = inventory.engine.store == "containerd" and self.stream is not None
            self.kept, self.whole_at = inventory.images if keeps else None, asked_at
            self._untagged = frozenset()
        return inventory, asked_at

    def _poll(self) -> None:
        if self.stream is not None:
            self.stream.poll()

    def _merged(self, kept: Sequence[Image], inventory: Inventory) -> tuple[Image, ...] | None:
        """The images that are here now; None where that takes the list of all. EngineError.

        ``inventory`` has the untagged ones.
        """
        try:
            self._poll()
        except EngineError:
            return None
        changed = Changed(self._news.popleft() for _ in range(len(self._news)))
        untagged = {image.id: image for image in inventory.images}
        if len(changed.nameless) > _MOST_NAMED:
            return None
        for image_id in changed.nameless:
            # The image may be gone again.
            with suppress(EngineRefused):
                changed.names.update(map(complete, references(self.client, image_id)))
        affected = [image for image in kept if changed.concerns(image)]
        asked = {complete(name) for i in affected for name in (*i.tags, *i.digests)}
        asked = {each for each in asked | changed.names if each}
        if len(asked) > _MOST_NAMED:
            return None
        found = {i.id: i for i in observe.list_named(self.client, asked, inventory.engine.store)}
        moved = {image.id for image in affected}
        # The engine lists an image as untagged that has a tag beside, where an event told of none.
        stays = {i.id: i for i in kept if i.id not in moved and (i.tags or i.digests or i.odd)}
        # The named ones were asked for last.
        images = {**untagged, **stays, **found}
        known = [i for i in kept if i.id not in images and i.id not in moved]
        images |= self._hidden(images, known, frozenset(untagged), changed)
        if not moved - set(images) <= changed.ended:
            return None
        return tuple(sorted(images.values(), key=lambda image: image.created, reverse=True))

    def _hidden(
        self,
        images: Mapping[str, Image],
        known: Sequence[Image],
        untagged: frozenset[str],
        changed: Changed,
    ) -> dict[str, Image]:
        """The nameless images that are not listed as untagged, by ID: the steps of classic builds.

        The engine hides each that another image is built on, and no event names one. The list need
        not say which image that is: the parent is a label of each name, a name from an archive has
        none, and the list tells that of one name. So they are listed wherever something happened.
        ``known`` are those of the last look. Raises EngineError.
        """
        before, self._untagged = self._untagged, untagged
        if untagged == before and not changed.any:
            return {image.id: image for image in known}
        listed = observe.list_nameless(self.client)
        return {image.id: image for image in listed if image.id not in images}


class Changed:
    """What events of images named."""

    def __init__(self, events: Iterable[Event]) -> None:
        self.names: set[str] = set()
        """References, complete."""
        self.ids: set[str] = set()
        self.nameless: set[str] = set()
        """The IDs of images that came, of whose names an event says nothing: from an archive."""
        self.ended: set[str] = set()
        """The IDs of images that lost a name, or went."""
        self.any = False
        """Whether there was an event of an image."""
        for event in events:
            if event.kind != "image":
                continue
            self.any = True
            names = set(filter(None, (complete(event.id), complete(event.name))))
            self.names |= names
            if is_id(event.id):
                self.ids.add(event.image_id)
                if event.action in _ENDS:
                    self.ended.add(event.image_id)
                elif not names:
                    self.nameless.add(event.image_id)

    def concerns(self, image: Image) -> bool:
        """Whether any of it means this image."""
        return image.id in self.ids or not self.names.isdisjoint(
            map(complete, (*image.tags, *image.digests))
        )
