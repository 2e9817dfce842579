"""Do work on threads in parallel, and end it in an orderly way on Ctrl-C.

Only the main thread gets Ctrl-C, and at any moment: also while it starts threads. So the threads
themselves keep account of what is under way, and none of them is joined. They are daemons: a
program that leaves must not wait for an engine that hangs.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import Generic, TypeVar

from holystone.engine.errors import EngineError
from holystone.engine.host import FAILED, GONE, UNKNOWN, Removal
from holystone.engine.host import NOT_TRIED as UNTRIED
from holystone.planner.verdict import Step

Job = Sequence[Step]
"""Steps that are asked of the engine in one call."""

INTERRUPTED = "interrupted"
NOT_TRIED = "not tried"
"""How the detail of a step begins that was not asked of the engine."""
NOT_WAITED = "interrupted before the engine answered"
"""The detail of a step that was under way at the second Ctrl-C."""

_Task = TypeVar("_Task")


class _Pool(Generic[_Task]):
    """Tasks on threads. A stop lets those under way end and begins no other."""

    def __init__(
        self, do: Callable[[_Task], None], cancelled: Callable[[], bool] = lambda: False
    ) -> None:
        self.do = do
        self.cancelled = cancelled
        self.stopped = ""
        """Why no further task is begun; empty while they are."""
        self.crash: BaseException | None = None
        self.left = 0
        """How many tasks have not ended; ``do`` counts them down, under ``changed``."""
        self.under_way: list[_Task] = []
        self.changed = threading.Condition()

    def run(
        self,
        tasks: Sequence[_Task],
        workers: int,
        *,
        left: int,
        cancel: Callable[[], None] = lambda: None,
    ) -> None:
        """Do these tasks, and those added meanwhile, until ``left`` of them have ended.

        Ctrl-C stops, and calls ``cancel`` to end what is under way. Raises what ``do`` raised, once
        the others have ended, and KeyboardInterrupt at the second Ctrl-C.
        """
        self.left = left
        # What is left in the queue after a stop is not done: each run has its own.
        self.queue: SimpleQueue[_Task | None] = SimpleQueue()
        try:
            for task in tasks:
                self.queue.put(task)
            for _ in range(workers):
                threading.Thread(target=self._serve, args=(self.queue,), daemon=True).start()
            self._wait()
        except KeyboardInterrupt:
            self._stop(INTERRUPTED)
            cancel()
            self._wait()
        finally:
            for _ in range(workers):
                self.queue.put(None)
        if self.crash is not None:
            raise self.crash

    def _serve(self, queue: SimpleQueue[_Task | None]) -> None:
        while (task := queue.get()) is not None:
            self._take(task)

    def _take(self, task: _Task) -> None:
        if self.cancelled():
            self._stop(INTERRUPTED)
        with self.changed:
            if self.stopped:
                return
            self.under_way.append(task)
        try:
            self.do(task)
        except BaseException as error:  # noqa: BLE001 - raised again by the thread that waits
            self.crash = error
            self._stop("an error in holystone")
        finally:
            with self.changed:
                self.under_way.remove(task)
                # Each thread that is woken for nothing takes time from those that work.
                if not self.under_way:
                    self.changed.notify_all()

    def _stop(self, why: str) -> None:
        with self.changed:
            self.stopped = self.stopped or why
            self.changed.notify_all()

    def _wait(self) -> None:
        """Wait until nothing is under way and nothing is left to begin.

        Not by joining the threads: one that Ctrl-C interrupts in that counts as ended from then
        on, though it works on (CPython 3.11, ``Thread._wait_for_tstate_lock``).
        """
        with self.changed:
            while self.under_way or (self.left and not self.stopped):
                # A signal that comes just before the wait begins does not end it.
                self.changed.wait(1)


def side_by_side(
    count: int, work: Callable[[int], None], *, parallel: int, cancel: Callable[[], None]
) -> str:
    """Do ``work`` for each place below ``count``, ``parallel`` of them at a time.

    On Ctrl-C ``cancel`` is called, to end what is under way, and nothing more is begun. Returns
    ``INTERRUPTED`` then, else an empty text. What ``work`` raises is raised once the others have
    ended.
    """

    def do(place: int) -> None:
        work(place)
        with pool.changed:
            pool.left -= 1

    pool = _Pool(do)
    pool.run(range(count), min(parallel, count), left=count, cancel=cancel)
    return pool.stopped


class Crew(_Pool[Job]):
    """Carries out jobs and keeps the result of each step, by kind and ID.

    An engine that stops answering, or Ctrl-C, stops the crew: jobs under way are waited for, and
    the steps of all others are reported as not tried. A second Ctrl-C waits for nothing: steps
    under way are reported as unknown.
    """

    def __init__(
        self,
        report: Callable[[Step, Removal], None],
        begin: Callable[[Job], None] = lambda _: None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> None:
        """``begin`` is called before each job and ``report`` after each of its steps.

        Both are called from the thread that works on it. Once ``cancelled`` is true no job begins.
        """
        super().__init__(self._work_on, cancelled)
        self.report = report
        self.begin = begin
        self.results: dict[tuple[str, str], Removal] = {}
        self.abandoned = False
        """Whether a second Ctrl-C came."""

    def work(
        self, jobs: Sequence[Job], carry_out: Callable[[Job], list[Removal]], workers: int
    ) -> None:
        """Carry out the jobs; returns when every step of them is settled."""
        if jobs and not self.stopped:
            self.carry_out = carry_out
            try:
                self.run(self._arrange(jobs), workers, left=len(jobs))
            except KeyboardInterrupt:
                self._stop(INTERRUPTED)
                self._abandon()
        untried = [job for job in reversed(jobs) if not self._is_settled(job)]
        while untried:
            job = untried[-1]
            try:
                self._settle(job, [Removal(UNTRIED, f"{NOT_TRIED}: {self.stopped}")] * len(job))
                untried.pop()
            except KeyboardInterrupt:
                # Else the run would be recorded as killed.
                self._stop(INTERRUPTED)
                self.abandoned = True

    def _arrange(self, jobs: Sequence[Job]) -> list[Job]:
        """The jobs that can start at once; notes what the others wait for.

        A job waits for earlier ones only: a plan has them in an order in which they can go, and a
        circle would never end.
        """
        self.waiting: dict[str, set[str]] = {}
        self.blocked: defaultdict[str, list[Job]] = defaultdict(list)
        ready = []
        planned: set[str] = set()
        for job in jobs:
            before = planned.intersection(other for step in job for other in step.after)
            if before:
                self.waiting[job[0].id] = before
                for other in before:
                    self.blocked[other].append(job)
            else:
                ready.append(job)
            planned.update(step.id for step in job)
        return ready

    def _work_on(self, job: Job) -> None:
        try:
            self.begin(job)
            removals = self.carry_out(job)
        except EngineError as error:
            self._stop(GONE)
            removals = [Removal(FAILED, f"{GONE}: {error}")] * len(job)
        if any(removal.result == UNKNOWN for removal in removals):
            self._stop(GONE)
        with self.changed:
            if self.abandoned:
                return
        self._settle(job, removals)

    def _settle(self, job: Job, removals: list[Removal]) -> None:
        """Note the results of a job's steps, and begin those that waited for them.

        They are tried even where it failed: an engine refuses a parent that still has children.
        """
        with self.changed:
            self.left -= 1
            for step, removal in zip(job, removals, strict=True):
                self.results[step.kind, step.id] = removal
                for other in self.blocked.pop(step.id, ()) if not self.stopped else ():
                    before = self.waiting[other[0].id]
                    before.discard(step.id)
                    if not before:
                        self.queue.put(other)
        for step, removal in zip(job, removals, strict=True):
            self.report(step, removal)

    def _is_settled(self, job: Job) -> bool:
        return (job[0].kind, job[0].id) in self.results

    def _abandon(self) -> None:
        """Report the jobs under way as unknown: their answers are not waited for."""
        with self.changed:
            self.abandoned = True
            jobs = [each for each in self.under_way if not self._is_settled(each)]
        for job in jobs:
            self._settle(job, [Removal(UNKNOWN, NOT_WAITED)] * len(job))
