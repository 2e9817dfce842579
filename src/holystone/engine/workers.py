"""Workers that carry out steps side by side, each step after those it waits for."""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Callable, Sequence

from holystone.engine.errors import EngineError
from holystone.engine.host import FAILED, UNKNOWN, Removal
from holystone.planner.verdict import Step

Job = Sequence[Step]
"""Steps that are asked of the engine in one call."""

GONE = "the engine went away"
INTERRUPTED = "interrupted"
NOT_WAITED = "interrupted before the engine answered"
"""The detail of a step that was under way at the second Ctrl-C."""
ALREADY_GONE = "already gone"
"""The detail of a step whose object somebody else has removed."""
USED = "used since planned"
"""The detail of a step whose object somebody has used since the plan was made."""


class Crew:
    """Carries out jobs and keeps what became of each step, by kind and ID.

    An engine that stops answering, or Ctrl-C, stops the crew: jobs under way are waited for, and
    the steps of all others are told as not tried. A second Ctrl-C waits for nothing any more: what
    is under way then is told as unknown.
    """

    def __init__(
        self,
        report: Callable[[Step, Removal], None],
        begin: Callable[[Job], None] = lambda _: None,
    ) -> None:
        """``begin`` is called before each job and ``report`` after each of its steps.

        Both are called from the thread that works on it.
        """
        self.report = report
        self.begin = begin
        self.results: dict[tuple[str, str], Removal] = {}
        self.taken = 0
        """How many jobs were begun."""
        self.stopped = ""
        self.abandoned = False
        """Whether a second Ctrl-C came: nothing is waited for any more."""
        self.crash: BaseException | None = None
        self.changed = threading.Condition()

    def work(
        self, jobs: Sequence[Job], carry_out: Callable[[Job], list[Removal]], workers: int
    ) -> None:
        """Carry out the jobs; returns when every step of them is settled."""
        self.carry_out = carry_out
        self.ready: deque[Job] = deque()
        self.waiting: dict[str, set[str]] = {}
        self.blocked: defaultdict[str, list[Job]] = defaultdict(list)
        self.left = len(jobs)
        self.under_way: dict[int, Job] = {}
        """The jobs that threads work on, by a number for each."""
        self._arrange(jobs)
        threads = [threading.Thread(target=self._take_jobs, daemon=True) for _ in range(workers)]
        try:
            for thread in threads:
                thread.start()
            self._wait()
        except KeyboardInterrupt:
            self._stop(INTERRUPTED)
            try:
                self._wait()
            except KeyboardInterrupt:
                self._abandon()
        if self.crash is not None:
            raise self.crash
        for job in jobs:
            if (job[0].kind, job[0].id) not in self.results:
                self._settle(job, [Removal(FAILED, f"not tried: {self.stopped}")] * len(job))

    def _abandon(self) -> None:
        """Tell of the jobs under way that nobody waited for their answers."""
        with self.changed:
            self.abandoned = True
            jobs = list(self.under_way.values())
        for job in jobs:
            self._settle(job, [Removal(UNKNOWN, NOT_WAITED)] * len(job))

    def _arrange(self, jobs: Sequence[Job]) -> None:
        """Tell the jobs that can start from those that wait for others.

        A job waits for earlier ones only: a plan has them in an order in which they can go, and a
        circle would never end.
        """
        planned: set[str] = set()
        for job in jobs:
            before = planned.intersection(other for step in job for other in step.after)
            if before:
                self.waiting[job[0].id] = before
                for other in before:
                    self.blocked[other].append(job)
            else:
                self.ready.append(job)
            planned.update(step.id for step in job)

    def _wait(self) -> None:
        """Wait until nothing is left to do, and nothing is under way.

        Not by joining the threads: one that Ctrl-C interrupts in that counts as ended from then
        on, though it works on (CPython 3.11, ``Thread._wait_for_tstate_lock``).
        """
        with self.changed:
            while self.under_way or (self.left and not self.stopped):
                # A signal that comes just before the wait begins does not end it.
                self.changed.wait(1)

    def _stop(self, why: str) -> None:
        with self.changed:
            self.stopped = self.stopped or why
            self.changed.notify_all()

    def _take_jobs(self) -> None:
        while (taken := self._next()) is not None:
            number, job = taken
            try:
                removals = self._carry_out(job)
                with self.changed:
                    late = self.abandoned
                if not late:
                    self._settle(job, removals)
            except BaseException as error:  # noqa: BLE001 - raised again by the thread that waits
                self.crash = error
                self._stop("an error in holystone")
            finally:
                with self.changed:
                    self.under_way.pop(number, None)
                    # Each thread that is woken for nothing takes time from those that work.
                    if not self.under_way:
                        self.changed.notify_all()

    def _carry_out(self, job: Job) -> list[Removal]:
        try:
            self.begin(job)
            removals = self.carry_out(job)
        except EngineError as error:
            self._stop(GONE)
            return [Removal(FAILED, f"{GONE}: {error}")] * len(job)
        if any(removal.result == UNKNOWN for removal in removals):
            self._stop(GONE)
        return removals

    def _next(self) -> tuple[int, Job] | None:
        with self.changed:
            while not self.ready and self.left and not self.stopped:
                self.changed.wait()
            if not self.ready or self.stopped:
                return None
            self.taken += 1
            job = self.under_way[self.taken] = self.ready.popleft()
            return self.taken, job

    def _settle(self, job: Job, removals: list[Removal]) -> None:
        """Note what became of a job's steps, and free those that wait for them.

        They are tried even where it failed: an engine refuses a parent that still has children.
        """
        with self.changed:
            self.left -= 1
            ready = len(self.ready)
            for step, removal in zip(job, removals, strict=True):
                self.results[step.kind, step.id] = removal
                for other in self.blocked.pop(step.id, ()):
                    before = self.waiting[other[0].id]
                    before.discard(step.id)
                    if not before:
                        self.ready.append(other)
            if len(self.ready) > ready or not self.left:
                self.changed.notify_all()
        for step, removal in zip(job, removals, strict=True):
            self.report(step, removal)
