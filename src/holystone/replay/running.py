"""Replay many budgets and policies in parallel, in a process for each core."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing import active_children, get_context, parent_process
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple, Self

from holystone.replay.host import replay
from holystone.replay.orders import KEPT, ORDERS, UNKNOWN
from holystone.replay.result import Replayed
from holystone.replay.trace import Trace

if TYPE_CHECKING:
    from multiprocessing.sharedctypes import Synchronized


class ReplayFailed(Exception):
    """A replay that came to no end, and what to do."""


class Job(NamedTuple):
    """One replay: an order under a budget in bytes."""

    order: str
    budget_bytes: int


def jobs_of(orders: Collection[str], budgets: Collection[int]) -> list[Job]:
    """Each of these orders under each of these budgets, budget by budget."""
    return [Job(order, budget) for budget in budgets for order in orders]


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Replays:
    """Replays one trace again and again. A context manager; each job is replayed once.

    With ``workers`` above 1 each gets the trace once, when it is forked, and takes jobs as they
    come. Enter it before any thread is started: a fork copies none.
    """

    def __init__(self, trace: Trace, workers: int) -> None:
        self.trace = trace
        self._workers = workers
        self._pool: ProcessPoolExecutor | None = None
        self._known: dict[Job, Replayed] = {}
        self._uses: Synchronized[int] | None = None
        self._uses_here = 0

    def __enter__(self) -> Self:
        if self._workers > 1:
            self._start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._pool is not None:
            for process in active_children() if kind is not None else ():
                process.terminate()
            self._pool.shutdown()

    def uses_done(self) -> int:
        """How many uses have been replayed so far, in all jobs together."""
        # Without the lock: the display of progress must not wait for a worker that was killed.
        return self._uses_here + (self._uses.get_obj().value if self._uses else 0)

    def curve(self, order: str) -> list[tuple[int, int]]:
        """Budget and pulled bytes of all that was replayed of an order, by budget."""
        return sorted(
            (job.budget_bytes, result.pulled_bytes)
            for job, result in self._known.items()
            if job.order == order
        )

    def run(self, jobs: Sequence[Job]) -> list[Replayed]:
        """What each of these jobs comes to. Raises ReplayFailed."""
        new = list(dict.fromkeys(job for job in map(_really, jobs) if job not in self._known))
        self._known.update(zip(new, self._replayed(new), strict=True))
        return [self._known[_really(job)]._replace(budget_bytes=job.budget_bytes) for job in jobs]

    def _replayed(self, jobs: Sequence[Job]) -> list[Replayed]:
        if self._pool is None:
            return [run_job(self.trace, self._count_here, job) for job in jobs]
        try:
            futures = [self._pool.submit(_run_in_worker, job) for job in jobs]
            # Not by map, which cancels what is left where it is interrupted: the thread behind the
            # pool falls over that when it finds the workers ended.
            return [future.result() for future in futures]
        except BrokenProcessPool:
            raise ReplayFailed(
                "a process that replayed the trace was killed, perhaps for want of memory; "
                "try --parallel 1"
            ) from None

    def _count_here(self, uses: int) -> None:
        self._uses_here += uses

    def _start(self) -> None:
        context = get_context("fork")
        self._uses = context.Value("q", 0)
        self._pool = ProcessPoolExecutor(
            self._workers, context, _begin_worker, (self.trace, self._uses)
        )
        # Ctrl-C, and its end, go to all of a terminal's processes: the new ones answer neither.
        quiet = {signal.SIGINT, signal.SIGHUP}
        signals = signal.pthread_sigmask(signal.SIG_BLOCK, quiet)
        try:
            # They are forked with the first thing that is asked of them.
            self._pool.submit(int).result()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, signals)


def run_job(trace: Trace, count: Callable[[int], None] | None, job: Job) -> Replayed:
    """Replay one job; ``count`` gets the number of uses as they are done."""
    kind = ORDERS[job.order]
    limit = job.budget_bytes if kind.budget == KEPT else None
    host = replay(trace, kind.make(trace, job.budget_bytes), limit, count)
    uses, peak = len(trace.use_times), host.peak_bytes
    return Replayed(job.order, job.budget_bytes, host.pulled_bytes, host.stalls, uses, peak)


def _really(job: Job) -> Job:
    """The job that gives this one's figures: an order that knows no budget is replayed once."""
    return job._replace(budget_bytes=0) if ORDERS[job.order].budget == UNKNOWN else job


_run_here: Callable[[Job], Replayed] | None = None
"""In a worker: what replays a job."""


def _begin_worker(trace: Trace, uses: Synchronized[int]) -> None:
    global _run_here  # noqa: PLW0603 - a worker has no other place to keep what all its jobs need
    # The process that started it ends it: by this signal, or by no longer being there.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()

    def count(done: int) -> None:
        with uses.get_lock():
            uses.value += done

    _run_here = partial(run_job, trace, count)


def _end_with_parent() -> None:
    if (parent := parent_process()) is not None:
        parent.join()
        os._exit(1)


def _run_in_worker(job: Job) -> Replayed:
    if _run_here is None:
        raise RuntimeError("this is no worker")
    return _run_here(job)
