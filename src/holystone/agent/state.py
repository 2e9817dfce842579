"""What the agent knows at this moment: written by its threads, read by metrics, API and alerts.

Times are UTC seconds by this machine's clock, sizes bytes.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from holystone.planner.inventory import Disk, Inventory
from holystone.planner.policy import Watermarks
from holystone.planner.usage import Usage
from holystone.planner.verdict import Plan

STARTING, UP, DOWN = "starting", "up", "down"
"""How it stands with the engine."""
OK, FAILED, STOPPED, MISSED = "ok", "failed", "stopped", "missed"
"""How a job ended. ``MISSED``: a clean for space that did not reach its target."""


# By identity: what is worked out of a snapshot is kept with it, for as long as it is there.
@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Snapshot:
    """The host as it was last looked at, weighed, with the plan of a routine clean."""

    inventory: Inventory
    usage: Usage
    plan: Plan
    looked_at: float
    """When the look began."""
    whole_at: float
    """When the engine was last asked for every image, and nothing was carried over."""


@dataclass(frozen=True, slots=True)
class JobResult:
    """How a job ended: a clean of a level, ``level`` (keeping the disk level), ``refresh``, ..."""

    job: str
    began: float
    ended: float
    result: str
    said: str = ""
    """Why it did not end well, or what holds the space; empty where all is well."""
    run: int | None = None
    """Its number in the history, where it has one."""
    removed: int = 0
    freed_bytes: int = 0
    by: str = ""
    """Who asked: ``schedule``, ``disk``, ``api`` or a name from the token file."""
    damaged: tuple[str, ...] = ()
    """Images that ``verify`` found damaged, by what people call them. Where it failed and there is
    none, it could not look."""


@dataclass(frozen=True, slots=True)
class Now:
    """A consistent view of everything; ``State.now`` makes it."""

    started: float
    endpoint: str
    engine: str = STARTING
    engine_said: str = ""
    """Why the engine is down; empty while it is up."""
    engine_since: float = 0.0
    engine_unheard: float = 0.0
    """Seconds for which it had not answered when it was found to be down."""
    snapshot: Snapshot | None = None
    disk: Disk = field(default_factory=Disk)
    disk_at: float = 0.0
    marks: Watermarks = field(default_factory=Watermarks)
    """The watermarks that count now."""
    mark: str = ""
    """``critical``, ``high``, ``inodes`` or empty; see ``Watermarks.reached``."""
    full_in: float | None = None
    """Seconds until the disk is full, with all removed that may go, at the rate of the last hours;
    None: it is not filling."""
    running: str = ""
    """The job under way; empty where there is none."""
    running_since: float = 0.0
    waiting: tuple[str, ...] = ()
    """Jobs that were asked for and have not begun."""
    last: Mapping[str, JobResult] = field(default_factory=dict)
    """The last result of each job."""
    past: Mapping[str, JobResult] = field(default_factory=dict)
    """The last results under earlier agents, as far as they are known: see ``history``. To be
    shown; they begin and end no alert."""
    succeeded: Mapping[str, float] = field(default_factory=dict)
    """When each job last ended well."""
    next: Mapping[str, float] = field(default_factory=dict)
    """When the schedule runs each job next."""
    short_bytes: int = 0
    """Bytes missing to the low mark after the last clean for space; 0 where it was reached."""
    holds: str = ""
    """What holds the space then, in words."""
    crashed: bool = False
    """Whether the agent before this one ended without a word."""
    config_said: str = ""
    """Why a changed configuration was refused; then the one before is kept."""
    restart_said: str = ""
    """Which settings have changed and count only after a restart of the agent."""
    receivers_said: str = ""
    """Which receivers of alerts cannot be used, and why."""
    textfile_said: str = ""
    """Why the metrics cannot be written into their file; empty where they can, or have none."""
    ledger_said: str = ""
    """Why nothing can be remembered; empty where it can."""
    ledger_bytes: int | None = None
    """Bytes of the ledger's files; None where they were not measured."""
    alerts: Mapping[str, str] = field(default_factory=dict)
    """The alerts that are firing, by name, and how severe each is: ``warning``, ``critical``."""


class State:
    """The one place for all of it. Safe to use from several threads."""

    def __init__(self, endpoint: str) -> None:
        self._now = Now(time.time(), endpoint)
        self._changed = threading.Condition()
        self.version = 0
        """Grows with each change."""
        self.removed: Counter[tuple[str, str]] = Counter()
        """Objects removed by level and kind, since the start; ``freed`` are their bytes."""
        self.freed: Counter[tuple[str, str]] = Counter()
        self.evicted: Counter[str] = Counter()
        """Tagged images and cache records that went for space alone, by kind."""
        self.spared: Counter[str] = Counter()
        """Objects left alone by kind, since they were used after the plan."""
        self.runs: Counter[tuple[str, str]] = Counter()
        """Jobs by name and result."""
        self.events: Counter[str] = Counter()
        """The engine's events by kind."""
        self.reclaimable: Mapping[str, tuple[int, int]] = {}
        """Bytes and objects that a clean of each level would remove, a minute ago at most."""
        self.available: int | None = None
        """Bytes that were free a minute ago at most, with those that a clean for space could have
        freed; None where the disk is not in sight."""
        self.pulled_bytes = 0
        """Bytes of the layers of images that were seen to arrive."""
        self.lost_events = 0
        """How often the stream of events broke."""
        self.durations: dict[str, tuple[int, float]] = {}
        """Of each job how often it ran, and the seconds in all."""

    @property
    def now(self) -> Now:
        """Everything as of this moment."""
        return self._now

    def set(self, **changes: Any) -> Now:
        """Change some fields of ``now``, and wake those who wait for a change."""
        with self._changed:
            self._now = replace(self._now, **changes)
            self.version += 1
            self._changed.notify_all()
            return self._now

    def ended(self, result: JobResult) -> None:
        """Note how a job ended."""
        with self._changed:
            count, seconds = self.durations.get(result.job, (0, 0.0))
            self.durations[result.job] = (count + 1, seconds + result.ended - result.began)
            self.runs[result.job, result.result] += 1
            now = self._now
            succeeded = {**now.succeeded}
            if result.result == OK:
                succeeded[result.job] = result.ended
            self.set(last={**now.last, result.job: result}, succeeded=succeeded)

    def recall(self, succeeded: Mapping[str, float], past: Mapping[str, JobResult]) -> None:
        """Add when jobs last ended well under earlier agents, and how they last ended."""
        with self._changed:
            self.set(succeeded={**succeeded, **self._now.succeeded}, past=past)

    def wait(self, version: int, timeout: float) -> int:
        """Wait until something is newer than ``version``, at most so long; the version then."""
        with self._changed:
            self._changed.wait_for(lambda: self.version != version, timeout)
            return self.version
