"""A line on a terminal while removals or pulls run: how far, how many bytes, how long.

Drawn only where a person watches and only once the work has taken half a second. One line and a
thread that redraws it ten times a second: importing a library for this would cost the removals
beside it more time than drawing does.
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from types import TracebackType
from typing import Self

from holystone.engine.host import REMOVED, Removal
from holystone.planner.units import format_size
from holystone.planner.verdict import Plan, Step
from holystone.present.format import plural
from holystone.present.table import cut, display_width
from holystone.present.terminal import Output, plain

PATIENCE = 0.5
"""Seconds of work before anything is drawn."""
INTERVAL = 0.1
_CLEAR = "\r\x1b[2K"
NEARLY = 0.999
"""How full a bar may be whose work is not known to be all done."""


class ProgressLine(ABC):
    """A line that is drawn while a block runs. Safe to use from several threads.

    Draws nothing where the output is not interactive. The line is gone when it ends.
    """

    def __init__(self, steps: int, output: Output, clock: Callable[[], float]) -> None:
        self._steps = steps
        self._output = output
        self._clock = clock
        self._started = clock()
        self._done = 0
        self.share = 0.0
        """How much of the bar is full, 0 to 1: it never shrinks, and is 1 only at the end."""
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._drawn = False
        self._thread: threading.Thread | None = None

    @abstractmethod
    def _said(self) -> tuple[str, float]:
        """The words beside the bar, without the time, and how much of it is full (0 to 1)."""

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

    def line(self) -> str:
        """The line as it stands, no wider than the terminal."""
        look = self._output.look
        with self._lock:
            words, share = self._said()
            self.share = max(self.share, min(1.0, share))
        said = f"{words}  {self._clock() - self._started:.0f} s"
        width = min(24, look.width - display_width(said) - 4)
        if width < 5:
            return cut(said, look.width - 1, look)
        full = int(width * self.share)
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


class Progress(ProgressLine):
    """Progress of the steps of a plan. A context manager; ``step_done`` fits ``execute``.

    ``whole``: the plan of which ``plan`` is a part. ``before``: the progress of the round before
    this one, which goes on here. With a target for the disk more may be planned after all steps.
    """

    def __init__(
        self,
        plan: Plan,
        output: Output,
        clock: Callable[[], float] = time.monotonic,
        *,
        whole: Plan | None = None,
        before: Progress | None = None,
    ) -> None:
        steps = len((plan if whole is None else whole).steps)
        super().__init__(steps + (before.done if before else 0), output, clock)
        self._freed = 0
        self._kind = plan.steps[0].kind if plan.steps else ""
        self._more = plan.target_free is not None
        if before is not None:
            self._done, self._freed, self.share = before.done, before.freed, before.share

    @property
    def done(self) -> int:
        """How many steps are done with, those of rounds before among them."""
        return self._done

    @property
    def freed(self) -> int:
        """The bytes that came free by them, as planned."""
        return self._freed

    def step_done(self, step: Step, removal: Removal) -> None:
        """Count a step. Safe to call from several threads."""
        with self._lock:
            self._done += 1
            self._kind = step.kind
            if removal.result == REMOVED:
                self._freed += step.freed_bytes

    def _said(self) -> tuple[str, float]:
        share = self._done / self._steps if self._steps else 1.0
        share = min(share, NEARLY) if self._more else share
        return f"{self._done}/{self._steps} {plural(self._kind)}  {format_size(self._freed)}", share


class PullProgress(ProgressLine):
    """Progress of pulls: how many have ended, and the bytes that have come.

    ``pulls`` are their places among all there is to do; what is not a pull is done at once.
    """

    def __init__(
        self,
        pulls: Collection[int],
        output: Output,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(len(pulls), output, clock)
        self._pulls = pulls
        self._moved: dict[int, tuple[int, int]] = {}
        self._settled: set[int] = set()
        self._shares: dict[int, float] = {}
        """How much of each pull has come, as far as is known of its size."""

    def moved(self, place: int, come: int, size: int) -> None:
        """Of the pull at this place so many bytes have come, of those known of so far."""
        with self._lock:
            before = self._moved.get(place, (0, 0))[0]
            # A layer that is fetched again does not take back what was told.
            self._moved[place] = (max(come, before), max(size, come, before))
            share = min(NEARLY, come / size) if size > 0 else 0.0
            self._shares[place] = max(share, self._shares.get(place, 0.0))

    def settled(self, place: int) -> None:
        """What was to be done at this place has ended."""
        with self._lock:
            if place in self._pulls and place not in self._settled:
                self._settled.add(place)
                self._done += 1
                self._shares[place] = 1.0

    def _said(self) -> tuple[str, float]:
        come = sum(moved[0] for moved in self._moved.values())
        words = f"pulled {self._done}/{self._steps}  {format_size(come)}"
        # Of pulls that have not begun nobody knows the size.
        if all(place in self._moved or place in self._settled for place in self._pulls):
            words += f" of {format_size(sum(moved[1] for moved in self._moved.values()))}"
        each = sum(self._shares.get(place, 0.0) for place in self._pulls)
        share = each / self._steps if self._steps else 1.0
        return words, share if self._done >= self._steps else min(share, NEARLY)
