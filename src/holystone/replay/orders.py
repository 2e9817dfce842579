"""The eviction policies that can be replayed, by name."""

from __future__ import annotations

from array import array
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from heapq import heappop, heappush
from typing import NamedTuple

from holystone.planner.demand import Habits
from holystone.planner.ranking import Piece, Ranking
from holystone.replay.host import Host, Order
from holystone.replay.trace import Trace

KEPT, AIMED_AT, UNKNOWN = "kept", "aimed at", "unknown"
"""What a budget is to an order: never exceeded after a use; only aimed at; not known at all."""
_DAY = 86400.0
_PERIOD = 300.0
"""Seconds from one look of the kubelet, or of drone-gc, to the next."""


class LeastRecentlyUsed(Order):
    """Gives up the image whose last use is longest ago.

    docuum (``src/run.rs``) comes to the same, as far as a trace goes. What it does besides has no
    part in one: it keeps the parents of images that were built on them by the classic builder, and
    where it first looks at a host, it takes the date of build for the last use.
    """

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


_HIGH = 85
_LOW = 80
"""Watermarks of the kubelet in percent of the budget, which is the size of the disk here."""
_YOUNG = 120.0
"""Seconds: it leaves what it first saw within two minutes."""


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

    def due(self, now: float, asked: int, host: Host) -> Iterator[int]:
        """What a look at the disk takes, where one is due."""
        if now < self._next:
            return
        self._next = now + _PERIOD
        free = max(0, self._budget - host.held_bytes)
        if 100 - free * 100 // self._budget < _HIGH:
            return
        wanted = self._budget * (100 - _LOW) // 100 - free
        for image in list(self._recency):
            if image == asked or now - self._seen[image] < _YOUNG:
                continue
            yield image
            wanted -= host.image_bytes(image)
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


_RECENT = 3600.0
"""Seconds: drone-gc leaves what was used within the hour."""


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

    def due(self, now: float, asked: int, host: Host) -> Iterator[int]:
        """What a collection takes, where one is due."""
        if now < self._next:
            return
        self._next = now + _PERIOD
        yield from [image for image, tags in self._tags.items() if not tags and image != asked]
        size = host.held_bytes
        if size < self._threshold:
            return
        # The engine lists the tags of an image by name, and the first that was used counts.
        last = {image: self._last[min(tags)] for image, tags in self._tags.items() if tags}
        for image in sorted(last, key=last.__getitem__):
            if image == asked or last[image] + _RECENT > now:
                continue
            size -= host.image_bytes(image) + host.shared_bytes(image)
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


class PruneAll(Order):
    """``docker system prune -a`` after each job.

    All that is left is the image of the job that comes next, where that was here: jobs follow one
    another so closely that it is in use again.
    """

    def __init__(self) -> None:
        self._here: dict[int, None] = {}

    def due(self, now: float, asked: int, host: Host) -> Iterable[int]:  # noqa: ARG002
        """Every image but the one that is asked for."""
        return [image for image in self._here if image != asked]

    def arrived(self, image: int) -> None:
        """The image is here now."""
        self._here[image] = None

    def gone(self, image: int) -> None:
        """The image is here no longer."""
        del self._here[image]


class PruneDaily(PruneAll):
    """``docker system prune -a`` every 24 hours, or with the next use after that."""

    def __init__(self) -> None:
        super().__init__()
        self._next: float | None = None

    def due(self, now: float, asked: int, host: Host) -> Iterable[int]:
        """Every image but the one that is asked for, once a day."""
        if self._next is not None and now < self._next:
            return ()
        self._next = now + _DAY
        return super().due(now, asked, host)


class UntilCreated(PruneDaily):
    """``docker image prune -a --filter until=168h`` every 24 hours.

    The filter looks at the date an image was built. Where a trace has none, the first use of the
    image stands for it, which is later: the real filter takes more.
    """

    def __init__(self, created: Mapping[int, float]) -> None:
        super().__init__()
        self._created = dict(created)

    def due(self, now: float, asked: int, host: Host) -> Iterator[int]:
        """Every image built more than a week ago but the one that is asked for, once a day."""
        every = super().due(now, asked, host)
        yield from (image for image in every if self._created[image] < now - 7 * _DAY)

    def used(self, reference: str, image: int, now: float) -> None:  # noqa: ARG002
        """The first use stands in for a date of build that is not known."""
        self._created.setdefault(image, now)


