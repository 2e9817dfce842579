"""What decides which images a simulated host gives up: the seam between a host and an order."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol


class Shelf(Protocol):
    """What an order may ask of the host it works for. Images are the numbers of the trace."""

    held_bytes: int
    """The bytes of all images that are here, each layer counted once."""

    def image_bytes(self, image: int) -> int:
        """The bytes of all layers of an image, whoever else holds them."""

    def shared_bytes(self, image: int) -> int:
        """The bytes of those of its layers that another image here holds as well."""


class Order(Protocol):
    """Told what happens on a host, and asked what goes.

    For each use, in time order: ``due``; ``arrived``, where the image was not here; ``used``; then
    ``victim`` while the host is over its budget. ``gone`` follows each image that went, whichever
    of the two named it. An order is made for one replay.
    """

    def due(
        self,
        now: float,  # noqa: ARG002
        asked: int,  # noqa: ARG002
        shelf: Shelf,  # noqa: ARG002
    ) -> Iterable[int]:
        """The images that go before ``asked`` is used, whatever the budget. Never ``asked``.

        Each is taken off the shelf as soon as it is named.
        """
        return ()

    def arrived(self, image: int) -> None:  # noqa: ARG002
        """The image is here now."""
        return

    def used(self, reference: str, image: int, now: float) -> None:  # noqa: ARG002
        """A job asks for this reference now (UTC seconds), and the image behind it is here."""
        return

    def gone(self, image: int) -> None:  # noqa: ARG002
        """The image is here no longer."""
        return

    def victim(self, now: float, asked: int) -> int | None:  # noqa: ARG002
        """The image that goes next. Never ``asked``; None where no other goes."""
        return None
