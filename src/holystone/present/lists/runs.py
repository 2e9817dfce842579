"""The rows of ``holystone history``: past runs."""

from __future__ import annotations

from typing import NamedTuple

from holystone.planner.units import format_duration, format_size
from holystone.present.format import ago, timestamp
from holystone.present.lists import filters as by
from holystone.present.lists.table import Field, Filter, Table, where_known
from holystone.store.records import KILLED, RunSummary

_STATES = ("done", "interrupted", "killed", "running")


class Row(NamedTuple):
    """A run, seen at a moment."""

    run: RunSummary
    now: float

    @property
    def age(self) -> float:
        """Seconds since it started."""
        return max(0.0, self.now - self.run.started)

    @property
    def took(self) -> float | None:
        """Seconds; None where it runs, or was killed."""
        ended = None if self.run.state == KILLED else self.run.ended
        return None if ended is None else max(0.0, ended - self.run.started)


def _engine_id(row: Row) -> str:
    return f"{row.run.engine_id}/{row.run.store}"


TABLE: Table[Row] = Table(
    (
        Field("ID", "its number", lambda row: row.run.id),
        Field("Level", "its level", lambda row: row.run.level),
        Field("Options", "its options", lambda row: row.run.options),
        Field("State", "done, interrupted, killed or running", lambda row: row.run.state),
        Field("Engine", "the name of the host", lambda row: row.run.engine_name),
        Field("EngineID", "the engine's ID and image store", _engine_id),
        Field("Endpoint", "where the engine was", lambda row: row.run.endpoint),
        Field("Job", "the CI job that ran it", lambda row: row.run.job),
        Field("StartedAt", "when it started", lambda row: timestamp(row.run.started)),
        Field("StartedSince", "how long ago that is", lambda row: ago(row.age)),
        Field("EndedAt", "when it ended", lambda row: where_known(timestamp, row.run.ended)),
        Field("Took", "how long it took", lambda row: where_known(format_duration, row.took)),
        Field("TookSeconds", "the same in seconds", lambda row: row.took),
        Field("Planned", "what was planned", lambda row: format_size(row.run.planned_bytes)),
        Field("PlannedBytes", "the same in bytes", lambda row: row.run.planned_bytes),
        Field("Freed", "what was freed", lambda row: format_size(row.run.freed_bytes)),
        Field("FreedBytes", "the same in bytes", lambda row: row.run.freed_bytes),
        Field("Removed", "how many objects went", lambda row: row.run.removed),
        Field("Skipped", "how many were skipped", lambda row: row.run.skipped),
        Field("Failed", "how many removals failed", lambda row: row.run.failed),
        Field("NotTried", "how many were not tried", lambda row: row.run.not_tried),
        Field("Tagged", "how many images with a tag went", lambda row: row.run.tagged),
        Field("UnderPressure", "how many of those for space alone", lambda r: r.run.under_pressure),
        Field("TargetBytes", "the bytes that were to be free at the end",
              lambda row: row.run.target_free),
        Field("Interrupted", "why it ended early", lambda row: row.run.interrupted),
    ),
    {
        "id": lambda row: row.run.id,
        "age": lambda row: row.age,
        "started": lambda row: row.run.started,
        "size": lambda row: row.run.freed_bytes,
        "freed": lambda row: row.run.freed_bytes,
        "planned": lambda row: row.run.planned_bytes,
        "removed": lambda row: row.run.removed,
        "failed": lambda row: row.run.failed,
        "took": lambda row: row.took,
        "level": lambda row: row.run.level,
        "state": lambda row: row.run.state,
        "name": lambda row: row.run.engine_name,
        "engine": lambda row: row.run.engine_name,
        "job": lambda row: row.run.job or None,
    },
    (
        Filter("level", "its level; repair is one too", by.text(lambda row: (row.run.level,))),
        Filter("state", "done, interrupted, killed or running",
               by.choice(lambda row: row.run.state, _STATES)),
        Filter("engine", "the host's name or UUID, the engine's ID, or where it was",
               by.part(lambda row: (row.run.engine_name, row.run.host, _engine_id(row),
                                    row.run.endpoint))),
        Filter("job", "the CI job that ran it", by.text(lambda row: (row.run.job,))),
        Filter("option", "a part of its options", by.part(lambda row: row.run.options or ())),
        Filter("id", "its number: 'id>12'", by.number(lambda row: row.run.id)),
        Filter("until", "started longer ago than this: 24h", by.least_age(lambda row: row.age)),
        Filter("age", "how long ago it started: 'age<7d'", by.age(lambda row: row.age)),
        Filter("took", "how long it took: 'took>1m'", by.age(lambda row: row.took)),
        Filter("freed", "what was freed: 'freed>1GB'", by.size(lambda row: row.run.freed_bytes)),
        Filter("planned", "what was planned", by.size(lambda row: row.run.planned_bytes)),
        Filter("removed", "how many objects went: 'removed>0'",
               by.number(lambda row: row.run.removed)),
        Filter("skipped", "how many were skipped", by.number(lambda row: row.run.skipped)),
        Filter("failed", "how many removals failed: 'failed>0'",
               by.number(lambda row: row.run.failed)),
        Filter("not-tried", "how many removals a run that ended early did not try",
               by.number(lambda row: row.run.not_tried)),
        Filter("tagged", "how many images with a tag went", by.number(lambda row: row.run.tagged)),
        Filter("pressure", "true: images with a tag went for space alone",
               by.flag(lambda row: bool(row.run.under_pressure))),
    ),
)  # fmt: skip
