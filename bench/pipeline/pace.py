"""So many bytes a second, over everything that goes at this pace together."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

_BURST = 0.02
"""Seconds nobody used that are made up for."""


class Pace:
    """A rate in bytes a second. Safe to use from several threads."""

    def __init__(self, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.rate = rate
        self._clock = clock
        self._lock = threading.Lock()
        self._free_at = 0.0

    def wait_for(self, count: int) -> float:
        """Seconds until so many bytes more may pass."""
        with self._lock:
            now = self._clock()
            self._free_at = max(self._free_at, now - _BURST) + count / self.rate
            return max(0.0, self._free_at - now)
