"""Runs: what each means to remove is written before the first removal, and settled after each."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from holystone.planner.inventory import Inventory
from holystone.planner.usage import Key
from holystone.planner.verdict import Plan, Rule
from holystone.store.database import Database
from holystone.store.lock import HostLock
from holystone.store.records import (
    DONE,
    INTERRUPTED,
    KILLED,
    RUNNING,
    RecordedReason,
    Removed,
    RunSummary,
)
from holystone.store.recovery import (
    FOR_EVER,
    Settled,
    ask,
    close_killed,
    counts,
    inherit,
    is_open,
    settle,
)
from holystone.store.schema import check, decoding

_FLUSH_SECONDS = 0.3
_KEPT_FOR = 180 * 86400.0
_FORGOTTEN_AT_ONCE = 50

_SUMMARY = (
    "SELECT id, engine, engine_name, endpoint, level, job, started, ended, state, interrupted,"
    " steps, planned_bytes, estimated, freed_bytes, removed, skipped, failed, free_before,"
    " free_after, target_free, options,"
    " (SELECT count(*) FROM removal WHERE run = run.id AND kind = 'image'"
    " AND result = 'removed' AND tags != '[]'),"
    " (SELECT count(*) FROM removal WHERE run = run.id AND kind = 'image'"
    " AND result = 'removed' AND tags != '[]' AND pressure),"
    " unknown, pid FROM run"
)

_OLDEST = "id IN (SELECT id FROM run ORDER BY id LIMIT ?)"

_NUMBERS = (0, 6, 11, 13)
"""Places of what is always a number: an ID, a moment, bytes."""


class Runs:
    """The runs in a ledger."""

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
        rows = list(_planned(plan, inventory))

        def write(database: sqlite3.Connection) -> int:
            check(database, "run", _OLDEST, (_FORGOTTEN_AT_ONCE,))
            close_killed(database, engine, inventory, now)
            _forget_old(database, now - _KEPT_FOR)
            (run_id,) = database.execute(
                "INSERT INTO run (engine, engine_name, endpoint, level, job, pid, started, state,"
                " interrupted, steps, planned_bytes, estimated, freed_bytes, removed, skipped,"
                " failed, free_before, target_free, options)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, '', ?, ?, ?, 0, 0, 0, 0, ?, ?, ?) RETURNING id",
                (
                    engine, _text(plan.engine.name), _text(endpoint), plan.level, _text(job),
                    os.getpid(), now, RUNNING, len(rows), plan.freed_bytes, plan.estimated,
                    plan.disk.free_bytes, plan.target_free, json.dumps(tuple(options)),
                ),
            ).fetchone()  # fmt: skip
            _write_steps(database, run_id, 0, rows)
            inherit(database, engine, run_id)
            return int(run_id)

        run_id = self.store.try_write(write, durable=bool(rows))
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
            return [
                _settled_so_far(
                    database, summary, under_way=self._is_under_way(summary.engine, pid)
                )
                if summary.state == RUNNING
                else summary
                for summary, pid in map(_summary, database.execute(sql, values).fetchall())
            ]

    def _is_under_way(self, engine: str, pid: int) -> bool:
        """Whether the process of a run holds the lock of its host."""
        holder = HostLock(self.store.folder, engine).holder()
        return holder is not None and holder.pid in (pid, 0)


class Run:
    """A run under way. Its methods never fail: what one cannot write the next does."""

    def __init__(
        self,
        store: Database,
        run_id: int,
        places: Mapping[Key, int],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``places`` are the steps by kind and ID, as they are counted in the ledger."""
        self.id = run_id
        self._store = store
        self._places = places
        self._steps = len(places)
        self._clock = clock
        self._lock = threading.RLock()
        self._settled: list[Settled] = []
        self._flushed = time.monotonic()

    def add(self, plan: Plan, inventory: Inventory) -> None:
        """Write down the steps of one more round of the run, before any of them is made.

        What the run has planned by then is theirs and those of the rounds before.
        """
        rows = list(_planned(plan, inventory))
        start = self._steps

        def write(database: sqlite3.Connection) -> bool:
            _write_steps(database, self.id, start, rows)
            inherit(database, f"{plan.engine.id}/{plan.engine.store}", self.id)
            database.execute(
                "UPDATE run SET steps = steps + ?, planned_bytes = planned_bytes + ?,"
                " estimated = max(estimated, ?) WHERE id = ?",
                (len(rows), plan.freed_bytes, plan.estimated, self.id),
            )
            return True

        if self._store.try_write(write, durable=bool(rows)):
            self._steps += len(rows)
            with self._lock:
                places = {(step.kind, step.id): at for at, step in enumerate(plan.steps, start)}
                self._places = {**self._places, **places}

    def ask(self, keys: Sequence[Key]) -> None:
        """Note, before the engine is asked, that these steps are asked for: they count as unknown.

        Written at once, with all that was settled before: what a kill leaves unknown is no more
        than was under way. Safe to call from several threads.
        """
        now = self._clock()
        places = [(now, self.id, self._places[key]) for key in keys if key in self._places]
        with self._lock:
            batch, self._settled = self._settled, []
            self._flushed = time.monotonic()

            self._write(batch, lambda database: ask(database, places))

    def settle(
        self,
        kind: str,
        object_id: str,
        result: str,
        detail: str = "",
        lost: Sequence[str] = (),
    ) -> None:
        """Note what became of a step: ``removed``, ``skipped``, ``failed`` or ``unknown``, and why.

        ``lost`` are the references that an image lost while it stayed. Safe to call from several
        threads. Written a few times a second: what a kill takes away is settled by the next run.
        """
        place = self._places.get((kind, object_id))
        if place is None:
            return
        with self._lock:
            names = json.dumps(tuple(lost))
            self._settled.append((result, _text(detail), names, self._clock(), self.id, place))
            if time.monotonic() - self._flushed < _FLUSH_SECONDS:
                return
            self._flushed = time.monotonic()
            batch, self._settled = self._settled, []
        self._write(batch, lambda _: None)

    def end(
        self,
        *,
        freed_bytes: int,
        freed: Mapping[Key, int],
        removed: int,
        skipped: int,
        failed: int,
        unknown: int = 0,
        interrupted: str = "",
        disk_free_after: int | None = None,
        planned_bytes: int | None = None,
    ) -> None:
        """Close the run. ``freed`` are the bytes of each step that removed its object.

        ``interrupted`` says why it ended before its last step; empty where it did not.
        ``planned_bytes`` are those of all rounds, where an object was in several of them.
        """
        with self._lock:
            batch, self._settled = self._settled, []
        amounts = [
            (amount, self.id, self._places[key])
            for key, amount in freed.items()
            if key in self._places
        ]

        def close(database: sqlite3.Connection) -> None:
            database.executemany(
                "UPDATE removal SET freed_bytes = ? WHERE run = ? AND place = ?", amounts
            )
            database.execute(
                "UPDATE run SET ended = ?, state = ?, interrupted = ?, freed_bytes = ?,"
                " removed = ?, skipped = ?, failed = ?, unknown = ?, look_until = ?,"
                " free_after = ?, planned_bytes = coalesce(?, planned_bytes) WHERE id = ?",
                (
                    self._clock(), INTERRUPTED if interrupted else DONE, _text(interrupted),
                    freed_bytes, removed, skipped, failed, unknown, FOR_EVER if unknown else None,
                    disk_free_after, planned_bytes, self.id,
                ),
            )  # fmt: skip

        self._write(batch, close)

    def _write(self, batch: list[Settled], more: Callable[[sqlite3.Connection], None]) -> None:
        """Write what became of steps, and more; what cannot be written now goes with the next."""

        def write(database: sqlite3.Connection) -> bool:
            settle(database, batch)
            more(database)
            return True

        if not self._store.try_write(write):
            with self._lock:
                self._settled = [*batch, *self._settled]


