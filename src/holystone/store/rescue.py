"""What can still be read of a damaged ledger, copied into the new one that takes its place."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence

from holystone.store.soundness import LOST, mend

_SECONDS = 4.0
"""A copy that takes longer ends there: others wait for the new file."""
_AT_ONCE = 500


def rescue(damaged: sqlite3.Connection, fresh: sqlite3.Connection) -> dict[str, int]:
    """Copy every row that can be read and makes sense; answers how many by table.

    Each table is read from its beginning up to the damage, and then from its end.
    """
    damaged.text_factory = _text
    end = time.monotonic() + _SECONDS
    fresh.execute("BEGIN IMMEDIATE")
    for table in LOST:
        columns = [name for name in _columns(fresh, table) if name in _columns(damaged, table)]
        if columns and not _copy(damaged, fresh, table, columns, "", end):
            order = ", ".join(f"{key} DESC" for key in _key(fresh, table))
            _copy(damaged, fresh, table, columns, f" ORDER BY {order or 'rowid DESC'}", end)
    mend(fresh, texts=False)
    found = {table: _count(fresh, table) for table in LOST}
    fresh.execute("COMMIT")
    return {table: count for table, count in found.items() if count}


def _copy(
    damaged: sqlite3.Connection,
    fresh: sqlite3.Connection,
    table: str,
    columns: Sequence[str],
    order: str,
    end: float,
) -> bool:
    """Copy rows of a table in this order; False where the file is broken before the last."""
    names, marks = ", ".join(columns), ", ".join("?" * len(columns))
    insert = f"INSERT OR IGNORE INTO {table} ({names}) VALUES ({marks})"  # noqa: S608 - our own
    try:
        rows = damaged.execute(f"SELECT {names} FROM {table}{order}")  # noqa: S608 - our own
        while time.monotonic() < end:
            some: list[Sequence[object]] = []
            try:
                for row in rows:
                    some.append(row)
                    if len(some) == _AT_ONCE:
                        break
            finally:
                fresh.executemany(insert, some)
            if len(some) < _AT_ONCE:
                return True
    except (sqlite3.Error, OverflowError, ValueError):
        return False
    return True


def _columns(database: sqlite3.Connection, table: str) -> list[str]:
    try:
        return [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
    except sqlite3.Error:
        return []


def _key(database: sqlite3.Connection, table: str) -> list[str]:
    """The columns of the primary key, in order."""
    rows = database.execute(f"PRAGMA table_info({table})").fetchall()
    return [row[1] for row in sorted(rows, key=lambda row: int(row[5])) if row[5]]


def _count(database: sqlite3.Connection, table: str) -> int:
    (count,) = database.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 - our own
    return int(count)


def _text(content: bytes) -> str:
    return content.decode("utf-8", "replace")
