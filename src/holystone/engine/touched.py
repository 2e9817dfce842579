"""Which objects somebody has used since they were observed, by what the events tell."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from holystone.core.inventory import Image
from holystone.engine.events import Event, EventStream


class Touched:
    """The IDs of objects that events named. Safe to ask from several threads."""

    def __init__(self, events: EventStream | None) -> None:
        self.events = events
        self.images: Sequence[Image] = ()
        """The images as they were observed."""
        self.references_moved = False
        """Whether any image may have got a reference since."""
        self._ids: set[str] = set()
        self._named: dict[str, str] = {}
        self._lock = threading.Lock()

    def observed(self, images: Sequence[Image]) -> None:
        """Take the images whose references events will name."""
        self.images = images
        self._named = {}

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
            return self._images(event.id) | self._images(event.name)
        return self._images(event.image) if event.kind == "container" else set()

    def _images(self, name: str) -> set[str]:
        """The images somebody can mean by a reference, or by the beginning of an ID."""
        if not name:
            return set()
        if not self._named:
            self._named = {
                _normal(reference): image.id
                for image in self.images
                for reference in image.tags + image.digests
            }
        beginning = "sha256:" + name.removeprefix("sha256:")
        meant = {image.id for image in self.images if image.id.startswith(beginning)}
        if image_id := self._named.get(_normal(name)):
            meant.add(image_id)
        return meant


def _normal(reference: str) -> str:
    """The reference in full, so that two ways to write it are equal; an ID stays as it is."""
    from holystone.core.reference import InvalidReference, parse

    try:
        full = parse(reference).complete
    except InvalidReference:
        return reference
    # The digest alone decides what is meant by "name:tag@digest".
    return str(full._replace(tag="") if full.digest else full)
