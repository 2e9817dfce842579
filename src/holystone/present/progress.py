"""A line on a terminal while removals run: how far, how many bytes, how long.

Drawn only where a person watches and only once the work has taken half a second. One line and a
thread that redraws it ten times a second: importing a library for this would cost the removals
beside it more time than drawing does.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from holystone.core.decision import Plan, Step
from holystone.core.units import format_size
from holystone.engine.host import REMOVED, Removal
from holystone.present.table import cut, display_width
from holystone.present.terminal import Output, plain
from holystone.present.wording import plural

PATIENCE = 0.5
"""Seconds of work before anything is drawn."""
INTERVAL = 0.1
_CLEAR = "\r\x1b[2K"


class Progress:
    """Progress of the steps of a plan. A context manager; ``step_done`` fits ``execute``.

    Draws nothing where the output is not interactive. The line is gone when it ends.
    """

    def __init__(
        self, plan: Plan, output: Output, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._steps = len(plan.steps)
        self._bytes = plan.freed_bytes
        self._output = output
        self._clock = clock
        self._started = clock()
        self._done = 0
        self._freed = 0
        self._kind = plan.steps[0].kind if plan.steps else ""
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._drawn = False
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        if self._output.interactive and self._steps:
            self._thread = threading.Thread(target=self._redraw, daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
        if self._drawn:
            self._show(_CLEAR)

    def step_done(self, step: Step, removal: Removal) -> None:
        """Count a step. Safe to call from several threads."""
        with self._lock:
            self._done += 1
            self._kind = step.kind
            if removal.result == REMOVED:
                self._freed += step.freed_bytes

    def line(self) -> str:
        """The line as it stands, no wider than the terminal."""
        look = self._output.look
        with self._lock:
            done, freed, kind = self._done, self._freed, self._kind
        seconds = self._clock() - self._started
        said = f"{done}/{self._steps} {plural(kind)}  {format_size(freed)}  {seconds:.0f} s"
        width = min(24, look.width - display_width(said) - 4)
        if width < 5:
            return cut(said, look.width - 1, look)
        full = width * done // self._steps if self._steps else width
        bar = look.paint("█" * full, "green") + look.paint("░" * (width - full), "dim")
        line = f"{bar}  {said}"
        return line if look.unicode else plain(line)

    def _redraw(self) -> None:
        self._ended.wait(PATIENCE)
        while not self._ended.is_set():
            self._drawn = True
            self._show(_CLEAR + self.line())
            self._ended.wait(INTERVAL)

    def _show(self, text: str) -> None:
        try:
            self._output.stream.write(text)
            self._output.stream.flush()
        except (OSError, ValueError):
            self._ended.set()  # the terminal is gone; the removals go on
