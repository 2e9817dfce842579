"""When a container last had to do with each object, apart for each engine."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping

from holystone.core.memory import Key
from holystone.ledger.database import decoding


def recall(database: sqlite3.Connection, engine: str) -> dict[Key, float]:
    """The last use of each object, UTC seconds, by kind and ID."""
    with decoding():
        rows = database.execute("SELECT kind, id, at FROM last_use WHERE engine = ?", (engine,))
        return {(kind, object_id): float(at) for kind, object_id, at in rows}


def remember(
    database: sqlite3.Connection,
    engine: str,
    news: Mapping[Key, float],
    present: Collection[Key],
) -> None:
    """Keep these uses, never an earlier one than is known; forget objects not ``present``."""
    database.executemany(
        "INSERT INTO last_use VALUES (?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET at = max(at, excluded.at)",
        ((engine, kind, object_id, at) for (kind, object_id), at in news.items()),
    )
    known = database.execute("SELECT kind, id FROM last_use WHERE engine = ?", (engine,))
    gone = set(known.fetchall()).difference(present)
    database.executemany(
        "DELETE FROM last_use WHERE engine = ? AND kind = ? AND id = ?",
        ((engine, *key) for key in gone),
    )
