"""When the agent's jobs last ended well: a restart of the agent must not hide it."""

from __future__ import annotations

import sqlite3

from holystone.store.schema import decoding


def recall(database: sqlite3.Connection, engine: str) -> dict[str, float]:
    """When each job last ended well on this host, by name; UTC seconds."""
    with decoding(database, "success"):
        rows = database.execute("SELECT job, at FROM success WHERE engine = ?", (engine,))
        return {str(job): float(at) for job, at in rows}


def remember(database: sqlite3.Connection, engine: str, job: str, at: float) -> bool:
    """Keep this moment in place of the one before. True, so that a write that failed shows."""
    database.execute("INSERT OR REPLACE INTO success VALUES (?, ?, ?)", (engine, job, at))
    return True
