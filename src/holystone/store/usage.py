"""What is remembered of use, apart for each engine: a summary of each object and reference.

Plans read the summaries alone; single uses go to the log beside them (``past``).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any

from holystone.planner.company import TOGETHER
from holystone.planner.usage import Key, Use
from holystone.store import company, registries
from holystone.store import use_log as past
from holystone.store.schema import check, decoding
from holystone.usage.folding import Folded, fold, fold_record
from holystone.usage.sighting import OwnPull, Read, Seen

KEPT_FOR = 180 * 86400.0
"""Seconds after its last use for which a reference is remembered."""
_MOST_REFERENCES = 10_000
"""Builds that tag each result anew make any number of them."""
_OWN_KEPT_FOR = 2 * 86400.0
_PULL_LASTS = 6 * 3600.0
"""How long a pull of our own can last whose end nobody wrote down."""
_SLACK = 2.0
"""Seconds by which the clocks of an engine and of this machine may differ."""
_USE = "first, last, count, gap, began"


def recall(database: sqlite3.Connection, engine: str) -> dict[Key, float]:
    """The last use of each image, volume and network, UTC seconds, by kind and ID."""
    with decoding(database, "used"):
        rows = database.execute(
            "SELECT kind, id, last FROM used"
            " WHERE engine = ? AND kind IN ('image', 'volume', 'network')",
            (engine,),
        )
        return {(kind, object_id): float(at) for kind, object_id, at in rows}


def recall_summaries(database: sqlite3.Connection, engine: str, kind: str) -> dict[str, Use]:
    """What is known of the uses of everything of a kind, by ID or reference."""
    with decoding(database, "used"):
        rows = database.execute(
            f"SELECT id, {_USE} FROM used WHERE engine = ? AND kind = ?",  # noqa: S608 - columns
            (engine, kind),
        )
        return {name: _use(row) for name, *row in rows}


def recall_read(database: sqlite3.Connection, engine: str) -> Read:
    """How far the engine's past has been read."""
    with decoding(database, "watch", "own_pull"):
        row = database.execute(
            "SELECT events, anchored, builds, looked, listed FROM watch WHERE engine = ?", (engine,)
        ).fetchone()
        events, anchored, builds, looked, listed = row or (0, True, 0.0, 0.0, 0.0)
        own = database.execute(
            "SELECT reference, began, ended FROM own_pull WHERE engine = ?", (engine,)
        )
        pulls = tuple(
            OwnPull(str(reference), began - _SLACK, ended + _SLACK)
            for reference, began, ended in own
        )
        return Read(int(events), bool(anchored), float(builds), float(looked), pulls, listed)


def remember(database: sqlite3.Connection, engine: str, seen: Seen) -> Folded:
    """Add what was seen, and forget the objects that are gone; answers what changed.

    What another process has kept meanwhile is not added again.
    """
    check(database, "used")
    read = recall_read(database, engine)
    sightings = [each for each in seen.sightings if not 0 < each.event <= read.events]
    keys = {key for each in sightings for key in each.keys}
    known = _known(database, engine, keys)
    folded = fold(known, sightings)
    records = {("cache", record.id): record for record in seen.cache}
    before = _known(database, engine, records)
    cache = {key: fold_record(before.get(key), record) for key, record in records.items()}
    if folded.counted:
        latest = company.recent(database, engine, folded.counted[0].at - TOGETHER)
        latest |= {name: use.latest for (kind, name), use in known.items() if kind == "reference"}
        company.remember(database, engine, folded.counted, latest)
    _write(database, engine, {**folded.uses, **cache})
    watch = _watch(database, engine, seen, read)
    if folded.counted:
        past.write(database, watch, folded.counted, seen.images, before=seen.at - KEPT_FOR)
        _forget_references(database, engine, seen.at - KEPT_FOR)
    if seen.in_registries:
        registries.note_seen(database, engine, seen.in_registries, seen.at)
    _forget_gone(database, engine, seen)
    return folded


