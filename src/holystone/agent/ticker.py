"""What the agent does once a second: look at the disk and the clock, and say what is wrong."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from holystone.agent import history
from holystone.agent.disk_watch import Forecast, sample_of
from holystone.agent.jobs import LEVEL
from holystone.agent.logs import log
from holystone.agent.parts import Parts
from holystone.agent.schedule import Timetable
from holystone.agent.state import OK, UP
from holystone.agent.textfile import Textfile
from holystone.config.agent_settings import JOBS, Schedule
from holystone.store import StoreError, samples
from holystone.store.samples import MINUTE, Sample

_SAMPLE = 60.0
_TEXTFILE = 15.0
_LOOKS_BACK = 6 * 3600
_DEEP_EACH = 3600.0
"""Seconds between deep cleans that a critical disk asks for."""


class Ticker:
    """One turn a second. Nothing here waits for the engine."""

    def __init__(self, parts: Parts) -> None:
        self.state, self.store, self.owner, self.worker, self.alarm = parts
        self._timetable: Timetable | None = None
        """Known once the host is: what is remembered is kept by host."""
        self._forecast = Forecast()
        self._key = ""
        self._succeeded: dict[str, float] = {}
        """When jobs last ended well, as far as that is written down."""
        self._textfile = Textfile()
        self._moments = dict.fromkeys(("disk", "sample", "textfile", "deep"), float("-inf"))

    def turn(self) -> None:
        """Do what is to be done now."""
        self._watch_disk()
        self._know_host()
        self._keep_time()
        self._keep_successes()
        self.alarm.tick(self.state.now, time.time())
        firing = {str(each.key.kind): str(each.severity) for each in self.alarm.firing}
        if firing != self.state.now.alerts:
            self.state.set(alerts=firing)
        self._write_textfile()

    def reschedule(self, schedule: Schedule) -> None:
        """Go on with another schedule."""
        if self._timetable is not None:
            self._timetable.change(schedule)

    def end(self) -> None:
        """Keep what the last job did, and leave nothing behind that is out of date."""
        # It may end before its first turn.
        self._know_host()
        self._keep_successes()
        self._textfile.remove()

    def _is_due(self, what: str, seconds: float) -> bool:
        """Whether so many seconds have passed since it was last due; from now on they count."""
        now = time.monotonic()
        if now - self._moments[what] < seconds:
            return False
        self._moments[what] = now
        return True

    def _watch_disk(self) -> None:
        host, settings = self.worker.host, self.owner.settings().agent
        if host.woken.is_set():
            self._moments["disk"] = float("-inf")
        if not self._is_due("disk", settings.check_disk):
            return
        host.woken.clear()
        disk, marks = host.disk(), self.owner.of_level("routine").disk
        mark, before = marks.reached(disk), self.state.now.mark
        comes_in_sight = self.state.now.disk.free_bytes is None and disk.free_bytes is not None
        self.state.set(disk=disk, disk_at=time.time(), marks=marks, mark=mark)
        if mark != before or comes_in_sight:
            log.info(
                "the disk",
                mark=mark or "below its marks",
                free_bytes=disk.free_bytes,
                total_bytes=disk.total_bytes,
            )
        if not mark:
            self.worker.tries.reached()
            if before:
                self.state.set(short_bytes=0, holds="")
            return
        if self.worker.tries.is_due(time.monotonic()) and self.state.now.running != LEVEL:
            self.worker.orders.ask(LEVEL, "disk")
        last = self.state.now.last.get(LEVEL)
        missed = last is not None and last.result != OK
        wanted = missed and mark == "critical" and settings.deep_when_critical
        if wanted and self._is_due("deep", _DEEP_EACH):
            self.worker.orders.ask("deep", "disk")

    def _know_host(self) -> None:
        """Begin what needs to know the host, once it was looked at, and sample it."""
        snapshot = self.state.now.snapshot
        if snapshot is None:
            return
        key = snapshot.inventory.engine.key
        if key != self._key:
            self._key = key
            known = self.store.recall_schedule(key) if self.store.exists() else {}
            self._timetable = Timetable(self.owner.settings().schedule, known)
            self._succeeded = self.store.recall_successes(key) if self.store.exists() else {}
            self.state.recall(self._succeeded, history.results(self.store, key, self._succeeded))
            since = time.time() - _LOOKS_BACK
            nothing: Sequence[Sample] = ()
            with suppress(StoreError):
                read = partial(samples.recall, engine=key, span=MINUTE, since=since)
                self._forecast = Forecast(self.store.read(read, nothing))
        if self._is_due("sample", _SAMPLE):
            now = self.state.now
            # Nothing can be removed while the engine is gone; when it is back, that will be known.
            available = self.state.available if now.engine == UP else None
            sample = sample_of(now.disk, snapshot, available)
            self._forecast.add(sample)
            self.state.set(full_in=self._forecast.full_in())
            self._keep_sample(key, sample)
            self.state.set(ledger_bytes=self.store.size())

    def _keep_successes(self) -> None:
        """Write down when jobs last ended well, once the host is known."""
        if not self._key:
            return
        for job, at in self.state.now.succeeded.items():
            if at != self._succeeded.get(job) and self.store.remember_success(self._key, job, at):
                self._succeeded[job] = at

    def _keep_sample(self, key: str, sample: Sample) -> None:
        """Write a sample down; whether that can be done says whether anything is remembered."""
        try:
            self.store.write(lambda database: samples.remember(database, key, sample))
        except StoreError as error:
            self.store.warn(str(error))
        else:
            if self.state.now.ledger_said:
                log.info("the ledger can be written again")
                self.state.set(ledger_said="")

    def _keep_time(self) -> None:
        timetable = self._timetable
        if timetable is None or self.state.now.engine != UP:
            return
        due = timetable.due(time.time())
        for job, served in timetable.changes().items():
            if served is None:
                self.store.forget_schedule(self._key, job)
            else:
                self.store.remember_schedule(self._key, job, served.due, served.began)
        for job in due:
            self.worker.orders.ask(job, "schedule")
        told = {job: at for job in JOBS if (at := timetable.next(job)) is not None}
        if told != self.state.now.next:
            self.state.set(next=told)

    def _write_textfile(self) -> None:
        path = self.owner.settings().agent.textfile
        if path != self._textfile.path:
            self._moments["textfile"] = float("-inf")
        if self._is_due("textfile", _TEXTFILE):
            self._textfile.write(path, self.state)
            if self._textfile.failing != self.state.now.textfile_said:
                self.state.set(textfile_said=self._textfile.failing)
