"""Prunes by the clock or by the job, which know no budget."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from holystone.replay.order import Order, Shelf

DAY = 86400.0
WEEK = 7 * DAY


class PruneAll(Order):
    """``docker system prune -a`` after each job.

    All that is left is the image of the job that comes next, where that was here: jobs follow one
    another so closely that it is in use again.
    """

    def __init__(self) -> None:
        self._here: dict[int, None] = {}

    def due(self, now: float, asked: int, shelf: Shelf) -> Iterable[int]:  # noqa: ARG002
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

    def due(self, now: float, asked: int, shelf: Shelf) -> Iterable[int]:
        """Every image but the one that is asked for, once a day."""
        if self._next is not None and now < self._next:
            return ()
        self._next = now + DAY
        return super().due(now, asked, shelf)


class UntilCreated(PruneDaily):
    """``docker image prune -a --filter until=168h`` every 24 hours.

    The filter looks at the date an image was built. Where a trace has none, the first use of the
    image stands for it, which is later: the real filter takes more.
    """

    def __init__(self, created: Mapping[int, float]) -> None:
        super().__init__()
        self._created = dict(created)

    def due(self, now: float, asked: int, shelf: Shelf) -> Iterator[int]:
        """Every image built more than a week ago but the one that is asked for, once a day."""
        for image in super().due(now, asked, shelf):
            if self._created[image] < now - WEEK:
                yield image

    def used(self, reference: str, image: int, now: float) -> None:  # noqa: ARG002
        """The first use stands in for a date of build that is not known."""
        self._created.setdefault(image, now)