def begin_pulls(
    database: sqlite3.Connection, engine: str, references: Iterable[str], now: float
) -> None:
    """Write down that holystone itself is about to pull these."""
    database.execute("DELETE FROM own_pull WHERE ended < ?", (now - _OWN_KEPT_FOR,))
    database.executemany(
        "INSERT INTO own_pull VALUES (?, ?, ?, ?)",
        ((engine, reference, now, now + _PULL_LASTS) for reference in references),
    )


def end_pulls(database: sqlite3.Connection, engine: str, began: float, now: float) -> None:
    """Write down that the pulls that began then have ended."""
    database.execute(
        "UPDATE own_pull SET ended = ? WHERE engine = ? AND began = ?", (now, engine, began)
    )


def _use(row: Iterable[Any]) -> Use:
    first, last, count, gap, began = row
    return Use(
        float(first),
        float(last),
        int(count),
        None if gap is None else float(gap),
        None if began is None else float(began),
    )


def _known(database: sqlite3.Connection, engine: str, keys: Iterable[Key]) -> dict[Key, Use]:
    known = {}
    with decoding(database, "used"):
        for kind, name in keys:
            row = database.execute(
                f"SELECT {_USE} FROM used WHERE engine = ? AND kind = ? AND id = ?",  # noqa: S608
                (engine, kind, name),
            ).fetchone()
            if row is not None:
                known[kind, name] = _use(row)
    return known


def _write(database: sqlite3.Connection, engine: str, uses: Mapping[Key, Use]) -> None:
    database.executemany(
        "INSERT OR REPLACE INTO used VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        ((engine, *key, *use) for key, use in uses.items()),
    )


def _watch(database: sqlite3.Connection, engine: str, seen: Seen, read: Read) -> int:
    """Note how far the past has been read, never less far than before; answers the row."""
    further = max(read, seen.read, key=lambda each: each.events)
    (row,) = database.execute(
        "INSERT INTO watch (engine, name, events, anchored, builds, looked, listed)"
        " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (engine) DO UPDATE SET name = excluded.name,"
        " events = excluded.events, anchored = excluded.anchored, builds = excluded.builds,"
        " looked = excluded.looked, listed = excluded.listed RETURNING id",
        (
            engine,
            seen.engine_name.encode("utf-8", "backslashreplace").decode(),
            further.events,
            further.anchored,
            max(read.builds, seen.read.builds),
            max(read.looked, seen.at),
            max(read.listed, seen.read.listed),
        ),
    ).fetchone()
    return int(row)


def _forget_gone(database: sqlite3.Connection, engine: str, seen: Seen) -> None:
    """Forget objects that are not here any more; references stay."""
    rows = database.execute(
        "SELECT kind, id FROM used WHERE engine = ? AND kind != 'reference'", (engine,)
    )
    gone = set(rows.fetchall()).difference(seen.present)
    database.executemany(
        "DELETE FROM used WHERE engine = ? AND kind = ? AND id = ?",
        ((engine, *key) for key in gone),
    )


def _forget_references(database: sqlite3.Connection, engine: str, before: float) -> None:
    """Forget references that nobody has used for long, and the oldest of far too many."""
    of = "engine = ?1 AND kind = 'reference'"
    (count,) = database.execute(f"SELECT count(*) FROM used WHERE {of}", (engine,)).fetchone()  # noqa: S608
    if count > _MOST_REFERENCES:
        # A tenth at once: what follows reads all of them.
        (before,) = database.execute(
            f"SELECT last FROM used WHERE {of} ORDER BY last DESC LIMIT 1 OFFSET ?2",  # noqa: S608
            (engine, _MOST_REFERENCES * 9 // 10),
        ).fetchone()
    gone = database.execute(f"DELETE FROM used WHERE {of} AND last < ?2", (engine, before))  # noqa: S608
    if gone.rowcount:
        company.forget(database, engine)
