"""When the jobs of ``[schedule]`` begin: due times, jitter, quiet hours, missed runs, clock jumps.

A job that is due begins up to ``jitter`` later, but before its next due time and before the quiet
hours; one that is due in the quiet hours begins after them. Due times that passed meanwhile are
served by the same run: after a night without the agent there is one run, not one an hour.

The clock may be set. A due time that was served is not served again when it comes again, and one
that was jumped over is served when it comes. Only a clock that is set back by more than a day makes
the days that come again count anew: otherwise an hourly job would wait for days.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from datetime import datetime, tzinfo
from itertools import takewhile

from holystone.agent.due_times import DueTimes, zone
from holystone.config.agent_settings import JOBS, Schedule
from holystone.planner.units import Window
from holystone.store.scheduled import Served

_MINUTE, _DAY = 60.0, 86400.0
_LONGEST_DAY = 25 * 60
"""Minutes."""
_SERVED_KEPT = 4096
"""Due times of a job: more than two days of one that is due each minute."""


class _Job:
    """A job of the schedule, and what it has served."""

    def __init__(self, expression: str, times: DueTimes, since: float) -> None:
        self.expression = expression
        self.times = times
        self.since = since
        """Due times up to here are done with."""
        self.served: dict[float, None] = {}
        """Due times that had a run, the latest run last."""
        self.pending: float | None = None
        """The first due time that has no run yet."""
        self.begins: float | None = None
        """When it begins for that."""
        self.luck = 0.0
        """Where in the room for jitter that is, from 0 up to 1."""

    def unserved(self) -> float | None:
        """The first due time after ``since`` that was not served."""
        first = last = None
        pending = None
        for due in self.times.after(self.since):
            if due not in self.served:
                pending = due
                break
            first, last = (due if first is None else first), due
        if first is not None and last is not None and last - first > _DAY:
            self.served = {due: None for due in self.served if not first <= due <= last}
            pending = first
        return pending


class Timetable:
    """When each job of a schedule begins.

    ``remembered`` is what earlier processes served, by job (``Store.recall_schedule``). A job that
    is not in it has missed nothing. ``changes`` says what to remember, ``chance`` is a number from
    0 up to 1, and ``clock`` tells UTC seconds. For one thread.
    """

    def __init__(
        self,
        schedule: Schedule,
        remembered: Mapping[str, Served],
        *,
        clock: Callable[[], float] = time.time,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._clock = clock
        self._chance = chance
        self._seen = clock()
        """The clock when it was last looked at."""
        self._jobs: dict[str, _Job] = {}
        self._served: dict[str, Served] = {}
        self._unsaved: dict[str, Served | None] = dict.fromkeys(remembered)
        self._take(schedule, remembered)

    @property
    def served(self) -> Mapping[str, Served]:
        """The latest run of each job of the schedule; of a new job when it came to be known."""
        return self._served

    def changes(self) -> Mapping[str, Served | None]:
        """What to remember since the last call, by job; None: forget it, it has no schedule."""
        changes, self._unsaved = self._unsaved, {}
        return changes

    def change(self, schedule: Schedule) -> None:
        """Go on with another schedule. A job with another expression has missed nothing."""
        self._take(schedule, {})

    def _take(self, schedule: Schedule, remembered: Mapping[str, Served]) -> None:
        now = self._clock()
        before = self._jobs
        self._jobs = {}
        self._zone: tzinfo = zone(schedule.timezone)
        self._quiet: Window | None = schedule.quiet
        self._jitter = schedule.jitter
        for name in JOBS:
            expression: str | None = getattr(schedule, name)
            if expression is None:
                if self._served.pop(name, None):
                    self._unsaved[name] = None
                continue
            times = DueTimes(expression, self._zone)
            job = _Job(expression, times, now)
            known = before.get(name)
            if known is not None:
                job.served = known.served
                if known.expression == expression:
                    job.since = known.since
            elif name in remembered:
                self._recall(job, remembered[name], now)
                self._served[name] = remembered[name]
                del self._unsaved[name]
            else:
                self._serve(name, Served(now, now))
            self._jobs[name] = job
            self._plan(job)

    @staticmethod
    def _recall(job: _Job, last: Served, now: float) -> None:
        job.served[last.due] = None
        if last.due <= now + _DAY:
            # The clock may have been set back meanwhile, or will be: what came in the day before
            # was served.
            day = takewhile(lambda due: due < last.due, job.times.after(last.due - _DAY))
            job.served = dict.fromkeys((*day, last.due))
            job.since = min(now, last.due)

    def next(self, job: str) -> float | None:
        """When a job begins next, UTC seconds; None for never."""
        known = self._jobs.get(job)
        return None if known is None else known.begins

    def due(self, now: float) -> list[str]:
        """The jobs that begin now, in the order of ``JOBS``; they are marked as begun."""
        begin = []
        if now < self._seen:  # The clock was set back.
            for job in self._jobs.values():
                job.since = min(job.since, now)
                self._plan(job)
        self._seen = now
        for name, job in self._jobs.items():
            if job.pending is None or job.begins is None or now < job.begins:
                continue
            if self._is_quiet(now):
                job.begins = self._begins(job, now)
                continue
            self.began(name, now)
            begin.append(name)
        return begin

    def began(self, job: str, at: float) -> None:
        """Mark a job of the schedule as begun: every due time up to then is served."""
        known = self._jobs[job]
        unserved = (due for due in known.times.latest(known.since, at) if due not in known.served)
        due = next(unserved, None)
        if due is not None:
            known.served[due] = None
            self._serve(job, Served(due, at))
        while len(known.served) > _SERVED_KEPT:
            del known.served[next(iter(known.served))]
        known.since = at
        self._plan(known)

    def _serve(self, job: str, served: Served) -> None:
        self._served[job] = self._unsaved[job] = served

    def _plan(self, job: _Job) -> None:
        """Find what a job has to serve next, and when; by chance once for each due time."""
        due = job.unserved()
        if due != job.pending:
            job.luck = self._chance()
        job.pending = due
        job.begins = None if due is None else self._begins(job, due)

    def _begins(self, job: _Job, due: float) -> float | None:
        """When a job that is due at this moment begins; None in quiet hours without end."""
        at = self._next_minute(due, quiet=False)
        if at is None:
            return None
        ends = (
            at + self._jitter,
            job.times.first(at),
            self._next_minute(at, quiet=True),
        )
        room = min(end for end in ends if end is not None) - at
        return at + int(job.luck * room)

    def _is_quiet(self, at: float) -> bool:
        local = datetime.fromtimestamp(at, self._zone)
        return self._quiet is not None and self._quiet.holds(local.hour * 60 + local.minute)

    def _next_minute(self, at: float, *, quiet: bool) -> float | None:
        """The first moment from here on that is or is not in the quiet hours; None for never."""
        if self._quiet is None:
            return None if quiet else at
        for _ in range(_LONGEST_DAY + 1):
            if self._is_quiet(at) == quiet:
                return at
            at += _MINUTE - at % _MINUTE
        return None
