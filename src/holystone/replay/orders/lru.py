"""Least recently used first, by image."""

from __future__ import annotations

from collections import OrderedDict

from holystone.replay.order import Order


class LeastRecentlyUsed(Order):
    """Gives up the image whose last use is longest ago."""

    def __init__(self) -> None:
        self._recency: OrderedDict[int, None] = OrderedDict()
        """The images here, the one used longest ago first."""

    def arrived(self, image: int) -> None:
        """The image is here now."""
        self._recency[image] = None

    def used(self, reference: str, image: int, now: float) -> None:  # noqa: ARG002
        """The image is the most recent one now."""
        self._recency.move_to_end(image)

    def gone(self, image: int) -> None:
        """The image is here no longer."""
        del self._recency[image]

    def victim(self, now: float, asked: int) -> int | None:  # noqa: ARG002
        """The image used longest ago."""
        return next((image for image in self._recency if image != asked), None)
