"""Settle removals without a result: look whether their objects still exist.

A run that was killed, or whose engine went away, leaves removals that were requested and got no
answer (``unknown``). A killed run also leaves some that it never requested.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from typing import NamedTuple

from holystone.planner.builders import parted, state_volume
from holystone.planner.inventory import Inventory
from holystone.planner.verdict import Left, lost
from holystone.store.records import FAILED, KILLED, NOT_TRIED, REMOVED, RUNNING, SKIPPED, UNKNOWN
from holystone.store.schema import check
from holystone.usage.from_inventory import present_keys

FOUND_GONE = "it was gone when the next run looked: this run was killed before it could tell"
KILLED_BEFORE = "not tried: the run was killed"
FOR_EVER = 9e15
"""As the end of the time in which a run is looked at: until all of it is known."""
_LOOK_AGAIN = 60.0
"""Seconds after a look in which what was still there is looked at again: an engine that stood still
may carry out late what it was asked."""
_COUNTS = ", ".join(
    f"count(*) FILTER (WHERE result = '{result}')"
    for result in (REMOVED, SKIPPED, FAILED, UNKNOWN, NOT_TRIED)
)

Settled = tuple[str, str, str, float, int, int]
"""The result of a step, why, the references that its image lost, as JSON, when, its run and its
place in it."""


class _Open(NamedTuple):
    """A run with removals whose result is unknown."""

    id: int
    started: float
    state: str
    pid: int
    look_until: float | None


def settle(database: sqlite3.Connection, batch: Sequence[Settled]) -> None:
    """Write the results of steps."""
    database.executemany(
        "UPDATE removal SET result = ?, detail = ?, lost = ?, at = ? WHERE run = ? AND place = ?",
        batch,
    )


def counts(database: sqlite3.Connection, run_id: int) -> tuple[tuple[int, ...], int, float | None]:
    """How many removals ended in each way, the bytes planned of what went, and the last moment.

    The ways are, in this order: removed, skipped, failed, unknown, not tried.
    """
    *counted, freed, heard = database.execute(
        f"SELECT {_COUNTS}, coalesce(sum(planned_bytes) FILTER (WHERE result = 'removed'), 0),"  # noqa: S608
        " max(at) FROM removal WHERE run = ?",
        (run_id,),
    ).fetchone()
    return tuple(counted), freed, heard


def open_runs(database: sqlite3.Connection, engine: str) -> list[_Open]:
    """The runs of this engine that never ended, or are to be looked at."""
    check(database, "run", "engine = ? AND (state = ? OR look_until NOTNULL)", (engine, RUNNING))
    columns = f"SELECT {', '.join(_Open._fields)} FROM run WHERE engine = ?"  # noqa: S608 - our own
    rows = database.execute(
        f"{columns} AND state = ? UNION {columns} AND look_until IS NOT NULL",
        (engine, RUNNING, engine),
    )
    return [_Open(*row) for row in rows.fetchall()]


def open_builder_records(database: sqlite3.Connection, engine: str) -> list[str]:
    """The IDs of builders' records whose removal, on this engine, has no result."""
    rows = database.execute(
        "SELECT DISTINCT removal.id FROM removal JOIN run ON run.id = removal.run"
        " WHERE run.engine = ? AND removal.kind = 'builder'"
        " AND (removal.result IN ('', 'unknown') OR (looked AND removal.result = 'failed'))"
        " AND (run.state = ? OR run.look_until NOTNULL)",
        (engine, RUNNING),
    )
    return [str(each) for (each,) in rows]


def close_killed(
    database: sqlite3.Connection,
    engine: str,
    inventory: Inventory,
    looked_at: float,
    is_under_way: Callable[[int], bool] = lambda _: False,
) -> list[int]:
    """Settle removals without a result by a look at their objects; close killed runs.

    Answers the numbers of the runs that were closed. ``looked_at`` is when the inventory was asked
    for. A run that was heard of since is left alone, and so is one whose process, by its ID,
    ``is_under_way``.
    """
    runs = open_runs(database, engine)
    closed = []
    for run in [each for each in runs if each.state != RUNNING or not is_under_way(each.pid)]:
        check(database, "removal", "run = ?", (run.id,))
        *_, heard = counts(database, run.id)
        # Else the inventory may be older than the last removal.
        if max(heard or 0.0, run.started) < looked_at:
            freed, again = _look_at(database, run, inventory, looked_at)
            _close(database, run, heard, freed, looked_at, again=again)
            closed += [run.id] if run.state == RUNNING else []
    return closed


