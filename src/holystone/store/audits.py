"""The sum of the last audit of each host, for ``holystone status``."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from holystone.store.schema import decoding, record


class AuditSum(NamedTuple):
    """What an audit came to. Sizes are bytes, of all disks of the engine's data together."""

    at: float
    """When it was made, UTC seconds."""
    used: int
    """As ``df`` counts."""
    named: int
    """In files that were seen."""
    dark: int
    """That no record of the engine names."""


def recall(database: sqlite3.Connection, engine: str) -> AuditSum | None:
    """The last audit of this host; None where none is remembered."""
    with decoding(database, "audit"):
        row = database.execute(
            "SELECT at, used, named, dark FROM audit WHERE engine = ?", (engine,)
        ).fetchone()
        return None if row is None else record(AuditSum, row)


def remember(database: sqlite3.Connection, engine: str, told: AuditSum) -> bool:
    """Keep this one in place of the one before. True, so that a write that failed shows."""
    database.execute("INSERT OR REPLACE INTO audit VALUES (?, ?, ?, ?, ?)", (engine, *told))
    return True
