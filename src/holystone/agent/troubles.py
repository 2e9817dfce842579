"""What is wrong with a host at this moment: the reasons for alerts, and how each is told."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from holystone.agent.alert import Key, Kind, Severity
from holystone.agent.state import DOWN, FAILED, STARTING, STOPPED, JobResult, Now
from holystone.config.agent_settings import JOBS
from holystone.planner.inventory import Disk
from holystone.planner.units import format_duration, format_size

_LEVEL = "level"
"""The job that keeps the disk level."""
_JOBS = (*JOBS, _LEVEL)
"""Those that nobody waits for: who has something restored sees how that ended."""
_PROBED = 90.0
"""Seconds in which the ledger is surely written to: what is said before that may not last."""
_AT_WORK = 300.0
"""Seconds that the agent gets to bring the disk below the high mark before it is an alert."""
_GONE = 30.0
"""Seconds without an answer after which the engine is an alert: a restart of it is none."""
_STEADY = 600.0
"""Seconds after which a restart of the agent is no news."""
_ONCE = 86400.0
"""Seconds until the alert on a failed job ends, if the schedule does not run that job again."""
_EASE = 1.25
"""An alert of the forecast ends where the forecast is so many times the limit: it wavers."""
_MOST_NAMES = 20


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that is wrong."""

    severity: Severity
    summary: str
    details: Mapping[str, Any] = field(default_factory=dict)
    after: float = 0.0
    """Seconds that it has to last before it is an alert."""


LASTS = {
    Kind.DISK_HIGH: 60.0,
    Kind.DISK_CRITICAL: 60.0,
    Kind.INODES_HIGH: 60.0,
    Kind.TARGET_NOT_REACHED: 60.0,
    Kind.FILLING: 600.0,
    Kind.ENGINE_GONE: 30.0,
    Kind.LEDGER_UNUSABLE: _PROBED,
}
"""Seconds that a trouble has to stay away before its alert is resolved; 0 for the others."""


def troubles(
    now: Now, forecast: float, known: Collection[Key], up: float, at: float
) -> dict[Key, Trouble | None]:
    """What is wrong; with None, what cannot be told now. All else is well.

    ``known`` are the alerts that are firing, ``up`` the seconds since the agent began, ``at`` is
    this moment, UTC seconds.
    """
    found: dict[Key, Trouble | None] = {}
    found |= _disk(now)
    found |= _space(now, forecast, known)
    found |= _jobs(now, known, up, at)
    if now.engine == STARTING:
        found[Key(Kind.ENGINE_GONE)] = None
    elif now.engine == DOWN:
        said = f": {now.engine_said}" if now.engine_said else ""
        found[Key(Kind.ENGINE_GONE)] = Trouble(
            Severity.CRITICAL,
            f"The engine does not answer{said}",
            {"said": now.engine_said},
            max(0.0, _GONE - now.engine_unheard),
        )
    if now.ledger_said:
        found[Key(Kind.LEDGER_UNUSABLE)] = Trouble(
            Severity.CRITICAL,
            f"The ledger cannot be used, so that nothing is remembered: {now.ledger_said}",
            {"said": now.ledger_said},
            _PROBED,
        )
    elif now.engine == STARTING:
        # Nothing was written yet.
        found[Key(Kind.LEDGER_UNUSABLE)] = None
    if now.config_said:
        found[Key(Kind.CONFIGURATION_REFUSED)] = Trouble(
            Severity.WARNING,
            f"The changed configuration is wrong; the one before still counts: {now.config_said}",
            {"said": now.config_said},
        )
    if now.crashed and up < _STEADY:
        found[Key(Kind.AGENT_RESTARTED)] = Trouble(
            Severity.WARNING, "The agent ended unexpectedly and was started again"
        )
    elif Key(Kind.AGENT_RESTARTED) in known and up < _STEADY:
        # An orderly restart does not tell whether it runs without a fault by now.
        found[Key(Kind.AGENT_RESTARTED)] = None
    return found


def recovered(key: Key, now: Now) -> tuple[str, Mapping[str, Any]]:
    """What is told when an alert is resolved, and its details."""
    if key.kind is Kind.DISK_CRITICAL:
        return f"The disk is below its critical mark again: {_usage(now.disk)}", _figures(now.disk)
    if key.kind is Kind.DISK_HIGH:
        return f"The disk is below its high mark again: {_usage(now.disk)}", _figures(now.disk)
    if key.kind is Kind.INODES_HIGH:
        return "Enough inodes are free again", _inodes(now.disk)
    if key.kind is Kind.RUN_FAILED:
        result = now.last.get(key.about)
        if result is None or result.result == FAILED:
            why = "failed a day ago, and the schedule does not run it again. This alert ends here"
            return f"{_job_name(key.about)} {why}", {"job": key.about}
        return f"{_job_name(key.about)} works again", {"job": key.about}
    return _WELL[key.kind], {}


_WELL = {
    Kind.TARGET_NOT_REACHED: "Enough of the disk is free again",
    Kind.FILLING: "The disk will not be full soon any more",
    Kind.ENGINE_GONE: "The engine answers again",
    Kind.IMAGE_CORRUPTED: "No image is damaged any more",
    Kind.LEDGER_UNUSABLE: "The ledger can be used again",
    Kind.CONFIGURATION_REFUSED: "The configuration is right again",
    Kind.AGENT_RESTARTED: "The agent has been running without a fault since its restart",
    Kind.TEST: "The test is over",
}