def _look_at(
    database: sqlite3.Connection, run: _Open, inventory: Inventory, looked_at: float
) -> tuple[int, bool]:
    """Settle the removals of a run; the bytes of what went, and whether some are still unknown."""
    left_of = _left_in(inventory)
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
        left = left_of(kind, object_id, json.loads(tags), json.loads(digests))
        if left is None or (before and left.there and not left.lost):
            again = again or left is None
            continue
        untried = result == "" and left.there and not left.lost
        if result != "" or (left.there and left.lost):
            also = tuple(dict.fromkeys((*json.loads(was_lost), *left.lost)))
            left = left._replace(lost=also)
            detail = left.detail
        else:
            detail = KILLED_BEFORE if untried else FOUND_GONE
        if not untried:
            looked.append((run.id, place))
        freed += 0 if left.there else planned
        lacks = json.dumps(left.lost if left.there else ())
        settled = NOT_TRIED if untried else FAILED if left.there else REMOVED
        batch.append((settled, detail, lacks, looked_at, run.id, place))
    settle(database, batch)
    database.executemany("UPDATE removal SET looked = 1 WHERE run = ? AND place = ?", looked)
    return freed, again


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
    counted, planned, _ = counts(database, run.id)
    unknown = counted[3]
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
    until: float | None = None
    if unknown or again:
        until = FOR_EVER
    elif still and (run.look_until is None or run.look_until == FOR_EVER):
        until = looked_at + _LOOK_AGAIN
    elif still and run.look_until is not None and run.look_until > looked_at:
        until = run.look_until
    database.execute(
        "UPDATE run SET removed = ?, skipped = ?, failed = ?, unknown = ?, not_tried = ?,"
        " look_until = ? WHERE id = ?",
        (*counted, until, run.id),
    )


def _left_in(
    inventory: Inventory,
) -> Callable[[str, str, Sequence[str], Sequence[str]], Left | None]:
    """What tells what is left of an object, by kind, ID, tags and digests: None if not known."""
    images = {image.id: image for image in inventory.images}
    all_tags = {tag for image in inventory.images for tag in image.tags}
    keys = present_keys(inventory) | {("container", each.id) for each in inventory.containers}
    # Kinds whose list may be short: the engine failed to tell of them.
    untold = {note.kind for note in inventory.notes if note.problem == "usage"}

    builders = {each.name: each for each in inventory.builders}
    volumes = {volume.name for volume in inventory.volumes}

    def left_in_builder(object_id: str) -> Left | None:
        name, _ = parted(object_id)
        if state_volume(name) not in volumes:
            return Left(there=False)
        builder = builders.get(name)
        if builder is None or builder.records is None:
            return None
        return Left(any(record.id == object_id for record in builder.records))

    def left(kind: str, object_id: str, tags: Sequence[str], digests: Sequence[str]) -> Left | None:
        if kind == "builder":
            return left_in_builder(object_id)
        if kind != "image":
            there = (kind, object_id) in keys
            return None if not there and kind in untold else Left(there)
        image = images.get(object_id)
        if image is None:
            return None if inventory.partial else Left(there=False)
        if image.odd:
            return None
        # A tag that another image has by now was not lost.
        return Left(there=True, lost=lost(tags, all_tags) + lost(digests, image.digests))

    return left


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
    # The keys of a dictionary: each once, in order.
    merged: dict[int, tuple[dict[str, None], dict[str, None]]] = {}
    for place, *own, more_tags, more_digests in rows:
        if place not in merged:
            tags, digests = (dict.fromkeys(json.loads(each)) for each in own)
            merged[place] = tags, digests
        for have, more in zip(merged[place], (more_tags, more_digests), strict=True):
            have.update(dict.fromkeys(json.loads(more)))
    database.executemany(
        "UPDATE removal SET tags = ?, digests = ? WHERE run = ? AND place = ?",
        [
            (json.dumps([*tags]), json.dumps([*digests]), run_id, place)
            for place, (tags, digests) in merged.items()
        ],
    )