def _write_steps(
    database: sqlite3.Connection, run_id: int, start: int, rows: Sequence[tuple[object, ...]]
) -> None:
    database.executemany(
        "INSERT INTO removal (run, place, kind, id, names, tags, digests, labels, size,"
        " planned_bytes, platforms, reasons, pressure, result, detail)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '', '')",
        ((run_id, place, *row) for place, row in enumerate(rows, start)),
    )


def _planned(plan: Plan, inventory: Inventory) -> Iterator[tuple[object, ...]]:
    """The steps as they are written down, with what would be lost with each object."""
    verdicts = {(verdict.kind, verdict.id): verdict for verdict in plan.verdicts}
    things: dict[Key, tuple[Mapping[str, str], int | None]] = {}
    for container in inventory.containers:
        things["container", container.id] = container.labels, container.writable_size
    for image in inventory.images:
        things["image", image.id] = image.labels, image.size
    for record in inventory.cache:
        things["cache", record.id] = {}, record.size
    for volume in inventory.volumes:
        things["volume", volume.name] = volume.labels, volume.size
    for network in inventory.networks:
        things["network", network.id] = network.labels, None
    images = {image.id: image for image in inventory.images}
    for step in plan.steps:
        key = (step.kind, step.id)
        labels, size = things.get(key, ({}, None))
        verdict = verdicts.get(key)
        reasons = () if verdict is None else verdict.reasons
        source = images.get(step.id) if step.kind == "image" else None
        yield (
            step.kind,
            step.id,
            json.dumps([name for name in (verdict.names if verdict else ()) if name]),
            json.dumps(() if source is None else source.tags),
            json.dumps(() if source is None else source.digests),
            json.dumps(dict(labels)),
            size,
            step.freed_bytes,
            json.dumps(() if source is None else source.platforms),
            json.dumps([(reason.rule, dict(reason.facts)) for reason in reasons]),
            any(reason.rule == Rule.PRESSURE for reason in reasons),
        )


