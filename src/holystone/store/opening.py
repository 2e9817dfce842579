"""Open the SQLite file of a state folder; create or migrate it as needed.

Readers and a writer do not wait for one another (write-ahead log); a second writer waits up to five
seconds.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple
from urllib.parse import quote

from holystone.store import DamagedStoreError, StoreError
from holystone.store.folder import FILE, MEND, Folder, Found, UnsafeError, open_folder
from holystone.store.migrations import MIGRATIONS
from holystone.store.schema import Connection

_GUARD = "holystone.guard"
BESIDE = ("-wal", "-shm", "-journal")
"""What SQLite keeps beside the file, by how the names end."""
_WAIT_SECONDS = 5.0
_NEEDED_BYTES = 65536
"""Free bytes without which SQLite cannot open a file for writing."""


class Opened(NamedTuple):
    """A connection, and which file it is to: another one may take its name."""

    connection: Connection
    inode: int
    trouble: str = ""
    """Why nothing can be written, where it can only be read."""


def open_database(folder: str) -> Opened:
    """The ledger in this folder, made or brought up to date as needed.

    One that cannot be written (a full disk, a folder of somebody else) is opened for reading.
    Raises StoreError, and DamagedStoreError for a file that is to be set aside.
    """
    path = os.path.join(folder, FILE)
    try:
        with open_folder(folder) as place, guarded(place, exclusive=False):
            trouble: OSError | sqlite3.OperationalError
            try:
                found = place.secure(FILE, make=True)
                for end in BESIDE:
                    place.secure(FILE + end, make=False)
            except OSError as error:
                found, trouble = place.secure(FILE, make=False), error
                if found is None:
                    raise
            else:
                try:
                    return open_to_write(place, found)
                except sqlite3.OperationalError as error:
                    trouble = error
            return _open_to_read(place, found, trouble)
    except OSError as error:
        raise StoreError(
            f"cannot use the state folder {folder}: {error.strerror}. {MEND}"
        ) from None
    except sqlite3.Error as error:
        if is_damage(error):
            raise DamagedStoreError(str(error)) from None
        raise StoreError(f"cannot use the ledger {path}: {error}. {MEND}") from None


def is_damage(error: sqlite3.Error) -> bool:
    """Whether SQLite says by this that the file is broken, or none of its own."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def open_to_write(place: Folder, found: Found | None) -> Opened:
    """The file, brought up to date. Raises sqlite3.Error, OSError, StoreError."""
    path = os.path.join(place.path, FILE)
    # It is there by now: SQLite must not make one where a link leads.
    database = connect(path, "mode=rw")
    try:
        inode = _verified(database, place, found)
        _migrate(database, path)
        try:
            # For good. SQLite does not wait for others there: the next who opens it switches it.
            database.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise
        # A commit survives the end of the process, though not of the machine. The log of a run
        # asks for more; and the file itself is whole in any case.
        database.execute("PRAGMA synchronous = NORMAL")
        return Opened(database, inode)
    except BaseException:
        database.close()
        raise


def _open_to_read(
    place: Folder, found: Found | None, trouble: OSError | sqlite3.OperationalError
) -> Opened:
    """The file as it is, where it cannot be opened for writing. Raises sqlite3.Error, OSError.

    SQLite reads a write-ahead log by way of a file beside it, which needs a place on the disk.
    Where there is no log the database can be read without.
    """
    path = os.path.join(place.path, FILE)
    broken = isinstance(trouble, sqlite3.Error) and is_damage(trouble)
    if broken or found is None:
        raise trouble
    log = f"{path}-wal"
    whole = not os.path.exists(log) or os.path.getsize(log) == 0
    for manner in ("mode=ro", "immutable=1") if whole else ("mode=ro",):
        with suppress(sqlite3.OperationalError):
            database = connect(path, manner)
            try:
                if version_of(database) == len(MIGRATIONS):
                    inode = _verified(database, place, found)
                    disk = os.statvfs(path)
                    # For SQLite a full disk is at times an I/O error.
                    full = disk.f_bavail * disk.f_frsize < _NEEDED_BYTES
                    return Opened(database, inode, "the disk is full" if full else str(trouble))
            except sqlite3.OperationalError:
                database.close()
                raise
            database.close()
    raise trouble


def connect(path: str, manner: str) -> Connection:
    """A connection to a file that is there. ``manner`` is a parameter of SQLite's URI."""
    return sqlite3.connect(
        f"file:{quote(os.fsencode(path))}?{manner}",
        uri=True,
        timeout=_WAIT_SECONDS,
        isolation_level=None,
        check_same_thread=False,
        factory=Connection,
    )


def _verified(database: sqlite3.Connection, place: Folder, found: Found | None) -> int:
    """The inode of the file that SQLite has open. Raises UnsafeError where it is not the ledger.

    SQLite follows a link that took the file's name in the meantime.
    """
    now = place.secure(FILE, make=False)
    allowed = {each for each in (found, now) if each is not None}
    opened = set()
    told = os.path.isdir("/proc/self/fd")
    for name in os.listdir("/proc/self/fd") if told else ():
        with suppress(OSError):
            status = os.stat(int(name))
            opened.add(Found(status.st_dev, status.st_ino))
    if told and allowed.isdisjoint(opened):
        database.close()
        raise UnsafeError(f"{place.path}/{FILE} was changed while it was opened. {MEND}")
    return (now or found or Found(0, 0)).inode


def version_of(database: sqlite3.Connection) -> int:
    """How many migrations a file has been through."""
    (version,) = database.execute("PRAGMA user_version").fetchone()
    return int(version)


def _migrate(database: sqlite3.Connection, path: str) -> None:
    version = version_of(database)
    if version > len(MIGRATIONS):
        raise StoreError(
            f"the ledger {path} is of a newer holystone (version {version}; this one knows "
            f"{len(MIGRATIONS)}). Update holystone, or pass another --state folder."
        )
    if version == len(MIGRATIONS):
        return
    database.execute("BEGIN IMMEDIATE")
    try:
        version = version_of(database)
        for number, script in enumerate(MIGRATIONS[version:], start=version + 1):
            for statement in script.split(";"):
                if statement.strip():
                    database.execute(statement)
            database.execute(f"PRAGMA user_version = {number}")
        database.execute("COMMIT")
    except BaseException:
        roll_back(database)
        raise


def roll_back(database: sqlite3.Connection) -> None:
    """End the transaction, if SQLite has not done so itself (a full disk, a broken file)."""
    if database.in_transaction:
        with suppress(sqlite3.Error):
            database.execute("ROLLBACK")


@contextmanager
def guarded(place: Folder, *, exclusive: bool) -> Iterator[None]:
    """Keep the file from being set aside while it is opened, and from being opened meanwhile.

    Else a process could join the damaged file and the log of the new one. Where nothing can be
    locked (some network file systems, a folder that can only be read) nothing is guarded.
    """
    try:
        guard = place.open(_GUARD, os.O_RDWR | os.O_CREAT)
    except OSError:
        yield
        return
    end = time.monotonic() + _WAIT_SECONDS
    try:
        while True:
            try:
                fcntl.flock(guard, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() <= end:
                    time.sleep(0.01)
                elif exclusive:
                    raise
                else:
                    break
            except OSError:
                break
        yield
    finally:
        os.close(guard)
