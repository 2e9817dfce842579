"""The SQLite file: where it is, opening it, and setting a damaged one aside.

Readers and a writer do not wait for one another (write-ahead log); a second writer waits up to five
seconds.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import NamedTuple

from holystone.ledger.schema import MIGRATIONS

FILE = "holystone.db"
MEND = "Pass another --state folder, or set HOLYSTONE_STATE."
_WAIT_SECONDS = 5.0
_NEEDED_BYTES = 65536
"""Free bytes without which SQLite cannot open a file for writing."""
_KEPT_ASIDE = 3
"""Damaged files that are kept: on a failing disk there could be one a run."""


class LedgerError(Exception):
    """The ledger cannot be used; the message says why and what to do."""


class LedgerDamagedError(LedgerError):
    """What is in the file cannot be what holystone wrote there; the message says what is wrong."""


class Opened(NamedTuple):
    """A connection, and which file it is to: another one may take its name."""

    database: sqlite3.Connection
    inode: int
    trouble: str = ""
    """Why nothing can be written, where it can only be read."""


def default_folder(environ: Mapping[str, str]) -> str:
    """Where the ledger is kept unless ``--state`` says otherwise.

    ``HOLYSTONE_STATE`` where that is set; ``/var/lib/holystone`` for root, so that every job on a
    runner shares one memory; otherwise ``$XDG_STATE_HOME/holystone``
    (``~/.local/state/holystone``).
    """
    if environ.get("HOLYSTONE_STATE"):
        return environ["HOLYSTONE_STATE"]
    if os.geteuid() == 0:
        return "/var/lib/holystone"
    state = environ.get("XDG_STATE_HOME") or os.path.join(
        environ.get("HOME") or os.path.expanduser("~"), ".local", "state"
    )
    return os.path.join(state, "holystone")


def open_database(folder: str) -> Opened:
    """The ledger in this folder, made or brought up to date as needed.

    One that cannot be written (a full disk, a folder of somebody else) is opened for reading.
    Raises LedgerError, and LedgerDamagedError for a file that is to be set aside.
    """
    path = os.path.join(folder, FILE)
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        with _guarded(folder, exclusive=False):
            try:
                return _open(path)
            except sqlite3.OperationalError as error:
                return _open_to_read(path, error)
    except OSError as error:
        raise LedgerError(
            f"cannot use the state folder {folder}: {error.strerror}. {MEND}"
        ) from None
    except sqlite3.Error as error:
        if is_damage(error):
            raise LedgerDamagedError(str(error)) from None
        raise LedgerError(f"cannot use the ledger {path}: {error}. {MEND}") from None


def set_aside(folder: str, inode: int | None) -> str:
    """Rename the damaged file out of the way; answers its new name.

    Empty where another process has done so: the file is not the one of this inode (None: any) any
    more. The log beside it goes first, since SQLite would put it into a new file of that name.
    Raises LedgerError where it cannot be moved.
    """
    path = os.path.join(folder, FILE)
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    try:
        with _guarded(folder, exclusive=True):
            if inode is not None and os.stat(path).st_ino != inode:
                return ""
            aside = f"{path}.damaged-{stamp}"
            number = 1
            while os.path.lexists(aside):
                number += 1
                aside = f"{path}.damaged-{stamp}-{number}"
            for end in ("-wal", "-shm"):
                with suppress(FileNotFoundError):
                    os.rename(path + end, aside + end)
            os.rename(path, aside)
            _forget_older(folder)
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise LedgerError(
            f"the ledger {path} is damaged and cannot be set aside: {error.strerror}. {MEND}"
        ) from None
    return os.path.basename(aside)


def is_damage(error: sqlite3.Error) -> bool:
    """Whether SQLite says by this that the file is broken, or none of its own."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return str(error).startswith("Could not decode")
    return code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


@contextmanager
def decoding() -> Iterator[None]:
    """Around reading rows: what cannot be made sense of is damage."""
    try:
        yield
    except (KeyError, TypeError, ValueError) as error:
        raise LedgerDamagedError(f"a record makes no sense ({error})") from None


