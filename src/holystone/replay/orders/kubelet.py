"""As the kubelet's image garbage collection does it, with its defaults."""

from __future__ import annotations

from collections.abc import Iterator

from holystone.replay.order import Shelf
from holystone.replay.orders.lru import LeastRecentlyUsed

HIGH = 85
LOW = 80
"""Watermarks in percent of the budget, which is the size of the disk here."""
PERIOD = 300.0
YOUNG = 120.0
"""Seconds: it looks every five minutes, and leaves what it first saw within two."""


class Kubelet(LeastRecentlyUsed):
    """Every five minutes: at the high watermark or above, least recently used first to the low one.

    It counts an image's whole size as freed, with layers that other images hold (kubernetes
    ``pkg/kubelet/images/image_gc_manager.go``), so it may stop early, and goes on the next time.
    Where the disk is full in between, the least recently used image makes room.
    """

    def __init__(self, budget: int) -> None:
        super().__init__()
        self._budget = budget
        self._next = 0.0
        self._seen: dict[int, float] = {}

    def due(self, now: float, asked: int, shelf: Shelf) -> Iterator[int]:
        """What a look at the disk takes, where one is due."""
        if now < self._next:
            return
        self._next = now + PERIOD
        free = max(0, self._budget - shelf.held_bytes)
        if 100 - free * 100 // self._budget < HIGH:
            return
        wanted = self._budget * (100 - LOW) // 100 - free
        for image in list(self._recency):
            if image == asked or now - self._seen[image] < YOUNG:
                continue
            yield image
            wanted -= shelf.image_bytes(image)
            if wanted <= 0:
                return

    def used(self, reference: str, image: int, now: float) -> None:
        """The image is the most recent one now."""
        super().used(reference, image, now)
        self._seen.setdefault(image, now)

    def gone(self, image: int) -> None:
        """The image is here no longer."""
        super().gone(image)
        del self._seen[image]
