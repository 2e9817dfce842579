"""The runs that are remembered: begin one, close killed ones, and read what each removed."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Callable, Sequence

from holystone.planner.inventory import Inventory
from holystone.planner.verdict import Plan
from holystone.store.database import Database
from holystone.store.lock import HostLock
from holystone.store.records import DONE, KILLED, RUNNING, RecordedReason, Removed, RunSummary
from holystone.store.recovery import close_killed, counts, is_open
from holystone.store.run import Run, insertion, printable, write_steps
from holystone.store.schema import check, decoding

_KEPT_FOR = 180 * 86400.0
_FORGOTTEN_AT_ONCE = 50

_SUMMARY = (
    "SELECT *, (SELECT count(*) FROM removal WHERE run = run.id AND kind = 'image'"
    " AND result = 'removed' AND tags != '[]') AS tagged,"
    " (SELECT count(*) FROM removal WHERE run = run.id AND kind = 'image'"
    " AND result = 'removed' AND tags != '[]' AND pressure) AS under_pressure FROM run"
)
_OLDEST = "id IN (SELECT id FROM run ORDER BY id LIMIT ?)"

_NUMBERS = ("id", "started", "planned_bytes", "freed_bytes")
"""What is always a number."""


class Runs:
    """The runs in a store."""

    def __init__(self, store: Database, clock: Callable[[], float] = time.time) -> None:
        self.store = store
        self.clock = clock

    def begin(
        self,
        plan: Plan,
        inventory: Inventory,
        *,
        endpoint: str,
        job: str = "",
        options: Sequence[str] = (),
    ) -> Run | None:
        """Write down a run and every step of its plan; None where the ledger fails, with a warning.

        To be called with the host lock held: runs of this engine that never ended are then known
        to have been killed, and are closed by what is left in the inventory of what they meant to
        remove. ``job`` is the CI job it runs for, ``options`` are those that differ from their
        defaults, as on a command line.
        """
        now = self.clock()
        engine = f"{plan.engine.id}/{plan.engine.store}"
        row = {
            "engine": engine,
            "engine_name": printable(plan.engine.name),
            "endpoint": printable(endpoint),
            "level": plan.level,
            "job": printable(job),
            "pid": os.getpid(),
            "started": now,
            "state": RUNNING,
            "interrupted": "",
            "steps": len(plan.steps),
            "planned_bytes": plan.freed_bytes,
            "estimated": plan.estimated,
            **dict.fromkeys(("freed_bytes", "removed", "skipped", "failed"), 0),
            "free_before": plan.disk.free_bytes,
            "target_free": plan.target_free,
            "options": json.dumps(tuple(options)),
        }

        def write(database: sqlite3.Connection) -> int:
            check(database, "run", _OLDEST, (_FORGOTTEN_AT_ONCE,))
            close_killed(database, engine, inventory, now)
            _forget_old(database, now - _KEPT_FOR)
            run_id = database.execute(insertion("run", row), row).lastrowid or 0
            write_steps(database, plan, inventory, run_id)
            return run_id

        run_id = self.store.try_write(write, durable=bool(plan.steps))
        if run_id is None:
            return None
        places = {(step.kind, step.id): place for place, step in enumerate(plan.steps)}
        return Run(self.store, run_id, places, self.clock)

    def has_open(self, engine: str) -> bool:
        """Whether removals on this engine are to be settled; no where the store fails."""
        return self.store.exists() and self.store.try_read(
            lambda database: is_open(database, engine), nothing=False
        )

    def settle(self, inventory: Inventory, looked_at: float) -> None:
        """Settle the removals on this engine that nobody knows the end of, by what is there.

        ``looked_at`` is when the inventory was asked for: what was asked of the engine since stays
        as it is, and so does a run that is under way. Never fails: it warns.
        """
        engine = f"{inventory.engine.id}/{inventory.engine.store}"
        if not self.has_open(engine):
            return

        def write(database: sqlite3.Connection) -> None:
            close_killed(
                database, engine, inventory, looked_at, lambda pid: self._is_under_way(engine, pid)
            )

        self.store.try_write(write)

    def list(
        self, limit: int | None = None, since: float | None = None, endpoint: str = ""
    ) -> Sequence[RunSummary]:
        """The runs, newest first, at most so many. Raises StoreError.

        ``since``: only those that started then or later, in UTC seconds. ``endpoint``: only those
        on the engine that was reached there.
        """
        sql = f"{_SUMMARY} WHERE started >= ? AND ? IN ('', endpoint) ORDER BY id DESC LIMIT ?"
        values = (0.0 if since is None else since, endpoint, -1 if limit is None else limit)
        return self.store.read(lambda database: self._summaries(database, sql, values), [])

    def count(self, since: float | None = None, endpoint: str = "") -> int:
        """How many runs ``list`` has without a limit. Raises StoreError."""
        sql = "SELECT count(*) FROM run WHERE started >= ? AND ? IN ('', endpoint)"
        values = (0.0 if since is None else since, endpoint)
        return int(self.store.read(lambda db: db.execute(sql, values).fetchone()[0], 0))

    def get(self, run_id: int) -> RunSummary | None:
        """One run, or None where there is none of this number. Raises StoreError."""
        found: Sequence[RunSummary] = self.store.read(
            lambda database: self._summaries(database, f"{_SUMMARY} WHERE id = ?", (run_id,)),
            [],
        )
        return found[0] if found else None

    def removed(self, run_id: int) -> Sequence[Removed]:
        """Every planned removal of a run in the order of its plan. Raises StoreError."""
        return self.store.read(lambda database: _removals(database, run_id), [])

    def last_ended(self, engine: str) -> RunSummary | None:
        """The last run on this engine that came to its end; None also where the ledger fails."""

        def read(database: sqlite3.Connection) -> RunSummary | None:
            sql = f"{_SUMMARY} WHERE engine = ? AND state = ? ORDER BY ended DESC LIMIT 1"
            found = self._summaries(database, sql, (engine, DONE))
            return found[0] if found else None

        return self.store.try_read(read, None)

    def _summaries(
        self, database: sqlite3.Connection, sql: str, values: tuple[object, ...]
    ) -> Sequence[RunSummary]:
        check(database, "run", f"id IN (SELECT id FROM ({sql}))", values)  # noqa: S608 - our own
        with decoding():
            return [self._as_of_now(database, row) for row in _named(database, sql, values)]

    def _as_of_now(self, database: sqlite3.Connection, row: sqlite3.Row) -> RunSummary:
        """A run; of one that has not ended, what became of its removals until now."""
        summary = _summary(row)
        if summary.state != RUNNING:
            return summary
        removed, skipped, failed, unknown, freed, heard = counts(database, summary.id)
        summary = summary._replace(
            freed_bytes=freed, removed=removed, skipped=skipped, failed=failed, unknown=unknown
        )
        if self._is_under_way(summary.engine, row["pid"]):
            return summary
        # Killed, and not yet closed by a next run.
        return summary._replace(state=KILLED, interrupted=KILLED, ended=heard or summary.started)

    def _is_under_way(self, engine: str, pid: int) -> bool:
        """Whether the process of a run holds the lock of its host."""
        holder = HostLock(self.store.folder, engine).holder()
        return holder is not None and holder.pid in (pid, 0)


def _forget_old(database: sqlite3.Connection, before: float) -> None:
    """Forget the oldest runs, a few at a time: a history must not fill the disk."""
    oldest = database.execute(
        "SELECT id, started FROM run ORDER BY id LIMIT ?", (_FORGOTTEN_AT_ONCE,)
    ).fetchall()
    old = [(run_id,) for run_id, started in oldest if started < before]
    database.executemany("DELETE FROM removal WHERE run = ?", old)
    database.executemany("DELETE FROM run WHERE id = ?", old)


def _summary(row: sqlite3.Row) -> RunSummary:
    """A row of ``_SUMMARY`` as it is written."""
    told = {name: row[name] for name in RunSummary._fields}
    if [type(told[name]) for name in _NUMBERS] != [int, float, int, int]:
        raise TypeError(f"run {told['id']}")
    if told["options"] is None:
        told["under_pressure"] = None
    else:
        told["options"] = tuple(map(str, json.loads(told["options"])))
    told["estimated"] = bool(told["estimated"])
    return RunSummary(**told)


def _removals(database: sqlite3.Connection, run_id: int) -> list[Removed]:
    check(database, "removal", "run = ?", (run_id,))
    with decoding():
        rows = _named(database, "SELECT * FROM removal WHERE run = ? ORDER BY place", (run_id,))
        return [_removed(row) for row in rows]


def _removed(row: sqlite3.Row) -> Removed:
    told = {name: row[name] for name in Removed._fields}
    for name in ("names", "tags", "digests", "platforms", "lost"):
        told[name] = tuple(json.loads(told[name]))
    told["labels"] = dict(json.loads(told["labels"]))
    told["looked"] = bool(told["looked"])
    if told["reasons"] is not None:
        reasons = json.loads(told["reasons"])
        told["reasons"] = tuple(RecordedReason(str(rule), dict(facts)) for rule, facts in reasons)
    return Removed(**told)


def _named(
    database: sqlite3.Connection, sql: str, values: tuple[object, ...]
) -> Sequence[sqlite3.Row]:
    """Rows whose values are asked for by the names of their columns."""
    cursor = database.cursor()
    cursor.row_factory = sqlite3.Row
    return cursor.execute(sql, values).fetchall()