def _disk(now: Now) -> dict[Key, Trouble | None]:
    """How full it is. Above the critical mark the disk is above the high mark as well."""
    high, critical, inodes = (
        Key(each) for each in (Kind.DISK_HIGH, Kind.DISK_CRITICAL, Kind.INODES_HIGH)
    )
    if now.disk.total_bytes is None or now.disk.free_bytes is None:
        return {high: None, critical: None, inodes: None}
    # Where the agent is at work to mend it, it gets some time.
    after = _AT_WORK if _LEVEL in (now.running, *now.waiting) else 0.0
    if now.mark == "inodes":
        text = f"Too many inodes are in use: {_inode_usage(now.disk)}"
        return {inodes: Trouble(Severity.WARNING, text, _inodes(now.disk), after)}
    found: dict[Key, Trouble | None] = {}
    if now.mark == "critical":
        text = f"The disk is above its critical mark: {_usage(now.disk)}"
        found[critical] = Trouble(Severity.CRITICAL, text, _figures(now.disk))
        after = 0.0
    if now.mark in ("high", "critical"):
        text = f"The disk is above its high mark: {_usage(now.disk)}"
        found[high] = Trouble(Severity.WARNING, text, _figures(now.disk), after)
        # The marks of bytes come first, and hide that of inodes.
        found[inodes] = None
    return found


def _space(now: Now, forecast: float, known: Collection[Key]) -> dict[Key, Trouble | None]:
    """Whether space can be made, and for how long there will be any."""
    found: dict[Key, Trouble | None] = {}
    target, filling = Key(Kind.TARGET_NOT_REACHED), Key(Kind.FILLING)
    if now.short_bytes > 0:
        held = f" Held by: {now.holds}" if now.holds else ""
        found[target] = Trouble(
            Severity.WARNING,
            f"A clean for space could not free enough: {format_size(now.short_bytes)} "
            f"missing.{held}",
            {"short_bytes": now.short_bytes, "holds": now.holds},
        )
    elif _LEVEL not in now.last and now.mark:
        # The agent has only just begun, and has not tried yet.
        found[target] = None
    limit = forecast * _EASE if filling in known else forecast
    if now.full_in is not None and now.full_in < limit:
        found[filling] = Trouble(
            Severity.WARNING,
            f"The disk will be full in about {format_duration(now.full_in)} at the present rate, "
            f"even if all is removed that may go: {_usage(now.disk)}",
            {"full_in_seconds": round(now.full_in)} | _figures(now.disk),
            60.0,
        )
    return found


def _jobs(now: Now, known: Collection[Key], up: float, at: float) -> dict[Key, Trouble | None]:
    """How the jobs ended. One that was stopped says nothing new."""
    last = now.last
    comes_again = {*now.next, _LEVEL}
    found: dict[Key, Trouble | None] = {
        key: None
        for key in known
        if key.kind is Kind.RUN_FAILED and key.about not in last
        if key.about in comes_again or up < _ONCE
    }
    corrupted = Key(Kind.IMAGE_CORRUPTED)
    if "verify" not in last:
        found[corrupted] = None
    for job, result in last.items():
        key = Key(Kind.RUN_FAILED, job)
        if result.damaged:
            found[corrupted] = _damage(result)
        elif result.result == FAILED and job in _JOBS:
            # Where nothing runs it again, nothing could end the alert.
            if job not in comes_again and at - result.ended >= _ONCE:
                continue
            found[key] = _failure(job, result)
        elif result.result == STOPPED:
            found[key] = None
        if job == "verify" and result.result in (FAILED, STOPPED):
            found.setdefault(corrupted, None)
    return found


def _failure(job: str, result: JobResult) -> Trouble:
    said = f": {result.said}" if result.said else ""
    details = {"job": job, "said": result.said, "run": result.run, "by": result.by}
    return Trouble(Severity.WARNING, f"{_job_name(job)} failed{said}", details)


def _damage(result: JobResult) -> Trouble:
    names = result.damaged
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return Trouble(
        Severity.CRITICAL,
        f"Damaged images were found: {', '.join(names[:3])}{more}. "
        "'holystone verify --repair' pulls them again",
        {"images": list(names[:_MOST_NAMES]), "count": len(names), "said": result.said},
    )


def _job_name(job: str) -> str:
    if job in ("routine", "weekly", "deep"):
        return f"The {job} clean"
    return "The clean for space" if job == _LEVEL else f"The job {job}"


def _usage(disk: Disk) -> str:
    if not disk.total_bytes or disk.free_bytes is None:
        return "its size is unknown"
    used = 100 * (1 - disk.free_bytes / disk.total_bytes)
    return f"{used:.0f}% used, {format_size(disk.free_bytes)} free"


def _figures(disk: Disk) -> dict[str, Any]:
    return {
        "total_bytes": disk.total_bytes,
        "free_bytes": disk.free_bytes,
        "folder": disk.images or disk.folder,
    }


def _inode_usage(disk: Disk) -> str:
    if not disk.total_inodes or disk.free_inodes is None:
        return "their number is unknown"
    used = 100 * (1 - disk.free_inodes / disk.total_inodes)
    return f"{used:.0f}%, {disk.free_inodes} free"


def _inodes(disk: Disk) -> dict[str, Any]:
    return {
        "total_inodes": disk.total_inodes,
        "free_inodes": disk.free_inodes,
        "folder": disk.images or disk.folder,
    }
