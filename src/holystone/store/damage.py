"""Set a damaged file aside, and copy what can still be read of it into a new one."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Sequence
from contextlib import suppress

from holystone.store.folder import FILE, MEND, Folder, StoreError, open_folder
from holystone.store.migrations import MIGRATIONS
from holystone.store.opening import BESIDE, connect, guarded, open_to_write, roll_back, version_of
from holystone.store.schema import LOST
from holystone.store.unsound import mend

_SECONDS = 4.0
"""A copy that takes longer ends there: others wait for the new file."""
_AT_ONCE = 500
_KEPT_ASIDE = 3
"""Damaged files that are kept: on a failing disk there could be one a run."""


def set_aside(folder: str, inode: int | None) -> tuple[str, dict[str, int]]:
    """Rename the damaged file out of the way; answers its new name, and what was rescued of it.

    No name where another process has done so: the file is not the one of this inode (None: any) any
    more. The log beside it goes first, since SQLite would put it into a new file of that name.
    Raises StoreError where it cannot be moved.
    """
    path = os.path.join(folder, FILE)
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    try:
        with open_folder(folder, make=False) as place, guarded(place, exclusive=True):
            here = place.descriptor
            if inode is not None and os.stat(FILE, dir_fd=here).st_ino != inode:
                return "", {}
            there = set(os.listdir(here))
            aside = f"{FILE}.damaged-{stamp}"
            number = 1
            while aside in there:
                number += 1
                aside = f"{FILE}.damaged-{stamp}-{number}"
            for end in (*BESIDE, ""):
                if end == "" or FILE + end in there:
                    os.rename(FILE + end, aside + end, src_dir_fd=here, dst_dir_fd=here)
            _forget_older(place)
            rescued = _rescued(place, aside)
    except FileNotFoundError:
        return "", {}
    except OSError as error:
        raise StoreError(
            f"the ledger {path} is damaged and cannot be set aside: {error.strerror}. {MEND}"
        ) from None
    return aside, rescued


def _rescued(place: Folder, aside: str) -> dict[str, int]:
    """Begin the new file with what can be read of the damaged one; answers how many rows of what.

    While nobody else can open it: numbers of runs must not be given twice.
    """
    damaged: sqlite3.Connection | None = None
    try:
        place.secure(aside, make=False)
        damaged = connect(os.path.join(place.path, aside), "mode=ro")
        if not 0 < version_of(damaged) <= len(MIGRATIONS):
            return {}
        fresh = open_to_write(place, place.secure(FILE, make=True)).connection
        try:
            return _rescue(damaged, fresh)
        finally:
            roll_back(fresh)
            fresh.close()
    except (sqlite3.Error, OSError, StoreError):
        return {}
    finally:
        if damaged is not None:
            damaged.close()


def _forget_older(place: Folder) -> None:
    """Delete the oldest of the files that were set aside, so that they do not fill the disk."""
    here = place.descriptor
    start = f"{FILE}.damaged-"
    names = sorted(
        name for name in os.listdir(here) if name.startswith(start) and not name.endswith(BESIDE)
    )
    for name in names[:-_KEPT_ASIDE]:
        for end in ("", *BESIDE):
            with suppress(FileNotFoundError):
                os.remove(name + end, dir_fd=here)


def _rescue(damaged: sqlite3.Connection, fresh: sqlite3.Connection) -> dict[str, int]:
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
