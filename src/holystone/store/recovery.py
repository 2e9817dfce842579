"""Removals that nobody told the end of: settled by what is left of their objects.

A run that was killed, or whose engine went away, leaves removals behind that were asked for and got
no answer (``unknown``), and one that was killed also some that it never came to.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from holystone.planner.inventory import Inventory
from holystone.planner.usage import Key
from holystone.planner.verdict import Left, lost
from holystone.store.records import FAILED, KILLED, REMOVED, RUNNING
from holystone.store.schema import check

FOUND_GONE = "it was gone when the next run looked: this run was killed before it could tell"
NOT_TRIED = "not tried: the run was killed"
FOR_EVER = 9e15
"""As the end of the time in which a run is looked at: until all of it is known."""
_LOOK_AGAIN = 60.0
"""Seconds after a look in which what was still there is looked at again: an engine that stood still
may carry out late what it was asked."""

Settled = tuple[str, str, str, float, int, int]
"""The result of a step, why, the references that its image lost, as JSON, when, its run and its
place in it."""


class _Open(NamedTuple):
    """A run some of whose removals nobody knows the end of."""

    id: int
    started: float
    state: str
    pid: int
    look_until: float | None


def ask(database: sqlite3.Connection, places: Sequence[tuple[float, int, int]]) -> None:
    """Write that steps are asked for: for each when, its run and its place in it."""
    database.executemany(
        "UPDATE removal SET result = 'unknown', detail = '', at = ? WHERE run = ? AND place = ?",
        places,
    )


def settle(database: sqlite3.Connection, batch: Sequence[Settled]) -> None:
    """Write what became of steps."""
    database.executemany(
        "UPDATE removal SET result = ?, detail = ?, lost = ?, at = ? WHERE run = ? AND place = ?",
        batch,
    )


def is_open(database: sqlite3.Connection, engine: str) -> bool:
    """Whether there are runs of this engine that never ended, or are to be looked at."""
    return bool(_open_runs(database, engine))


def close_killed(
    database: sqlite3.Connection,
    engine: str,
    inventory: Inventory,
    looked_at: float,
    is_under_way: Callable[[int], bool] = lambda _: False,
) -> None:
    """Settle what nobody knows the end of, by what is there; close the runs that were killed.

    ``looked_at`` is when the inventory was asked for. A run that was heard of since is left alone,
    and so is one whose process, by its ID, ``is_under_way``.
    """
    runs = [
        run
        for run in _open_runs(database, engine)
        if run.state != RUNNING or not is_under_way(run.pid)
    ]
    if not runs:
        return
    present = _Present(inventory)
    for run in runs:
        _look_at(database, run, present, looked_at)


def _open_runs(database: sqlite3.Connection, engine: str) -> list[_Open]:
    check(database, "run", "engine = ? AND (state = ? OR look_until NOTNULL)", (engine, RUNNING))
    columns = "SELECT id, started, state, pid, look_until FROM run WHERE engine = ?"
    rows = database.execute(
        f"{columns} AND state = ? UNION {columns} AND look_until IS NOT NULL",
        (engine, RUNNING, engine),
    )
    return [_Open(*row) for row in rows.fetchall()]


def _look_at(database: sqlite3.Connection, run: _Open, present: _Present, looked_at: float) -> None:
    """Settle the removals of a run, and close it where it was killed."""
    check(database, "removal", "run = ?", (run.id,))
    killed = run.state == RUNNING
    (heard,) = database.execute("SELECT max(at) FROM removal WHERE run = ?", (run.id,)).fetchone()
    if max(heard or 0.0, run.started) >= looked_at:
        return  # The inventory may be older than the last removal.
    rows = database.execute(
        "SELECT place, kind, id, tags, digests, result, looked, lost, planned_bytes FROM removal"
        " WHERE run = ? AND (result IN ('', 'unknown') OR (looked AND result = 'failed'))",
        (run.id,),
    ).fetchall()
    batch: list[Settled] = []
    looked: list[tuple[int, int]] = []
    freed = 0
    again = False
    for place, kind, object_id, tags, digests, result, before, was_lost, planned in rows:
        left = present.left(kind, object_id, json.loads(tags), json.loads(digests))
        if left is None or (before and left.there and not left.lost):
            again = again or left is None
            continue
        if result == "" and not left.there:
            told: tuple[str, str] = (REMOVED, FOUND_GONE)
        elif result == "" and not left.lost:
            told = (FAILED, NOT_TRIED)
        else:
            also = tuple(dict.fromkeys((*json.loads(was_lost), *left.lost)))
            left = left._replace(lost=also)
            told = (FAILED if left.there else REMOVED, left.detail)
        if told[1] != NOT_TRIED:
            looked.append((run.id, place))
        freed += 0 if left.there else planned
        lacks = json.dumps(left.lost if left.there else ())
        batch.append((*told, lacks, looked_at, run.id, place))
    settle(database, batch)
    database.executemany("UPDATE removal SET looked = 1 WHERE run = ? AND place = ?", looked)
    _close(database, run, heard if killed else None, freed, looked_at, again=again)


def _close(
    database: sqlite3.Connection,
    run: _Open,
    heard: float | None,
    freed: int,
    looked_at: float,
    *,
    again: bool,
) -> None:
    """Write the counts of a run after a look, and whether it is to be looked at again."""
    removed, skipped, failed, unknown, planned, _ = counts(database, run.id)
    if run.state == RUNNING:
        database.execute(
            "UPDATE run SET ended = ?, state = ?, interrupted = ?, freed_bytes = ? WHERE id = ?",
            (heard or run.started, KILLED, KILLED, planned, run.id),
        )
    elif freed:
        database.execute(
            "UPDATE run SET freed_bytes = freed_bytes + ? WHERE id = ?", (freed, run.id)
        )
    (still,) = database.execute(
        "SELECT count(*) FROM removal WHERE run = ? AND looked AND result = 'failed'", (run.id,)
    ).fetchone()
    if unknown or again:
        until: float | None = FOR_EVER
    elif run.look_until is None or run.look_until == FOR_EVER:
        until = looked_at + _LOOK_AGAIN if still else None
    else:
        until = run.look_until if still and run.look_until > looked_at else None
    database.execute(
        "UPDATE run SET removed = ?, skipped = ?, failed = ?, unknown = ?, look_until = ?"
        " WHERE id = ?",
        (removed, skipped, failed, unknown, until, run.id),
    )


class _Present:
    """What is on the host, to see what is left of single objects."""

    def __init__(self, inventory: Inventory) -> None:
        self.images = {image.id: image for image in inventory.images}
        self.tags = {tag for image in inventory.images for tag in image.tags}
        self.others = _other_keys(inventory)
        self.partial = inventory.partial
        self.untold = {note.kind for note in inventory.notes if note.problem == "usage"}
        """Kinds whose list may be short: the engine failed to tell of them."""

    def left(
        self, kind: str, object_id: str, tags: Sequence[str], digests: Sequence[str]
    ) -> Left | None:
        """What is left of an object; None where that is not known.

        A tag that another image has by now was not lost.
        """
        if kind != "image":
            there = (kind, object_id) in self.others
            return None if not there and kind in self.untold else Left(there)
        image = self.images.get(object_id)
        if image is None:
            return None if self.partial else Left(there=False)
        if image.odd:
            return None
        gone = lost(tags, self.tags) + lost(digests, image.digests)
        return Left(there=True, lost=gone)


def _other_keys(inventory: Inventory) -> set[Key]:
    keys: set[Key] = {("container", container.id) for container in inventory.containers}
    keys.update(("cache", record.id) for record in inventory.cache)
    keys.update(("volume", volume.name) for volume in inventory.volumes)
    keys.update(("network", network.id) for network in inventory.networks)
    return keys


def inherit(database: sqlite3.Connection, engine: str, run_id: int) -> None:
    """Give the images of a run the references that an earlier run took from them.

    An image that lost its names in a fault goes with the next clean: it is restored under them.
    """
    check(database, "removal", "run = ?", (run_id,))
    check(database, "removal", "lost != '[]'")
    rows = database.execute(
        "SELECT mine.place, mine.tags, mine.digests, other.tags, other.digests"
        " FROM removal mine"
        " JOIN removal other ON other.id = mine.id AND other.lost != '[]'"
        " JOIN run ON run.id = other.run"
        " WHERE mine.run = ? AND mine.kind = 'image' AND mine.result = ''"
        " AND other.kind = 'image' AND other.run < mine.run AND run.engine = ?"
        " ORDER BY other.run",
        (run_id, engine),
    ).fetchall()
    merged: dict[int, tuple[Any, Any]] = {}
    for place, tags, digests, more_tags, more_digests in rows:
        have = merged.get(place, (json.loads(tags), json.loads(digests)))
        more = json.loads(more_tags), json.loads(more_digests)
        merged[place] = tuple([*had, *(e for e in new if e not in had)]
                              for had, new in zip(have, more, strict=True))  # type: ignore[assignment]  # fmt: skip
    database.executemany(
        "UPDATE removal SET tags = ?, digests = ? WHERE run = ? AND place = ?",
        [(json.dumps(t), json.dumps(d), run_id, place) for place, (t, d) in merged.items()],
    )


def counts(
    database: sqlite3.Connection, run_id: int
) -> tuple[int, int, int, int, int, float | None]:
    """Removed, skipped, failed, unknown; the bytes planned of what went; and the last moment."""
    removed, skipped, failed, unknown, freed, heard = database.execute(
        "SELECT count(*) FILTER (WHERE result = 'removed'),"
        " count(*) FILTER (WHERE result = 'skipped'), count(*) FILTER (WHERE result = 'failed'),"
        " count(*) FILTER (WHERE result = 'unknown'),"
        " coalesce(sum(planned_bytes) FILTER (WHERE result = 'removed'), 0), max(at)"
        " FROM removal WHERE run = ?",
        (run_id,),
    ).fetchone()
    return removed, skipped, failed, unknown, freed, heard
