"""The line on a terminal while a trace is replayed: how many uses of how many, and how long."""

from __future__ import annotations

import time
from collections.abc import Callable

from holystone.present.progress import ProgressLine
from holystone.present.terminal import Output


class ReplayProgress(ProgressLine):
    """Progress of so many replays at most, of a trace with so many uses."""

    def __init__(
        self,
        replays: int,
        uses: int,
        done: Callable[[], int],
        output: Output,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(replays, output, clock)
        self._uses = uses
        self._uses_done = done

    def _said(self) -> tuple[str, float]:
        done = self._uses_done()
        whole = self._steps * self._uses
        words = f"replayed {done // max(1, self._uses)} of {self._steps} times"
        return words, min(1.0, done / whole) if whole else 1.0
