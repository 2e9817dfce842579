"""``holystone agent status``: what the agent does, what it did and will do, and how the disk is."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from holystone.outside.text import safe
from holystone.planner.units import format_duration, format_size
from holystone.present.format import clock
from holystone.present.table import Cell, Column, Row, render
from holystone.present.terminal import Look

_JOBS = (Column("JOB"), Column("LAST"), Column("RESULT"), Column("FREED"), Column("NEXT"))
_PROBLEMS = {
    "configuration": "The configuration",
    "restart": "Restart the agent",
    "receivers": "Receivers of alerts",
    "textfile": "The metrics",
    "ledger": "The ledger",
}


def render_status(told: Mapping[str, Any], look: Look) -> str:
    """The status as the API tells it, for people."""
    engine, disk, jobs = told["engine"], told["disk"], told["jobs"]
    lines = [f"Agent {told['version']}, since {_past(told['started_at'])}"]
    state = f"Engine: {engine['state']} at {safe(engine['endpoint'])}"
    lines.append(f"{state}: {safe(engine['said'])}" if engine.get("said") else state)
    lines.append(f"Disk: {_disk(disk, told)}")
    if told["short_bytes"]:
        lines.append(
            f"{format_size(told['short_bytes'])} more should be free. "
            f"What holds the space: {safe(told['holds'] or 'it is not known')}"
        )
    running, waiting = jobs["running"], jobs["waiting"]
    if running:
        lines.append(f"Runs: {safe(running['job'])}, since {_past(running['since_at'])}")
    if waiting:
        lines.append(f"Waits: {', '.join(map(safe, waiting))}")
    for what, said in told["problems"].items():
        if said:
            lines.append(f"{_PROBLEMS.get(what, what)}: {safe(said)}")
    lines += [f"Alert, {each['severity']}: {safe(each['summary'])}" for each in told["alerts"]]
    rows = _rows(jobs)
    table = render(_JOBS, rows, look) if rows else ["No job has run, and none is due."]
    told_above = " ".join(lines)
    ends = {name: safe(last["said"]) for name, last in jobs["last"].items() if last.get("said")}
    why = [f"{safe(name)}: {said}" for name, said in ends.items() if said not in told_above]
    return "\n".join([*lines, "", *table, *([""] if why else []), *why, ""])


def _disk(disk: Mapping[str, Any], told: Mapping[str, Any]) -> str:
    if disk["free_bytes"] is None:
        return f"not in sight: {safe(disk.get('not_in_sight') or 'it was not looked at yet')}"
    said = f"{format_size(disk['free_bytes'])} of {format_size(disk['total_bytes'])} free"
    mark = told["watermark"]
    said += f", above its mark ({safe(mark)})" if mark else ""
    full = told["full_in_seconds"]
    return said + (f"; full in about {format_duration(full)} at this rate" if full else "")


def _rows(jobs: Mapping[str, Any]) -> list[Row]:
    names = dict.fromkeys([*jobs["last"], *jobs["next_at"]])
    rows: list[Row] = []
    for name in names:
        last, following = jobs["last"].get(name), jobs["next_at"].get(name)
        result = Cell(last["result"], "" if last["result"] == "ok" else "red") if last else ""
        rows.append(
            (
                safe(name),
                _past(last["ended_at"]) if last else "",
                result,
                format_size(last["freed_bytes"]) if last and last["removed"] else "",
                _time(following) if following else "",
            )
        )
    return rows


def _past(text: str) -> str:
    """The whole minute at or before this moment: nothing has happened in the future."""
    return clock(datetime.fromisoformat(text).timestamp() // 60 * 60, time.time())


def _time(text: str) -> str:
    return clock(datetime.fromisoformat(text).timestamp(), time.time())
