"""What the agent was asked to do and has not begun: jobs, and restores that somebody waits for."""

from __future__ import annotations

import threading
import time
from collections import deque
from concurrent.futures import Future
from typing import NamedTuple

from holystone.agent.state import JobResult, State
from holystone.operations.errors import AgentEnds
from holystone.operations.wishes import Wishes

_ENDS = "the agent ends. Ask the next one; holystone history shows how far this one came"


class Order(NamedTuple):
    """A job that was asked for."""

    job: str
    by: str
    wishes: Wishes | None = None
    since: float = 0.0
    """When it was asked for, by the monotonic clock."""


class Restore(NamedTuple):
    """A restore that somebody waits for."""

    run: int | None
    references: tuple[str, ...]
    by: str
    told: Future[JobResult]


class Orders:
    """The queue. Others ask, the worker takes. Safe to use from several threads."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.stopping = threading.Event()
        """Set where nothing else begins."""
        self._jobs: dict[str, Order] = {}
        self._held: dict[str, float] = {}
        """Until when jobs wait for a lock."""
        self._restores: deque[Restore] = deque()
        """The one under way is the first."""
        self._changed = threading.Condition()

    # From any thread

    def ask(self, job: str, by: str, wishes: Wishes | None = None) -> None:
        """Queue a job; one that waits already is not queued twice. Raises AgentEnds."""
        with self._changed:
            if self.stopping.is_set():
                raise AgentEnds(_ENDS)
            if job not in self._jobs:
                self._jobs[job] = Order(job, by, wishes, time.monotonic())
                self.state.set(waiting=tuple(self._jobs))
            self._changed.notify()

    def restore(self, run: int | None, references: tuple[str, ...], by: str) -> JobResult:
        """Queue a restore, and wait for its end. Raises what it raises, and AgentEnds."""
        wanted = Restore(run, references, by, Future())
        with self._changed:
            if self.stopping.is_set():
                raise AgentEnds(_ENDS)
            self._restores.append(wanted)
            self._changed.notify()
        return wanted.told.result()

    def stop(self) -> None:
        """Give out nothing more."""
        self.stopping.set()
        self.wake()

    def wake(self) -> None:
        """End a wait."""
        with self._changed:
            self._changed.notify()

    def give_up(self) -> None:
        """Answer those who wait for a restore: nothing more comes of it here."""
        with self._changed:
            for each in self._restores:
                if not each.told.done():
                    each.told.set_exception(AgentEnds(_ENDS))
            self._restores.clear()

    @property
    def restores(self) -> int:
        """How many restores somebody waits for."""
        with self._changed:
            return len(self._restores)

    # From the worker

    def next(self) -> Order | None:
        """Take the job that is to be done now."""
        now = time.monotonic()
        with self._changed:
            for job, order in self._jobs.items():
                if self._held.get(job, 0.0) <= now:
                    del self._jobs[job]
                    self.state.set(waiting=tuple(self._jobs))
                    return order
        return None

    def next_restore(self) -> Restore | None:
        """The restore that is to be made now; it stays the first one until it is answered."""
        with self._changed:
            return None if self.stopping.is_set() or not self._restores else self._restores[0]

    def answer(self, wanted: Restore, result: JobResult | Exception) -> None:
        """Tell how a restore ended."""
        with self._changed:
            # Whoever waited may have been told already that the agent ends.
            if wanted.told.done():
                return
            self._restores.remove(wanted)
            if isinstance(result, JobResult):
                wanted.told.set_result(result)
            else:
                wanted.told.set_exception(result)

    def hold(self, order: Order, seconds: float) -> None:
        """Put a job back for so long."""
        with self._changed:
            self._held[order.job] = time.monotonic() + seconds
            self._jobs.setdefault(order.job, order)
            self.state.set(waiting=tuple(self._jobs))

    def release(self, job: str) -> None:
        """A job has ended: it waits for no lock any more."""
        with self._changed:
            self._held.pop(job, None)

    def wait(self, seconds: float) -> None:
        """Wait for another order, at most so long."""
        with self._changed:
            if not self._restores and not self.stopping.is_set():
                self._changed.wait(seconds)