def _forget_old(database: sqlite3.Connection, before: float) -> None:
    """Forget the oldest runs, a few at a time: a history must not fill the disk."""
    oldest = database.execute(
        "SELECT id, started FROM run ORDER BY id LIMIT ?", (_FORGOTTEN_AT_ONCE,)
    ).fetchall()
    old = [(run_id,) for run_id, started in oldest if started < before]
    database.executemany("DELETE FROM removal WHERE run = ?", old)
    database.executemany("DELETE FROM run WHERE id = ?", old)


def _summary(row: tuple[Any, ...]) -> tuple[RunSummary, int]:
    """A row of ``_SUMMARY`` as it is written, and the process of the run."""
    *told, options, tagged, under_pressure, unknown, pid = row
    summary = RunSummary(*told)
    if [type(told[at]) for at in _NUMBERS] != [int, float, int, int]:
        raise TypeError(f"run {summary.id}")
    summary = summary._replace(
        estimated=bool(summary.estimated), tagged=int(tagged), unknown=int(unknown)
    )
    if options is None:
        return summary, int(pid)
    given = tuple(map(str, json.loads(options)))
    return summary._replace(options=given, under_pressure=int(under_pressure)), int(pid)


def _settled_so_far(
    database: sqlite3.Connection, summary: RunSummary, *, under_way: bool
) -> RunSummary:
    """A run that has not ended: running, or killed and not yet closed by a next run."""
    removed, skipped, failed, unknown, freed, heard = counts(database, summary.id)
    summary = summary._replace(
        freed_bytes=freed, removed=removed, skipped=skipped, failed=failed, unknown=unknown
    )
    if under_way:
        return summary
    return summary._replace(state=KILLED, interrupted=KILLED, ended=heard or summary.started)


def _removals(database: sqlite3.Connection, run_id: int) -> list[Removed]:
    check(database, "removal", "run = ?", (run_id,))
    rows = database.execute(
        "SELECT kind, id, names, tags, digests, labels, size, planned_bytes, freed_bytes, result,"
        " detail, at, platforms, reasons, lost, looked FROM removal WHERE run = ? ORDER BY place",
        (run_id,),
    )
    with decoding():
        return [_removed(tuple(row)) for row in rows]


def _removed(row: tuple[Any, ...]) -> Removed:
    kind, object_id, names, tags, digests, labels, *rest, platforms, reasons, lost, looked = row
    removed = Removed(
        kind,
        object_id,
        tuple(json.loads(names)),
        tuple(json.loads(tags)),
        tuple(json.loads(digests)),
        dict(json.loads(labels)),
        *rest,
    )
    removed = removed._replace(
        platforms=tuple(json.loads(platforms)), lost=tuple(json.loads(lost)), looked=bool(looked)
    )
    if reasons is None:
        return removed
    told = tuple(RecordedReason(str(rule), dict(facts)) for rule, facts in json.loads(reasons))
    return removed._replace(reasons=told)


def _text(text: str) -> str:
    """Text that a file can hold: an engine's JSON may name half a character."""
    return text.encode("utf-8", "backslashreplace").decode()
