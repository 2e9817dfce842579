"""Which objects somebody has used since they were observed, by what the events tell."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from holystone.engine.events import Event, EventStream
from holystone.planner.inventory import Image
from holystone.planner.names import Names


class Touched:
    """The IDs of objects that events named. Safe to ask from several threads."""

    def __init__(self, events: EventStream | None) -> None:
        self.events = events
        self.names = Names(())
        """Those of the images as they were observed."""
        self.references_moved = False
        """Whether any image may have got a reference since."""
        self._ids: set[str] = set()
        self._lock = threading.Lock()

    def observed(self, images: Sequence[Image]) -> None:
        """Take the images whose references events will name."""
        self.names = Names(images)

    def follow(self, object_id: str = "") -> bool:
        """Read the events that have come; True where this object was used.

        Raises ProtocolError where the engine ended the stream.
        """
        with self._lock:
            if self.events is not None:
                for event in self.events.poll():
                    if event.uses:
                        self._touch(event)
            return object_id in self._ids

    def _touch(self, event: Event) -> None:
        self._ids.add(event.id)
        self._ids.update(self.meant_by(event))
        if event.kind == "image":
            self.references_moved = True

    def meant_by(self, event: Event) -> set[str]:
        """The IDs of the images that an event has to do with."""
        if event.kind == "image":
            return self.names.meant(event.id) | self.names.meant(event.name)
        return self.names.meant(event.image) if event.kind == "container" else set()
