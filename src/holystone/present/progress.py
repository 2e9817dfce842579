"""A progress line on a terminal: steps done, bytes, time. rich draws it.

It is drawn only on an interactive terminal, and only after half a second of work.
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Self

from holystone.engine.host import REMOVED, Removal
from holystone.planner.units import format_size
from holystone.planner.verdict import Plan, Step
from holystone.present.format import plural
from holystone.present.terminal import Output, plain

if TYPE_CHECKING:
    from rich.live import Live

    from holystone.outside.disk_walk import DiskWalk

PATIENCE = 0.5
"""Seconds of work before anything is drawn."""
NEARLY = 0.999
"""How full a bar may be whose work is not known to be all done."""


class ProgressLine(ABC):
    """A line that is drawn while a block runs. Safe to use from several threads.

    It draws nothing where the output is not interactive. The line is gone when the block ends.
    """

    def __init__(
        self, steps: int, output: Output, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._steps = steps
        self._output = output
        self._clock = clock
        self._started = clock()
        self.done = 0
        """How many steps are done with."""
        self.share = 0.0
        """How much of the bar is full, 0 to 1: it never shrinks, and is 1 only at the end."""
        self._lock = threading.RLock()
        self._timer = threading.Timer(PATIENCE, self._draw)
        self._timer.daemon = True
        self._live: Live | None = None
        self._ended = False

    @abstractmethod
    def _said(self) -> tuple[str, float]:
        """The words beside the bar, without the time, and how much of it is full (0 to 1)."""

    def state(self) -> tuple[str, float]:
        """The words beside the bar, and how much of it is full: it never shrinks."""
        with self._lock:
            words, share = self._said()
            self.share = max(self.share, min(1.0, share))
            said = f"{words}  {self._clock() - self._started:.0f} s"
            return said if self._output.look.unicode else plain(said), self.share

    def __enter__(self) -> Self:
        if self._output.interactive and self._steps:
            self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        with self._lock:
            self._ended = True
            live = self._live
        if live is not None:
            live.stop()

    def _draw(self) -> None:
        """Draw the line from now on."""
        from holystone.present.live_line import live_line  # rich takes long to import.

        live = live_line(self._output, self.state)
        with self._lock:
            if not self._ended:
                self._live = live
                live.start(refresh=True)


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
        super().__init__(len((whole or plan).steps), output, clock)
        self.freed = 0
        """The bytes that came free by the steps that are done, as planned."""
        self._kind = plan.steps[0].kind if plan.steps else ""
        self._more = plan.target_free is not None
        if before is not None:
            self._steps += before.done
            self.done, self.freed, self.share = before.done, before.freed, before.share

    def step_done(self, step: Step, removal: Removal) -> None:
        """Count a step."""
        with self._lock:
            self.done += 1
            self._kind = step.kind
            if removal.result == REMOVED:
                self.freed += step.freed_bytes

    def _said(self) -> tuple[str, float]:
        share = self.done / self._steps if self._steps else 1.0
        share = min(share, NEARLY) if self._more else share
        return f"{self.done}/{self._steps} {plural(self._kind)}  {format_size(self.freed)}", share


class PullProgress(ProgressLine):
    """Progress of pulls: how many have ended, and the bytes that have come.

    ``pulls`` are their places among all there is to do; what is not a pull is done at once.
    """

    def __init__(self, pulls: Collection[int], output: Output) -> None:
        super().__init__(len(pulls), output)
        self._pulls = pulls
        self._moved: dict[int, tuple[int, int]] = {}
        self._settled: set[int] = set()

    def moved(self, place: int, come: int, size: int) -> None:
        """Of the pull at this place so many bytes have come, of those known of so far."""
        with self._lock:
            before = self._moved.get(place, (0, 0))[0]
            # A layer that is fetched again does not take back what was told.
            self._moved[place] = (max(come, before), max(size, come, before))

    def settled(self, place: int) -> None:
        """What was to be done at this place has ended."""
        with self._lock:
            if place in self._pulls:
                self._settled.add(place)
                self.done = len(self._settled)

    def _said(self) -> tuple[str, float]:
        come, size = (sum(moved[part] for moved in self._moved.values()) for part in (0, 1))
        words = f"pulled {self.done}/{self._steps}  {format_size(come)}"
        # The size of a pull that has not begun is not known.
        if all(place in self._moved or place in self._settled for place in self._pulls):
            words += f" of {format_size(size)}"
        if self.done >= self._steps:
            return words, 1.0
        moved = [self._moved.get(place, (0, 0)) for place in set(self._pulls) - self._settled]
        under_way = sum(min(NEARLY, come / size) for come, size in moved if size)
        return words, min((self.done + under_way) / self._steps, NEARLY)


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
            self.done += count

    def _said(self) -> tuple[str, float]:
        # An export that shows damage is asked for again in parts: more is read than was thought.
        total = max(self._total, self._read)
        words = f"verified {self.done}/{self._steps}"
        words += f"  {format_size(self._read)} of about {format_size(total)}"
        if self.done >= self._steps:
            return words, 1.0
        return words, min(self._read / total if total else 0.0, NEARLY)


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


class WalkProgress(ProgressLine):
    """Progress of walks over disks: how many files have been seen.

    How many there will be is known from the inodes in use, where the file system counts them.
    """

    def __init__(self, output: Output, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(1, output, clock)
        self._walk: DiskWalk | None = None
        self._before = 0

    def begin(self, walk: DiskWalk) -> None:
        """Count this walk from now on; the one before it has ended."""
        with self._lock:
            if self._walk is not None:
                self._before += self._walk.files
            self._walk = walk

    def _said(self) -> tuple[str, float]:
        if self._walk is None:
            return "asking the engine", 0.0
        expected = self._walk.expected
        share = self._walk.files / expected if expected else 0.0
        return f"{self._before + self._walk.files:,} files", min(share, NEARLY)
