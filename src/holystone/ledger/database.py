"""The SQLite file: where it is, its schema, and opening it.

``PRAGMA user_version`` counts the migrations a file has been through. Readers and a writer do not
wait for one another (write-ahead log); a second writer waits up to five seconds.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping

FILE = "holystone.db"
MEND = "Pass another --state folder, or set HOLYSTONE_STATE."
_WAIT_SECONDS = 5.0

MIGRATIONS = (
    """
    CREATE TABLE image (
        engine TEXT NOT NULL,
        image_id TEXT NOT NULL,
        first_seen REAL NOT NULL,
        last_tagged REAL,
        buildkit INTEGER NOT NULL,
        inspected INTEGER NOT NULL,
        exact INTEGER NOT NULL,
        depth INTEGER,
        top INTEGER,
        PRIMARY KEY (engine, image_id)
    ) WITHOUT ROWID;
    CREATE TABLE layer (
        id INTEGER PRIMARY KEY,
        engine TEXT NOT NULL,
        chain_id TEXT NOT NULL,
        diff_id TEXT NOT NULL,
        below INTEGER,
        size INTEGER,
        UNIQUE (engine, chain_id)
    );
    """,
)
"""One script a version. ``image.top`` is the layer on top of an image's stack, ``layer.below``
the one under it; a layer's size and an image's depth are null until they were weighed."""


class LedgerError(Exception):
    """The ledger cannot be used; the message says why and what to do."""


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


def open_database(folder: str) -> sqlite3.Connection:
    """The ledger in this folder, made or brought up to date as needed. Raises LedgerError."""
    path = os.path.join(folder, FILE)
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        database = sqlite3.connect(path, timeout=_WAIT_SECONDS, isolation_level=None)
        try:
            _migrate(database, path)
            _use_log(database)
        except BaseException:
            database.close()
            raise
    except OSError as error:
        raise LedgerError(
            f"cannot use the state folder {folder}: {error.strerror}. {MEND}"
        ) from None
    except sqlite3.Error as error:
        raise LedgerError(f"cannot use the ledger {path}: {error}. {MEND}") from None
    return database


def _migrate(database: sqlite3.Connection, path: str) -> None:
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if version > len(MIGRATIONS):
        raise LedgerError(
            f"the ledger {path} is of a newer holystone (version {version}; this one knows "
            f"{len(MIGRATIONS)}). Update holystone, or pass another --state folder."
        )
    if version == len(MIGRATIONS):
        return
    database.execute("BEGIN IMMEDIATE")
    try:
        (version,) = database.execute("PRAGMA user_version").fetchone()
        for number, script in enumerate(MIGRATIONS[version:], start=version + 1):
            for statement in script.split(";"):
                if statement.strip():
                    database.execute(statement)
            database.execute(f"PRAGMA user_version = {number}")
        database.execute("COMMIT")
    except BaseException:
        database.execute("ROLLBACK")
        raise


def _use_log(database: sqlite3.Connection) -> None:
    """Switch to write-ahead logging, for good; one that others are busy with is left as it is.

    SQLite does not wait for them there. The next who opens the file switches it.
    """
    try:
        database.execute("PRAGMA journal_mode = WAL")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
            raise
