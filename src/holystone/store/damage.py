"""Set a damaged file aside, and copy its readable rows into a new one."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from itertools import islice

from holystone.store import StoreError
from holystone.store.folder import FILE, MEND, Folder, open_folder
from holystone.store.migrations import MIGRATIONS
from holystone.store.opening import BESIDE, connect, guarded, open_to_write, version_of
from holystone.store.schema import LOST, mend

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
            # Those set aside earlier must not fill the disk.
            old = (name for name in os.listdir(here) if name.startswith(f"{FILE}.damaged-"))
            for name in sorted(each for each in old if not each.endswith(BESIDE))[:-_KEPT_ASIDE]:
                for end in ("", *BESIDE):
                    with suppress(FileNotFoundError):
                        os.remove(name + end, dir_fd=here)
            return aside, _rescued(place, aside)
    except FileNotFoundError:
        return "", {}
    except OSError as error:
        raise StoreError(
            f"the ledger {os.path.join(folder, FILE)} is damaged and cannot be set aside: "
            f"{error.strerror}. {MEND}"
        ) from None


def _rescued(place: Folder, aside: str) -> dict[str, int]:
    """Begin the new file with what can be read of the damaged one; answers how many rows of what.

    Call it while no other process can open the file: no run number may be given twice.
    """
    try:
        place.secure(aside, make=False)
        with closing(connect(os.path.join(place.path, aside), "mode=ro")) as damaged:
            if not 0 < version_of(damaged) <= len(MIGRATIONS):
                return {}
            opened = open_to_write(place, place.secure(FILE, make=True))
            with closing(opened.connection) as fresh:
                return _rescue(damaged, fresh)
    except (sqlite3.Error, OSError, StoreError):
        return {}


def _rescue(damaged: sqlite3.Connection, fresh: sqlite3.Connection) -> dict[str, int]:
    """Copy every row that can be read and makes sense; answers how many by table.

    Each table is read from its beginning up to the damage, and then from its end.
    """
    damaged.text_factory = lambda content: content.decode("utf-8", "replace")
    end = time.monotonic() + _SECONDS
    fresh.execute("BEGIN IMMEDIATE")
    found = {}
    for table in LOST:
        have = {name for name, _ in _columns(damaged, table)}
        wanted = _columns(fresh, table)
        columns = [name for name, _ in wanted if name in have]
        key = [name for name, place in sorted(wanted, key=lambda each: each[1]) if place]
        if columns and not _copy(damaged, fresh, table, columns, "", end):
            order = ", ".join(f"{name} DESC" for name in key or ["rowid"])
            _copy(damaged, fresh, table, columns, f" ORDER BY {order}", end)
    mend(fresh, texts=False)
    for table in LOST:
        (count,) = fresh.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 - our own
        if count:
            found[table] = int(count)
    fresh.execute("COMMIT")
    return found


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
                some.extend(islice(rows, _AT_ONCE))
            finally:
                fresh.executemany(insert, some)
            if len(some) < _AT_ONCE:
                return True
    except (sqlite3.Error, OverflowError, ValueError):
        return False
    return True


def _columns(database: sqlite3.Connection, table: str) -> list[tuple[str, int]]:
    """The columns of a table, each with its place in the primary key, 0 for none."""
    try:
        return [(row[1], row[5]) for row in database.execute(f"PRAGMA table_info({table})")]
    except sqlite3.Error:
        return []
