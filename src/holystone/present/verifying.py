"""The line on a terminal while images are verified: how many, how many bytes, how long."""

from __future__ import annotations

import time
from collections.abc import Callable

from holystone.planner.units import format_size
from holystone.present.progress import NEARLY, ProgressLine
from holystone.present.terminal import Output


class VerifyProgress(ProgressLine):
    """Progress of verifying so many images, of about ``total`` bytes."""

    def __init__(
        self,
        images: int,
        total: int,
        output: Output,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(images, output, clock)
        self._total = total
        self._read = 0

    def moved(self, count: int) -> None:
        """So many more bytes have been read."""
        with self._lock:
            self._read += count

    def settled(self, count: int) -> None:
        """So many more images are done with."""
        with self._lock:
            self._done += count

    def _said(self) -> tuple[str, float]:
        # An export that shows damage is asked for again in parts: more is read than was thought.
        total = max(self._total, self._read)
        words = f"verified {self._done}/{self._steps}"
        words += f"  {format_size(self._read)} of about {format_size(total)}"
        if self._done >= self._steps:
            return words, 1.0
        return words, min(self._read / total if total else 0.0, NEARLY)
