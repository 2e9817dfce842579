"""Recorded use, separate for each engine: a summary of each object and reference.

Plans read only the summaries; single uses go to a log (``use_log``). ``usage.sighting`` computes
the changes after a look at a host.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Mapping

from holystone.planner.demand import TOGETHER
from holystone.planner.usage import Followers, Key, Use
from holystone.store import use_log
from holystone.store.engine_facts import note_in_registries
from holystone.store.schema import check, decoding, record
from holystone.usage.sighting import (
    Bookmark,
    Folded,
    OwnPull,
    UsageUpdate,
    fold,
    fold_company,
    fold_record,
)

KEPT_FOR = 180 * 86400.0
"""Seconds after its last use for which a reference is remembered."""
_MOST_REFERENCES = 10_000
"""Builds that give each result a new tag make any number of them."""
_OWN_KEPT_FOR = 2 * 86400.0
_PULL_LASTS = 6 * 3600.0
"""The longest time of a pull by holystone whose end was not recorded."""
_SLACK = 2.0
"""Seconds by which the clocks of an engine and of this machine may differ."""
_USE = "SELECT id, first, last, count, gap, began FROM used WHERE engine = ? AND kind = ?"
_COMPANY = "SELECT reference, uses, followers FROM company WHERE engine = ?"


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
        return {name: record(Use, use) for name, *use in database.execute(_USE, (engine, kind))}


def recall_company(database: sqlite3.Connection, engine: str) -> dict[str, Followers]:
    """What was used soon after each reference."""
    with decoding(database, "company"):
        return dict(map(_followers, database.execute(_COMPANY, (engine,))))


def _followers(row: tuple[str, float, str]) -> tuple[str, Followers]:
    reference, uses, text = row
    counts = {str(name): float(count) for name, count in json.loads(text).items()}
    return reference, Followers(float(uses), counts)


def recall_bookmark(database: sqlite3.Connection, engine: str) -> Bookmark:
    """How far the engine's history has been read."""
    with decoding(database, "watch", "own_pull"):
        own = database.execute(
            "SELECT reference, began - ?2, ended + ?2 FROM own_pull WHERE engine = ?1",
            (engine, _SLACK),
        )
        pulls = tuple(record(OwnPull, pull) for pull in own)
        row = database.execute(
            "SELECT events, anchored, builds, looked, listed FROM watch WHERE engine = ?", (engine,)
        ).fetchone()
        if row is None:
            return Bookmark(own_pulls=pulls)
        events, anchored, builds, looked, listed = row
        return record(Bookmark, (events, anchored, builds, looked, pulls, listed))


def remember(database: sqlite3.Connection, engine: str, update: UsageUpdate) -> Folded:
    """Add what a look saw, and forget the objects that are gone; answers what changed."""
    check(database, "used")
    bookmark = recall_bookmark(database, engine)
    sightings = update.unread(bookmark)
    known = _known(database, engine, {key for each in sightings for key in each.keys})
    folded = fold(known, sightings)
    records = {("cache", each.id): each for each in update.cache}
    before = _known(database, engine, records)
    cache = {key: fold_record(before.get(key), each) for key, each in records.items()}
    if folded.counted:
        _remember_company(database, engine, folded, known)
    database.executemany(
        "INSERT OR REPLACE INTO used VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        ((engine, *key, *use) for key, use in {**folded.uses, **cache}.items()),
    )
    watch = _write_bookmark(database, engine, update, bookmark.moved(update.bookmark, update.at))
    if folded.counted:
        use_log.write(database, watch, folded.counted, update.images, before=update.at - KEPT_FOR)
        _forget_references(database, engine, update.at - KEPT_FOR)
    if update.in_registries:
        note_in_registries(database, engine, update.in_registries, update.at)
    _forget_gone(database, engine, update.present)
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


def _known(database: sqlite3.Connection, engine: str, keys: Iterable[Key]) -> dict[Key, Use]:
    known = {}
    with decoding(database, "used"):
        for kind, name in keys:
            for _, *use in database.execute(f"{_USE} AND id = ?", (engine, kind, name)):
                known[kind, name] = record(Use, use)
    return known


def _remember_company(
    database: sqlite3.Connection, engine: str, folded: Folded, known: Mapping[Key, Use]
) -> None:
    """Keep how these uses change what is known of references used together."""
    since = folded.counted[0].at - TOGETHER
    with decoding(database, "used", "company"):
        rows = database.execute(
            "SELECT id, coalesce(began, last) FROM used"
            " WHERE engine = ? AND kind = 'reference' AND last >= ?",
            (engine, since),
        )
        # A damaged index gives rows that the table does not have.
        latest = {name: float(at) for name, at in rows if isinstance(name, str) and at >= since}
        latest |= {name: use.latest for (kind, name), use in known.items() if kind == "reference"}
        names = {each.reference for each in folded.counted}
        names |= {name for name, at in latest.items() if at >= since}
        company: dict[str, Followers] = {}
        for name in names:
            rows = database.execute(f"{_COMPANY} AND reference = ?", (engine, name))
            company.update(map(_followers, rows))
    changed = fold_company(folded.counted, latest, company)
    database.executemany(
        "INSERT OR REPLACE INTO company VALUES (?, ?, ?, ?)",
        (
            (engine, name, uses, json.dumps(dict(counts), separators=(",", ":")))
            for name, (uses, counts) in changed.items()
        ),
    )


def _write_bookmark(
    database: sqlite3.Connection, engine: str, update: UsageUpdate, bookmark: Bookmark
) -> int:
    """Keep how far the history has been read; answers the number of the row."""
    told = {
        "engine": engine,
        "name": update.engine_name.encode("utf-8", "backslashreplace").decode(),
        "events": bookmark.events,
        "anchored": bookmark.anchored,
        "builds": bookmark.builds,
        "looked": bookmark.looked,
        "listed": bookmark.listed,
    }
    news = ", ".join(f"{name} = excluded.{name}" for name in told)
    (row,) = database.execute(
        f"INSERT INTO watch ({', '.join(told)}) VALUES (:{', :'.join(told)})"  # noqa: S608 - our own
        f" ON CONFLICT (engine) DO UPDATE SET {news} RETURNING id",
        told,
    ).fetchone()
    return int(row)


def _forget_gone(database: sqlite3.Connection, engine: str, present: Collection[Key]) -> None:
    """Forget objects that are not here any more; references stay."""
    rows = database.execute(
        "SELECT kind, id FROM used WHERE engine = ? AND kind != 'reference'", (engine,)
    )
    gone = set(rows.fetchall()).difference(present)
    database.executemany(
        "DELETE FROM used WHERE engine = ? AND kind = ? AND id = ?",
        ((engine, *key) for key in gone),
    )


def _forget_references(database: sqlite3.Connection, engine: str, before: float) -> None:
    """Forget references that were not used for long, and the oldest of far too many."""
    of = "FROM used WHERE engine = ?1 AND kind = 'reference'"
    (count,) = database.execute(f"SELECT count(*) {of}", (engine,)).fetchone()
    if count > _MOST_REFERENCES:
        # A tenth at once: what follows reads all of them.
        (before,) = database.execute(
            f"SELECT last {of} ORDER BY last DESC LIMIT 1 OFFSET ?2",
            (engine, _MOST_REFERENCES * 9 // 10),
        ).fetchone()
    gone = database.execute(f"DELETE {of} AND last < ?2", (engine, before))
    if gone.rowcount:
        database.execute(
            "DELETE FROM company WHERE engine = ?1 AND reference NOT IN"
            " (SELECT id FROM used WHERE engine = ?1 AND kind = 'reference')",
            (engine,),
        )
