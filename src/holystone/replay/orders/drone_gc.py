"""As drone-gc does it, with its defaults."""

from __future__ import annotations

from collections.abc import Iterator

from holystone.replay.order import Order, Shelf

PERIOD = 300.0
RECENT = 3600.0
"""Seconds: it collects every five minutes, and leaves what was used within the hour."""


class DroneGc(Order):
    """Every five minutes: images without a tag, then by last use, until below the threshold.

    The last use is that of a tag, and goes with it to another image. drone-gc (``gc/image.go``)
    counts the size of an image as freed, and what it shares with others once more, so it may stop
    early. Between two collections nothing holds it to the threshold, and the last hour's images
    are never given up.
    """

    def __init__(self, budget: int) -> None:
        self._threshold = budget
        self._next = 0.0
        self._last: dict[str, float] = {}
        self._image_of: dict[str, int] = {}
        self._tags: dict[int, set[str]] = {}
        """The tags of each image that is here."""

    def due(self, now: float, asked: int, shelf: Shelf) -> Iterator[int]:
        """What a collection takes, where one is due."""
        if now < self._next:
            return
        self._next = now + PERIOD
        yield from [image for image, tags in self._tags.items() if not tags and image != asked]
        size = shelf.held_bytes
        if size < self._threshold:
            return
        # The engine lists the tags of an image by name, and the first that was used counts.
        last = {image: self._last[min(tags)] for image, tags in self._tags.items() if tags}
        for image in sorted(last, key=last.__getitem__):
            if image == asked or last[image] + RECENT > now:
                continue
            size -= shelf.image_bytes(image) + shelf.shared_bytes(image)
            yield image
            if size < self._threshold:
                return

    def arrived(self, image: int) -> None:
        """The image is here now."""
        self._tags[image] = set()

    def used(self, reference: str, image: int, now: float) -> None:
        """The reference is a tag of this image now, and of no other."""
        before = self._image_of.get(reference)
        if before != image:
            if before in self._tags:
                self._tags[before].discard(reference)
            self._image_of[reference] = image
        self._tags[image].add(reference)
        self._last[reference] = now

    def gone(self, image: int) -> None:
        """The image is here no longer, nor are its tags."""
        del self._tags[image]
