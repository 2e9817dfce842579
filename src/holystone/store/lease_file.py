"""The leases once more, in a plain file beside the database.

Other users read them here: a database of somebody else is not to be opened. And they are still
known where the database is damaged. The database decides; the file is written with it, or neither.
"""

from __future__ import annotations

import json
import os
import sqlite3
import stat
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, NamedTuple

from holystone.planner.usage import Lease
from holystone.store.folder import StoreError, open_folder

NAME = "leases.json"
_NEW = f"{NAME}.new"
_FORMAT = 1
LARGEST = 8_000_000
"""Bytes; a host with more leases than fit into that has something wrong with it."""
_MOST = 20_000
_LONGEST_REFERENCE = 1024
_LONGEST_JOB = 256
_LATEST = 4102444800.0


class Kept(NamedTuple):
    """A lease as it is written down."""

    key: str
    """What it is on, in full."""
    job: str
    written: str
    """The same as the job wrote it."""
    until: float


class Content(NamedTuple):
    """What a file tells."""

    leases: tuple[Kept, ...]
    wrong: int
    """How many entries make no sense."""


class Found(NamedTuple):
    """What is in a file, and by what one sees that it is still the same."""

    mark: tuple[int, ...]
    content: Content


def write(folder: str, leases: Iterable[Kept]) -> None:
    """Replace the file, all of it or nothing. Raises StoreError."""
    told = {
        "format": _FORMAT,
        "leases": [each._replace(job=each.job[:_LONGEST_JOB])._asdict() for each in leases],
    }
    content = f"{json.dumps(told)}\n".encode()
    try:
        with open_folder(folder) as place:
            file = place.open(_NEW, os.O_WRONLY | os.O_CREAT)
            try:
                os.ftruncate(file, 0)
                with os.fdopen(file, "wb", closefd=False) as stream:
                    stream.write(content)
                os.fsync(file)
            finally:
                os.close(file)
            here = place.descriptor
            os.rename(_NEW, NAME, src_dir_fd=here, dst_dir_fd=here)
    except OSError as error:
        raise StoreError(f"cannot write {os.path.join(folder, NAME)}: {error.strerror}.") from None


def publish(connection: sqlite3.Connection, folder: str) -> None:
    """Write the leases of the database into the file. Raises StoreError."""
    rows = connection.execute("SELECT reference, job, written, until FROM lease")
    write(folder, (Kept(*row) for row in rows))


def put_back(connection: sqlite3.Connection, leases: Iterable[Kept]) -> int:
    """Add leases to the database that it does not have; answers how many."""
    sql = "INSERT OR IGNORE INTO lease (reference, job, written, until) VALUES (?, ?, ?, ?)"
    return max(connection.executemany(sql, leases).rowcount, 0)


def sound_rows(connection: sqlite3.Connection) -> list[Kept]:
    """The leases of a damaged database whose types are right. Raises sqlite3.Error."""
    rows = connection.execute("SELECT reference, job, written, until FROM lease").fetchall()
    types = [str, str, str, float]
    return [Kept(*row) for row in rows if [type(each) for each in row] == types]


def read(folder: str) -> Content:
    """What this user's own file tells; nothing where there is none. Raises StoreError."""
    try:
        with open_folder(folder, make=False) as place:
            return parse(_content(place.open(NAME, os.O_RDONLY)))
    except FileNotFoundError:
        return Content((), 0)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise StoreError(f"cannot read {os.path.join(folder, NAME)}: {why}.") from None


def read_of(path: str, uid: int, known: Callable[[tuple[int, ...]], Content | None]) -> Found:
    """What the file of another user tells. Raises OSError, and ValueError with what is wrong.

    It may be anything: it is opened without waiting, and only what that user owns is read.
    ``known`` answers what was read before of a file with this mark.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    before = os.stat(path, follow_symlinks=False)
    # Not so much as opened: what opening does depends on what it is.
    _check(before, uid)
    file = os.open(path, flags)
    try:
        now = os.fstat(file)
        _check(now, uid)
        mark = (now.st_dev, now.st_ino, now.st_mtime_ns, now.st_ctime_ns, now.st_size)
        if (content := known(mark)) is not None:
            return Found(mark, content)
        return Found(mark, parse(_content(os.dup(file))))
    finally:
        os.close(file)


def parse(content: bytes) -> Content:
    """The leases in a file with this content. Raises ValueError where it is not one of ours."""
    try:
        told: Any = json.loads(content)
    except (ValueError, RecursionError):
        raise ValueError("it is not JSON") from None
    ours = isinstance(told, dict) and told.get("format") == _FORMAT
    entries = told.get("leases") if ours else None
    if not isinstance(entries, list):
        raise ValueError("it is not written as this holystone knows it")  # noqa: TRY004
    found = [_entry(each) for each in entries[:_MOST]]
    good = tuple(each for each in found if each is not None)
    return Content(good, len(entries) - len(good))


def as_lease(kept: Kept, user: str = "") -> Lease:
    """The lease as plans take it; ``user`` is whose it is where that is somebody else."""
    return Lease(kept.written, kept.until, kept.job, user)


def _check(found: os.stat_result, uid: int) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise ValueError("it is not a regular file")
    if found.st_uid != uid:
        raise ValueError("it belongs to somebody else")
    if found.st_size > LARGEST:
        raise ValueError(f"it is larger than {LARGEST // 1_000_000} MB")


def _content(file: int) -> bytes:
    """All of a file, which is closed. Raises OSError, ValueError."""
    with os.fdopen(file, "rb") as stream:
        content = stream.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise ValueError(f"it is larger than {LARGEST // 1_000_000} MB")
    return content


def _entry(told: Any) -> Kept | None:
    """One lease, None where it makes no sense."""
    if not isinstance(told, dict):
        return None
    with suppress(KeyError):
        key, job, written, until = (told[name] for name in Kept._fields)
        texts = ((key, _LONGEST_REFERENCE), (job, _LONGEST_JOB), (written, _LONGEST_REFERENCE))
        if not all(isinstance(text, str) and len(text) <= most for text, most in texts):
            return None
        if type(until) not in (int, float) or not 0 <= until <= _LATEST:
            return None
        # A reference has no such characters; of a job they are not worth a lease.
        if not (key.isprintable() and written.isprintable()):
            return None
        return Kept(key, printable(job), written, float(until))
    return None


def printable(text: str) -> str:
    """Text without what moves a cursor or ends a line."""
    return "".join(c if c.isprintable() else "?" for c in text)
