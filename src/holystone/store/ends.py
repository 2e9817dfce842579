"""When containers were first seen stopped whose end the engine does not know."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from holystone.store.schema import decoding


def recall(database: sqlite3.Connection, engine: str) -> dict[str, float]:
    """UTC seconds by container ID."""
    with decoding(database, "ended"):
        rows = database.execute("SELECT id, seen FROM ended WHERE engine = ?", (engine,))
        return {str(container_id): float(seen) for container_id, seen in rows}


def remember(database: sqlite3.Connection, engine: str, ends: Mapping[str, float]) -> None:
    """Keep these in place of all that were known of the engine.

    One that another process has noted meanwhile keeps the earlier date.
    """
    known = recall(database, engine)
    database.execute("DELETE FROM ended WHERE engine = ?", (engine,))
    database.executemany(
        "INSERT INTO ended VALUES (?, ?, ?)",
        ((engine, each, min(seen, known.get(each, seen))) for each, seen in ends.items()),
    )
