"""Stored runs: begin one, close killed ones, and read what each removed."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence

from holystone.planner.inventory import Inventory
from holystone.planner.verdict import Plan
from holystone.store import hosts
from holystone.store.database import Database
from holystone.store.lock import HostLock
from holystone.store.records import DONE, KILLED, RUNNING, RecordedReason, Removed, RunSummary
from holystone.store.recovery import close_killed, counts, open_builder_records, open_runs
from holystone.store.run import Run, insertion, printable, write_steps
from holystone.store.schema import check, decoding, record

_KEPT_FOR = 180 * 86400.0
_FORGOTTEN_AT_ONCE = 50
_TAGGED = (
    "(SELECT count(*) FROM removal WHERE run = run.id AND kind = 'image'"
    " AND result = 'removed' AND tags != '[]'"
)
_OF_HOST = f"FROM host WHERE uuid = substr(run.engine, 1, {hosts.LENGTH})), '')"
_COUNTED = {
    "host": f"coalesce((SELECT uuid {_OF_HOST}",
    "host_engine": f"coalesce((SELECT engine_id {_OF_HOST}",
    "tagged": f"{_TAGGED})",
    "under_pressure": f"iif(options IS NULL, NULL, {_TAGGED} AND pressure))",
}
_COLUMNS = ", ".join(_COUNTED.get(name, name) for name in RunSummary._fields)
_SUMMARY = f"SELECT pid, {_COLUMNS} FROM run"  # noqa: S608 - our own
_REMOVED = f"SELECT {', '.join(Removed._fields)}, reasons FROM removal"  # noqa: S608 - our own
_OLDEST = "SELECT id FROM run ORDER BY id LIMIT ?"


class Runs:
    """The runs in a store."""

    def __init__(self, store: Database, clock: Callable[[], float] = time.time) -> None:
        self.store = store
        self.clock = clock
        self.closed: Callable[[int], None] = lambda _: None
        """Called with the number of each killed run that was closed; others may set it."""

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
        killed: list[int] = []
        row = {
            "engine": plan.engine.key,
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
            check(database, "run", f"id IN ({_OLDEST})", (_FORGOTTEN_AT_ONCE,))
            killed[:] = close_killed(database, str(row["engine"]), inventory, now)
            # A few at a time: a history must not fill the disk.
            old = f"SELECT id FROM run WHERE id IN ({_OLDEST}) AND started < ?"  # noqa: S608
            gone = database.execute(old, (_FORGOTTEN_AT_ONCE, now - _KEPT_FOR)).fetchall()
            database.executemany("DELETE FROM removal WHERE run = ?", gone)
            database.executemany("DELETE FROM run WHERE id = ?", gone)
            run_id = database.execute(insertion("run", row), row).lastrowid or 0
            write_steps(database, plan, inventory, run_id)
            return run_id

        run_id = self.store.try_write(write, durable=bool(plan.steps))
        self._tell_closed(killed if run_id is not None else ())
        return None if run_id is None else Run(self.store, run_id, plan.steps, self.clock)

    def has_open(self, engine: str) -> bool:
        """Whether removals on this engine are to be settled; no where the store fails."""
        return self.store.exists() and self.store.try_read(
            lambda database: bool(open_runs(database, engine)), nothing=False
        )

    def open_builder_records(self, engine: str) -> Sequence[str]:
        """The IDs of builders' records whose removal on this engine is to be settled."""
        nothing: list[str] = []
        return self.store.try_read(
            lambda database: open_builder_records(database, engine), nothing=nothing
        )

    def settle(self, inventory: Inventory, looked_at: float) -> None:
        """Settle the removals without a result on this engine by a look at their objects.

        ``looked_at`` is when the inventory was asked for: what was asked of the engine since stays
        as it is, and so does a run that is under way. Never fails: it warns.
        """
        engine, lock = inventory.engine.key, inventory.engine.lock
        if self.has_open(engine):
            killed = self.store.try_write(
                lambda database: close_killed(
                    database,
                    engine,
                    inventory,
                    looked_at,
                    lambda pid: self._is_under_way(lock, pid),
                )
            )
            self._tell_closed(killed or ())

    def _tell_closed(self, killed: Iterable[int]) -> None:
        for run_id in killed:
            self.closed(run_id)

    def list(
        self, limit: int | None = None, since: float | None = None, endpoint: str = ""
    ) -> Sequence[RunSummary]:
        """The runs, newest first, at most so many. Raises StoreError.

        ``since``: only those that started then or later, in UTC seconds. ``endpoint``: only those
        on the engine that was reached there.
        """
        where = "WHERE started >= ? AND ? IN ('', endpoint) ORDER BY id DESC LIMIT ?"
        values = (since or 0.0, endpoint, -1 if limit is None else limit)
        return self.store.read(lambda database: self._summaries(database, where, values), [])

    def count(self, since: float | None = None, endpoint: str = "") -> int:
        """How many runs ``list`` has without a limit. Raises StoreError."""
        sql = "SELECT count(*) FROM run WHERE started >= ? AND ? IN ('', endpoint)"
        values = (since or 0.0, endpoint)
        return int(self.store.read(lambda db: db.execute(sql, values).fetchone()[0], 0))

    def get(self, run_id: int) -> RunSummary | None:
        """One run, or None where there is none of this number. Raises StoreError."""
        found: Sequence[RunSummary] = self.store.read(
            lambda database: self._summaries(database, "WHERE id = ?", (run_id,)), []
        )
        return found[0] if found else None

    def removed(self, run_id: int) -> Sequence[Removed]:
        """Every planned removal of a run in the order of its plan. Raises StoreError."""

        def read(database: sqlite3.Connection) -> Sequence[Removed]:
            check(database, "removal", "run = ?", (run_id,))
            with decoding():
                rows = database.execute(f"{_REMOVED} WHERE run = ? ORDER BY place", (run_id,))
                return [
                    record(Removed, row)._replace(reasons=_reasons(reasons))
                    for *row, reasons in rows
                ]

        return self.store.read(read, [])

    def last_ended(self, engine: str) -> RunSummary | None:
        """The last run on this engine that came to its end; None also where the ledger fails."""
        where = "WHERE engine = ? AND state = ? ORDER BY ended DESC LIMIT 1"
        found: Sequence[RunSummary] = self.store.try_read(
            lambda database: self._summaries(database, where, (engine, DONE)), []
        )
        return found[0] if found else None

    def latest(self, engine: str, caller: str) -> Sequence[RunSummary]:
        """The last run of each job of this caller on this engine. Raises StoreError.

        The caller and the job are the first two options of a run.
        """
        option = "CASE WHEN json_valid(options) THEN json_extract(options, '$[{}]') END"
        where = (
            f"WHERE id IN (SELECT max(id) FROM run WHERE engine = ? AND {option.format(0)} = ?"  # noqa: S608 - our own
            f" GROUP BY {option.format(1)}) ORDER BY id"
        )
        return self.store.read(
            lambda database: self._summaries(database, where, (engine, caller)), []
        )

    def _summaries(
        self, database: sqlite3.Connection, where: str, values: tuple[object, ...]
    ) -> Sequence[RunSummary]:
        check(database, "run", f"id IN (SELECT id FROM run {where})", values)  # noqa: S608 - our own
        with decoding():
            rows = database.execute(f"{_SUMMARY} {where}", values).fetchall()
            # Only now: text that cannot be decoded takes a slower look at the whole file.
            check(database, "host")
            return [self._as_of_now(database, pid, record(RunSummary, row)) for pid, *row in rows]

    def _as_of_now(self, database: sqlite3.Connection, pid: int, run: RunSummary) -> RunSummary:
        """A run; if it has not ended, with the results of its removals until now."""
        if run.state != RUNNING:
            return run
        (removed, skipped, failed, unknown, untried), freed, heard = counts(database, run.id)
        run = run._replace(
            freed_bytes=freed,
            removed=removed,
            skipped=skipped,
            failed=failed,
            unknown=unknown,
            not_tried=untried,
        )
        if self._is_under_way(run.lock, pid):
            return run
        # Killed, and not yet closed by a next run.
        return run._replace(state=KILLED, interrupted=KILLED, ended=heard or run.started)

    def _is_under_way(self, lock: str, pid: int) -> bool:
        """Whether the process of a run holds the lock of its host."""
        holder = HostLock(self.store.folder, lock).holder()
        return holder is not None and holder.pid in (pid, 0)


def _reasons(text: str | None) -> tuple[RecordedReason, ...] | None:
    if text is None:
        return None
    return tuple(RecordedReason(str(rule), dict(facts)) for rule, facts in json.loads(text))
