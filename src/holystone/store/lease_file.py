"""A copy of the leases in a plain file beside the database; and the leases of other users.

Other users read the file, since they must not open this user's database. It also keeps the leases
if the database is damaged. The database decides; both are written, or neither.

The files of others are looked for in root's folder; in the usual one below the home folder of each
user that the passwd database lists; and below each folder in ``/home``. A user who names another
folder is not found.
"""

from __future__ import annotations

import json
import os
import pwd
import sqlite3
import stat
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any, NamedTuple

from holystone.planner.usage import Lease
from holystone.store import StoreError
from holystone.store.folder import OF_A_USER, OF_ROOT, open_folder, replace_file, user_name

NAME = "leases.json"
_FORMAT = 1
_LARGEST = 8_000_000
"""Bytes; a host with more leases than fit into that has something wrong with it."""
_TOO_LARGE = f"it is larger than {_LARGEST // 1_000_000} MB"
_MOST = 20_000
_LONGEST_REFERENCE = 1024
_LONGEST_JOB = 256
_LATEST = 4102444800.0
_ROWS = "SELECT reference, job, written, until FROM lease"
_LASTS = 31 * 86400.0
"""Seconds: a lease of somebody else that ends later was not given by holystone."""
_PATIENCE = 3.0
"""Seconds for a look at all others: a home folder may be on a server that does not answer."""


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


def publish(connection: sqlite3.Connection, folder: str) -> None:
    """Write the leases of the database into the file, all or nothing. Raises StoreError."""
    rows = (Kept(*row) for row in connection.execute(_ROWS))
    leases = [each._replace(job=each.job[:_LONGEST_JOB])._asdict() for each in rows]
    content = f"{json.dumps({'format': _FORMAT, 'leases': leases})}\n".encode()
    replace_file(folder, NAME, content)


def put_back(connection: sqlite3.Connection, leases: Iterable[Kept]) -> int:
    """Add leases to the database that it does not have; answers how many."""
    sql = "INSERT OR IGNORE INTO lease (reference, job, written, until) VALUES (?, ?, ?, ?)"
    return max(connection.executemany(sql, leases).rowcount, 0)


def sound_rows(connection: sqlite3.Connection) -> list[Kept]:
    """The leases of a damaged database whose types are right. Raises sqlite3.Error."""
    rows = connection.execute(_ROWS).fetchall()
    types = [str, str, str, float]
    return [Kept(*row) for row in rows if [type(each) for each in row] == types]


def read(folder: str) -> Content:
    """What this user's own file tells; nothing where there is none. Raises StoreError."""
    try:
        with open_folder(folder, make=False) as place:
            return _parsed(place.open(NAME, os.O_RDONLY))
    except FileNotFoundError:
        return Content((), 0)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise StoreError(f"cannot read {os.path.join(folder, NAME)}: {why}.") from None


def _parsed(file: int) -> Content:
    """The leases in an open file, which is closed. Raises OSError; ValueError if it is not ours."""
    with os.fdopen(file, "rb") as stream:
        content = stream.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise ValueError(_TOO_LARGE)
    try:
        told: Any = json.loads(content)
    except (ValueError, RecursionError):
        raise ValueError("it is not JSON") from None
    ours = isinstance(told, dict) and told.get("format") == _FORMAT
    entries = told.get("leases") if ours else None
    if not isinstance(entries, list):
        raise ValueError("it is not written as this holystone knows it")  # noqa: TRY004
    good = tuple(each for each in map(_entry, entries[:_MOST]) if each is not None)
    return Content(good, len(entries) - len(good))


def _entry(told: Any) -> Kept | None:
    """One lease, None where it makes no sense."""
    if not isinstance(told, dict) or not told.keys() >= set(Kept._fields):
        return None
    key, job, written, until = (told[name] for name in Kept._fields)
    texts = ((key, _LONGEST_REFERENCE), (job, _LONGEST_JOB), (written, _LONGEST_REFERENCE))
    if not all(isinstance(text, str) and len(text) <= most for text, most in texts):
        return None
    if type(until) not in (int, float) or not 0 <= until <= _LATEST:
        return None
    # A reference has no such characters; of a job they are not worth a lease.
    if not (key.isprintable() and written.isprintable()):
        return None
    return Kept(key, _printable(job), written, float(until))


