"""The simulated host: whole images, layers counted once, and an eviction policy."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from holystone.replay.trace import Trace

STRIDE = 1024
"""Uses between two reports of how far a replay is."""


class Order:
    """Told what happens on a host, and asked what goes. Images are the numbers of the trace.

    For each use, in time order: ``due``; ``arrived``, where the image was not here; ``used``; then
    ``victim`` while the host is over its budget. ``gone`` follows each image that went, whichever
    of the two named it. An order is made for one replay.
    """

    def due(self, now: float, asked: int, host: Host) -> Iterable[int]:  # noqa: ARG002
        """The images that go before ``asked`` is used, with any budget. Never ``asked``.

        Each is taken off the host as soon as it is named.
        """
        return ()

    def arrived(self, image: int) -> None:
        """The image is here now."""

    def used(self, reference: str, image: int, now: float) -> None:
        """A job asks for this reference now (UTC seconds), and the image behind it is here."""

    def gone(self, image: int) -> None:
        """The image is here no longer."""

    def victim(self, now: float, asked: int) -> int | None:  # noqa: ARG002
        """The image that goes next. Never ``asked``; None where no other goes."""
        return None


class Host:
    """A host that holds whole images. A layer is held as long as one of its images is.

    ``limit`` is how many bytes it may hold; None: the order alone says when something goes.
    """

    def __init__(self, trace: Trace, order: Order, limit: int | None) -> None:
        self.held_bytes = 0
        self.peak_bytes = 0
        self.pulled_bytes = 0
        self.stalls = 0
        self._order = order
        self._limit = limit
        self._layers = trace.layers
        self._layer_bytes = trace.layer_bytes
        self._sizes = trace.image_bytes()
        self._holders = [0] * len(trace.layer_bytes)
        self._here: set[int] = set()

    def use(self, reference: str, image: int, now: float) -> None:
        """A job asks for an image: pull what is missing of it, then make room.

        An image that alone is larger than the limit stays until another one is asked for.
        """
        order = self._order
        for due in order.due(now, image, self):
            self._give_up(due, image)
        if image not in self._here:
            self._pull(image)
            order.arrived(image)
        order.used(reference, image, now)
        while self._limit is not None and self.held_bytes > self._limit:
            victim = order.victim(now, image)
            if victim is None:
                break
            self._give_up(victim, image)

    def image_bytes(self, image: int) -> int:
        """The bytes of all layers of an image."""
        return self._sizes[image]

    def shared_bytes(self, image: int) -> int:
        """The bytes of those of its layers that another image here holds as well."""
        return sum(
            self._layer_bytes[layer] for layer in self._layers[image] if self._holders[layer] > 1
        )

    def _pull(self, image: int) -> None:
        layers = self._layers[image]
        lacking = [layer for layer in layers if not self._holders[layer]]
        for layer in layers:
            self._holders[layer] += 1
        missing = sum(self._layer_bytes[layer] for layer in lacking)
        self._here.add(image)
        self.pulled_bytes += missing
        self.stalls += bool(lacking)
        self.held_bytes += missing
        self.peak_bytes = max(self.peak_bytes, self.held_bytes)

    def _give_up(self, image: int, asked: int) -> None:
        """Take an image off the disk, with the layers that no other image holds."""
        if image == asked or image not in self._here:
            raise ValueError(f"an order gave up image {image}, which is asked for or not here")
        self._here.remove(image)
        for layer in self._layers[image]:
            self._holders[layer] -= 1
            if not self._holders[layer]:
                self.held_bytes -= self._layer_bytes[layer]
        self._order.gone(image)


def replay(
    trace: Trace, order: Order, limit: int | None, count: Callable[[int], None] | None = None
) -> Host:
    """The host after all uses of the trace. ``count`` gets the number of further uses, at times."""
    host = Host(trace, order, limit)
    references = trace.references
    uses = zip(trace.use_times, trace.use_references, trace.use_images, strict=True)
    for number, (time, reference, image) in enumerate(uses, 1):
        host.use(references[reference], image, time)
        if count is not None and not number % STRIDE:
            count(STRIDE)
    if count is not None:
        count(len(trace.use_times) % STRIDE)
    return host