class Oracle(Order):
    """Gives up the image whose next use is farthest away, by image.

    With images of one size that share nothing no order pulls less. With real images some order
    might, but none is known that finds it.
    """

    def __init__(self, uses: Sequence[int]) -> None:
        """``uses`` are the images of all uses, in time order."""
        self._next_use = array("q", bytes(8 * len(uses)))
        """For each use, which one is the next of the same image; past the end where none is."""
        seen: dict[int, int] = {}
        for at in range(len(uses) - 1, -1, -1):
            self._next_use[at] = seen.get(uses[at], len(uses))
            seen[uses[at]] = at
        self._at = -1
        self._next: dict[int, int] = {}
        self._farthest: list[tuple[int, int, int]] = []
        """Next use, negative, then last use, and image; with what no longer holds between."""

    def arrived(self, image: int) -> None:
        """The image will be used in this very moment."""
        self._next[image] = -1

    def used(self, reference: str, image: int, now: float) -> None:  # noqa: ARG002
        """Time moves on to this use, and the image waits for its next one."""
        self._at += 1
        self._next[image] = self._next_use[self._at]
        heappush(self._farthest, (-self._next[image], self._at, image))

    def gone(self, image: int) -> None:
        """The image is here no longer."""
        del self._next[image]

    def victim(self, now: float, asked: int) -> int | None:  # noqa: ARG002
        """The image whose next use is farthest away; of those never used again the oldest."""
        aside, found = [], None
        while self._farthest and found is None:
            negative, at, image = heappop(self._farthest)
            if self._next.get(image) == -negative:
                if image == asked:
                    aside = [(negative, at, image)]
                else:
                    found = image
        for entry in aside:
            heappush(self._farthest, entry)
        return found


class Ours(Order):
    """Gives up the image whose bytes are worth the least to keep."""

    def __init__(self, trace: Trace) -> None:
        self.ranking = Ranking(Habits())
        self._trace = trace
        self._pieces: dict[int, Sequence[Piece]] = {}

    def arrived(self, image: int) -> None:
        """The image is here now."""
        self.ranking.add(image, self._layers(image))

    def used(self, reference: str, image: int, now: float) -> None:
        """The reference has one use more, and means this image."""
        self.ranking.used(reference, image, self._layers(image), now)

    def gone(self, image: int) -> None:
        """The image is here no longer."""
        self.ranking.drop(image)

    def victim(self, now: float, asked: int) -> int | None:
        """The image of least worth."""
        entry = self.ranking.least(now, asked)
        return entry.key if entry is not None and isinstance(entry.key, int) else None

    def _layers(self, image: int) -> Sequence[Piece]:
        if image not in self._pieces:
            sizes, layers = self._trace.layer_bytes, self._trace.layers[image]
            self._pieces[image] = tuple((layer, sizes[layer]) for layer in layers)
        return self._pieces[image]


class Kind(NamedTuple):
    """One order: how it is made for a trace and a budget in bytes, and what it does in words."""

    make: Callable[[Trace, int], Order]
    budget: str
    summary: str


ORDERS: Mapping[str, Kind] = {
    "lru": Kind(
        lambda _trace, _budget: LeastRecentlyUsed(), KEPT, "least recently used first, by image"
    ),
    "docuum": Kind(lambda _trace, _budget: LeastRecentlyUsed(), KEPT, "as docuum: the same as lru"),
    "kubelet": Kind(
        lambda _trace, budget: Kubelet(budget),
        KEPT,
        "as the kubelet: from 85% of the budget down to 80%, least recently used first",
    ),
    "drone-gc": Kind(
        lambda _trace, budget: DroneGc(budget),
        AIMED_AT,
        "as drone-gc: untagged ones first, then by last use of the tag, every 5 minutes",
    ),
    "prune-all": Kind(
        lambda _trace, _budget: PruneAll(), UNKNOWN, "docker system prune -a after each job"
    ),
    "prune-daily": Kind(
        lambda _trace, _budget: PruneDaily(), UNKNOWN, "docker system prune -a every 24 hours"
    ),
    "until-created": Kind(
        lambda trace, _budget: UntilCreated(
            {image: at for image, at in enumerate(trace.created) if at is not None}
        ),
        UNKNOWN,
        "docker image prune -a --filter until=168h every 24 hours",
    ),
    "ours": Kind(
        lambda trace, _budget: Ours(trace),
        KEPT,
        "as a clean of holystone: least worth a byte first",
    ),
    "oracle": Kind(
        lambda trace, _budget: Oracle(trace.use_images),
        KEPT,
        "knows the future: the farthest next use first (Belady)",
    ),
}
DEFAULT = ("lru", "kubelet", "drone-gc", "prune-daily", "ours", "oracle")
