"""A run under way: record its planned removals first, and then the result of each."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from holystone.planner.builders import records_of
from holystone.planner.inventory import Inventory
from holystone.planner.usage import Key
from holystone.planner.verdict import Plan, Rule, Step
from holystone.store.database import Database
from holystone.store.records import DONE, INTERRUPTED
from holystone.store.recovery import FOR_EVER, Settled, inherit, settle

_FLUSH_SECONDS = 0.3


class Run:
    """A run under way. Its methods never fail: what one cannot write the next does."""

    def __init__(
        self, store: Database, run_id: int, steps: Sequence[Step], clock: Callable[[], float]
    ) -> None:
        """``steps`` are those of its plan, in order."""
        self.id = run_id
        self._store = store
        self._places = {(step.kind, step.id): place for place, step in enumerate(steps)}
        self._steps = len(steps)
        self._clock = clock
        self._lock = threading.RLock()
        self._settled: list[Settled] = []
        self._flushed = time.monotonic()

    def add(self, plan: Plan, inventory: Inventory) -> None:
        """Write down the steps of one more round of the run, before any of them is made.

        What the run has planned by then is theirs and those of the rounds before.
        """
        start = self._steps

        def write(database: sqlite3.Connection) -> bool:
            write_steps(database, plan, inventory, self.id, start)
            database.execute(
                "UPDATE run SET steps = steps + ?, planned_bytes = planned_bytes + ?,"
                " estimated = max(estimated, ?) WHERE id = ?",
                (len(plan.steps), plan.freed_bytes, plan.estimated, self.id),
            )
            return True

        if self._store.try_write(write, durable=bool(plan.steps)):
            self._steps += len(plan.steps)
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
            self._write(
                lambda database: database.executemany(
                    "UPDATE removal SET result = 'unknown', detail = '', at = ?"
                    " WHERE run = ? AND place = ?",
                    places,
                )
            )

    def settle(
        self, kind: str, object_id: str, result: str, detail: str = "", lost: Sequence[str] = ()
    ) -> None:
        """Note the result of a step, in the words of ``store.records``, and why.

        ``lost`` are the references that an image lost while it stayed. Safe to call from several
        threads. Written a few times a second: what a kill takes away is settled by the next run.
        """
        place = self._places.get((kind, object_id))
        if place is None:
            return
        with self._lock:
            names = json.dumps(tuple(lost))
            self._settled.append((result, printable(detail), names, self._clock(), self.id, place))
            due = time.monotonic() - self._flushed >= _FLUSH_SECONDS
        if due:
            self._write()

    def end(
        self,
        *,
        freed_bytes: int,
        freed: Mapping[Key, int],
        removed: int,
        skipped: int,
        failed: int,
        unknown: int = 0,
        not_tried: int = 0,
        interrupted: str = "",
        disk_free_after: int | None = None,
        planned_bytes: int | None = None,
    ) -> None:
        """Close the run. ``freed`` are the bytes of each step that removed its object.

        ``interrupted`` says why it ended before its last step; empty where it did not.
        ``planned_bytes`` are those of all rounds, where an object was in several of them.
        """
        places = self._places
        amounts = [(freed[key], self.id, places[key]) for key in freed if key in places]

        def close(database: sqlite3.Connection) -> None:
            database.executemany(
                "UPDATE removal SET freed_bytes = ? WHERE run = ? AND place = ?", amounts
            )
            database.execute(
                "UPDATE run SET ended = ?, state = ?, interrupted = ?, freed_bytes = ?,"
                " removed = ?, skipped = ?, failed = ?, unknown = ?, not_tried = ?, look_until = ?,"
                " free_after = ?, planned_bytes = coalesce(?, planned_bytes) WHERE id = ?",
                (
                    self._clock(), INTERRUPTED if interrupted else DONE, printable(interrupted),
                    freed_bytes, removed, skipped, failed, unknown, not_tried,
                    FOR_EVER if unknown else None, disk_free_after, planned_bytes, self.id,
                ),
            )  # fmt: skip

        self._write(close)

    def _write(self, more: Callable[[sqlite3.Connection], object] = lambda _: None) -> None:
        """Write the results of steps, and more; if that fails now, the next write has them too."""
        with self._lock:
            batch, self._settled = self._settled, []
            self._flushed = time.monotonic()

        def write(database: sqlite3.Connection) -> bool:
            settle(database, batch)
            more(database)
            return True

        if not self._store.try_write(write):
            with self._lock:
                self._settled = [*batch, *self._settled]


def insertion(table: str, row: Mapping[str, object]) -> str:
    """The statement that adds such a row to a table."""
    return f"INSERT INTO {table} ({', '.join(row)}) VALUES (:{', :'.join(row)})"  # noqa: S608 - our own


def write_steps(
    database: sqlite3.Connection, plan: Plan, inventory: Inventory, run_id: int, start: int = 0
) -> None:
    """Write the steps of a plan down, the first at this place of its run."""
    rows = list(_planned(plan, inventory, run_id, start))
    if rows:
        database.executemany(insertion("removal", rows[0]), rows)
    inherit(database, plan.engine.key, run_id)


def _planned(
    plan: Plan, inventory: Inventory, run_id: int, start: int
) -> Iterator[Mapping[str, object]]:
    """The rows of the steps, counted from ``start``, with what would be lost with each object."""
    verdicts = {(verdict.kind, verdict.id): verdict for verdict in plan.verdicts}
    images = {image.id: image for image in inventory.images}
    things: dict[Key, tuple[Mapping[str, str], int | None]] = {
        **{("container", c.id): (c.labels, c.writable_size) for c in inventory.containers},
        **{("image", each.id): (each.labels, each.size) for each in inventory.images},
        **{("cache", each.id): ({}, each.size) for each in inventory.cache},
        **{("builder", i): ({}, each.size) for i, each in records_of(inventory).items()},
        **{("volume", each.name): (each.labels, each.size) for each in inventory.volumes},
        **{("network", each.id): (each.labels, None) for each in inventory.networks},
    }
    for place, step in enumerate(plan.steps, start):
        labels, size = things.get((step.kind, step.id), ({}, None))
        verdict = verdicts.get((step.kind, step.id))
        reasons = () if verdict is None else verdict.reasons
        image = images.get(step.id) if step.kind == "image" else None
        yield {
            "run": run_id,
            "place": place,
            "kind": step.kind,
            "id": step.id,
            "names": json.dumps([name for name in (verdict.names if verdict else ()) if name]),
            "tags": json.dumps(image.tags if image else ()),
            "digests": json.dumps(image.digests if image else ()),
            "labels": json.dumps(dict(labels)),
            "size": size,
            "planned_bytes": step.freed_bytes,
            "platforms": json.dumps(image.platforms if image else ()),
            "reasons": json.dumps([(reason.rule, dict(reason.facts)) for reason in reasons]),
            "pressure": any(reason.rule == Rule.PRESSURE for reason in reasons),
            "result": "",
            "detail": "",
        }


def printable(text: str) -> str:
    """Text that a file can hold: an engine's JSON may name half a character."""
    return text.encode("utf-8", "backslashreplace").decode()