def _open(path: str) -> Opened:
    database = sqlite3.connect(
        path, timeout=_WAIT_SECONDS, isolation_level=None, check_same_thread=False
    )
    try:
        _migrate(database, path)
        _use_log(database)
        # A commit survives the end of the process, though not of the machine. The log of a run
        # asks for more; and the file itself is whole in any case.
        database.execute("PRAGMA synchronous = NORMAL")
        return Opened(database, os.stat(path).st_ino)
    except BaseException:
        database.close()
        raise


def _open_to_read(path: str, trouble: sqlite3.OperationalError) -> Opened:
    """The file as it is, where it cannot be opened for writing. Raises sqlite3.Error.

    SQLite reads a write-ahead log by way of a file beside it, which needs a place on the disk.
    Where there is no log the database can be read without.
    """
    if is_damage(trouble) or not os.path.isfile(path):
        raise trouble
    from urllib.parse import quote

    log = f"{path}-wal"
    whole = not os.path.exists(log) or os.path.getsize(log) == 0
    for manner in ("mode=ro", "immutable=1") if whole else ("mode=ro",):
        database = sqlite3.connect(
            f"file:{quote(path)}?{manner}",
            uri=True,
            timeout=_WAIT_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )
        with suppress(sqlite3.OperationalError):
            if _version(database) == len(MIGRATIONS):
                return Opened(database, os.stat(path).st_ino, _why(trouble, path))
        database.close()
    raise trouble


def _why(trouble: sqlite3.OperationalError, path: str) -> str:
    """What is wrong, in words that help: for SQLite a full disk is at times an I/O error."""
    disk = os.statvfs(path)
    return "the disk is full" if disk.f_bavail * disk.f_frsize < _NEEDED_BYTES else str(trouble)


def _version(database: sqlite3.Connection) -> int:
    (version,) = database.execute("PRAGMA user_version").fetchone()
    return int(version)


def _migrate(database: sqlite3.Connection, path: str) -> None:
    version = _version(database)
    if version > len(MIGRATIONS):
        raise LedgerError(
            f"the ledger {path} is of a newer holystone (version {version}; this one knows "
            f"{len(MIGRATIONS)}). Update holystone, or pass another --state folder."
        )
    if version == len(MIGRATIONS):
        return
    database.execute("BEGIN IMMEDIATE")
    try:
        version = _version(database)
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


def _use_log(database: sqlite3.Connection) -> None:
    """Switch to write-ahead logging, for good; one that others are busy with is left as it is.

    SQLite does not wait for them there. The next who opens the file switches it.
    """
    try:
        database.execute("PRAGMA journal_mode = WAL")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
            raise


@contextmanager
def _guarded(folder: str, *, exclusive: bool) -> Iterator[None]:
    """Keep the file from being set aside while it is opened, and from being opened meanwhile.

    Else a process could join the damaged file and the log of the new one. Where the folder cannot
    be locked (some network file systems) nothing is guarded.
    """
    import fcntl

    try:
        guard = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        yield
        return
    try:
        how = fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH
        end = time.monotonic() + _WAIT_SECONDS
        while True:
            try:
                fcntl.flock(guard, how | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end and exclusive:
                    raise
                if time.monotonic() > end:
                    break
                time.sleep(0.01)
            except OSError:
                break
        yield
    finally:
        os.close(guard)


def _forget_older(folder: str) -> None:
    """Delete the oldest of the files that were set aside, so that they do not fill the disk."""
    start = f"{FILE}.damaged-"
    names = sorted(
        name
        for name in os.listdir(folder)
        if name.startswith(start) and not name.endswith(("-wal", "-shm"))
    )
    for name in names[:-_KEPT_ASIDE]:
        for end in ("", "-wal", "-shm"):
            with suppress(FileNotFoundError):
                os.remove(os.path.join(folder, name + end))