def _printable(text: str) -> str:
    """Text without what moves a cursor or ends a line."""
    return "".join(c if c.isprintable() else "?" for c in text)


class Others:
    """What the other users of the machine have leased. Never fails; says once what it left out."""

    def __init__(self, own: str, warn: Callable[[str], None]) -> None:
        """``own`` is the state folder that is read anyway."""
        self._own = os.path.realpath(own) if own else ""
        self._warn = warn
        self._read: dict[str, tuple[tuple[int, ...], Content]] = {}
        """What each file held, and by what one sees that it is still the same."""
        self._told: set[str] = set()
        self._files: list[tuple[str, int]] | None = None
        self._leases: tuple[Lease, ...] = ()
        self._stuck = False

    def current(self, now: float) -> tuple[Lease, ...]:
        """Those that have not ended, the first to end first."""
        if not self._stuck:
            # In a separate thread: a folder of another user must not delay a clean.
            looking = threading.Thread(target=self._look, args=(now,), daemon=True)
            looking.start()
            looking.join(_PATIENCE)
            if looking.is_alive():
                self._stuck = True
                self._say("the leases of other users take too long to read and may not all count.")
        return tuple(each for each in self._leases if each.until > now)

    def _look(self, now: float) -> None:
        if self._files is None:
            self._files = list(files(self._own))
        found = [lease for path, uid in self._files for lease in self._of(path, uid, now)]
        self._leases = tuple(sorted(found, key=lambda lease: (lease.until, lease.reference)))

    def _of(self, path: str, uid: int, now: float) -> list[Lease]:
        try:
            content = self._content(path, uid)
        except OSError:
            # There are none, or they are not for this user to read.
            return []
        except ValueError as fault:
            self._say(f"the leases in {path} do not count: {fault}.")
            return []
        good = [each for each in content.leases if each.until <= now + _LASTS]
        wrong = content.wrong + len(content.leases) - len(good)
        if wrong:
            self._say(f"{wrong} of the leases in {path} make no sense and do not count.")
        whose = user_name(uid, number=False)
        return [Lease(each.written, each.until, each.job, whose) for each in good]

    def _content(self, path: str, uid: int) -> Content:
        """What is in a file, which may be anything. Raises OSError, ValueError.

        It is opened without waiting, and only what that user owns is read.
        """
        # Not so much as opened: what opening does depends on what it is.
        _check(os.stat(path, follow_symlinks=False), uid)
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        file = os.open(path, flags)
        try:
            now = os.fstat(file)
            _check(now, uid)
            mark = (now.st_dev, now.st_ino, now.st_mtime_ns, now.st_ctime_ns, now.st_size)
            known, content = self._read.get(path, ((), Content((), 0)))
            if known != mark:
                content = _parsed(os.dup(file))
                self._read[path] = mark, content
        finally:
            os.close(file)
        return content

    def _say(self, message: str) -> None:
        if message not in self._told:
            self._told.add(message)
            self._warn(_printable(message))


def _check(found: os.stat_result, uid: int) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise ValueError("it is not a regular file")
    if found.st_uid != uid:
        raise ValueError("it belongs to somebody else")
    if found.st_size > _LARGEST:
        raise ValueError(_TOO_LARGE)


def files(own: str) -> Iterator[tuple[str, int]]:
    """The files in which other users may keep leases, each once, with the user's number."""
    for folder, uid in dict.fromkeys(_folders()):
        if uid != os.geteuid() and os.path.realpath(folder) != own:
            yield os.path.join(folder, NAME), uid


def _folders() -> Iterator[tuple[str, int]]:
    yield OF_ROOT, 0
    for user in pwd.getpwall():
        if os.path.isabs(user.pw_dir):
            yield os.path.join(user.pw_dir, OF_A_USER), user.pw_uid
    with suppress(OSError), os.scandir("/home") as homes:
        for home in homes:
            with suppress(OSError):
                if uid := home.stat(follow_symlinks=False).st_uid:
                    yield os.path.join(home.path, OF_A_USER), uid
