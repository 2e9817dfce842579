"""How full the disk is, how it got there, and when it will be full at that rate."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence

from holystone.agent.state import Snapshot
from holystone.planner.inventory import Disk
from holystone.present import figures
from holystone.store.samples import Sample

_LOOKS_BACK = 6 * 3600.0
"""Seconds of the past that the forecast is made from."""
_LEAST_SPAN = 20 * 60.0
"""Seconds of samples without which there is no forecast."""
_FURTHEST = 30 * 86400.0
"""A forecast beyond this says nothing."""


class Forecast:
    """The trend of the space that is free or can be made free, from a sample a minute.

    A disk that is held level by cleans is full only when nothing is left to be removed.
    """

    def __init__(self, samples: Sequence[Sample] = ()) -> None:
        self._points: deque[tuple[float, int, int]] = deque()
        for sample in samples:
            self.add(sample)

    def add(self, sample: Sample) -> None:
        """Take the newest sample. Others than newer ones show a clock that was set: start anew."""
        if sample.available is None or sample.total is None:
            return
        if self._points and sample.at < self._points[-1][0]:
            self._points.clear()
        if self._points and sample.total != self._points[-1][2]:
            self._points.clear()  # Another disk, or one that was made larger.
        self._points.append((sample.at, sample.available, sample.total))
        while self._points[0][0] < sample.at - _LOOKS_BACK:
            self._points.popleft()

    def full_in(self) -> float | None:
        """Seconds until nothing is free and nothing can be removed, by the trend of the last hours.

        None where no end shows.
        """
        points = self._points
        if len(points) < 2 or points[-1][0] - points[0][0] < _LEAST_SPAN:
            return None
        middle = sum(at for at, _, _ in points) / len(points)
        mean = sum(size for _, size, _ in points) / len(points)
        spread = sum((at - middle) ** 2 for at, _, _ in points)
        slope = sum((at - middle) * (size - mean) for at, size, _ in points) / spread
        if slope >= 0:
            return None
        left = points[-1][1] / -slope
        return left if left <= _FURTHEST else None


def sample_of(disk: Disk, snapshot: Snapshot | None, available: int | None) -> Sample:
    """The host at this moment; ``available`` see ``Sample``."""
    now = time.time()
    if snapshot is None:
        return Sample(now, disk.total_bytes, disk.free_bytes, available=available)
    inventory = snapshot.inventory
    sizes = [volume.size for volume in inventory.volumes]
    return Sample(
        now,
        disk.total_bytes,
        disk.free_bytes,
        figures.stored_bytes(inventory.images),
        sum(each.writable_size for each in inventory.containers),
        figures.cache_bytes(inventory).own,
        None if None in sizes else sum(size or 0 for size in sizes),
        available,
    )
