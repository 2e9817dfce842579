"""One run at a time on an engine: a lock that says who holds it.

It is a kernel lock on a file in the state folder. It ends with its holder, even a killed one: a
leftover file blocks no other run.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import pwd
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import NamedTuple, Self
from zlib import crc32

from holystone.outside.text import safe
from holystone.store import LockHeld, StoreError
from holystone.store.folder import open_folder
from holystone.store.records import DONE, RunSummary

_ASK_AGAIN = 0.1
_LONGEST = 4096
_SHOWN = 200
"""Characters of each text about a holder that are kept, and of a job's name."""
_MOST_PIDS = 2**22
_LATEST = 4102444800.0
"""2100: a moment after that is none."""
_CLEANS = ("routine", "weekly", "deep")
"""The runs that take what a routine one would; a repair does not."""
_JOB_VARIABLES = ("CI_JOB_ID", "GITHUB_RUN_ID", "BUILD_TAG")
_NOT_WRITTEN = (errno.ENOSPC, errno.EDQUOT, errno.EBADF, errno.EINVAL, errno.EIO)
"""Errors of a full disk, and of a file of somebody else: who holds the lock is not written down."""


class Holder(NamedTuple):
    """Who holds a lock. Empty or 0 where that is not known."""

    pid: int = 0
    user: str = ""
    command: str = ""
    """What it does: ``clean weekly``."""
    job: str = ""
    since: float = 0.0
    """UTC seconds."""

    def __str__(self) -> str:
        """Who it is in words, without since when."""
        said = f"holystone {safe(self.command)}".rstrip() if self.command else "another run"
        about = [f"process {self.pid}"] if self.pid else []
        about += [f"user {safe(self.user)}"] if self.user else []
        about += [f"job {safe(self.job, _SHOWN)}"] if self.job else []
        return f"{said} ({', '.join(about)})" if about else said


class Held:
    """The lock, until it is released or the process ends."""

    def __init__(self, file: int | None, *, waited: float) -> None:
        self._file = file
        self.waited = waited
        """Seconds until it was free; 0 where it was free at once."""

    @property
    def locked(self) -> bool:
        """False where the folder takes no lock and the run goes on without."""
        return self._file is not None

    def release(self) -> None:
        """Let others have it."""
        file, self._file = self._file, None
        if file is not None:
            _write(file, b"")
            os.close(file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


class HostLock:
    """The lock of one engine in one state folder."""

    def __init__(self, folder: str, engine: str, warn: Callable[[str], None] | None = None) -> None:
        """``engine`` is what tells it from others, as in ``planner.inventory.Engine.lock``."""
        # As runs have the name of their engine.
        engine = engine.encode("utf-8", "backslashreplace").decode()
        # What can be read of the engine's name, and what tells it from others.
        readable = "".join(c if c.isascii() and c.isalnum() else "-" for c in engine)[:80]
        self.folder = folder
        self.name = f"{readable}-{crc32(engine.encode()):08x}.lock"
        self.path = os.path.join(folder, self.name)
        self.warn = warn

    def acquire(
        self,
        command: str,
        *,
        job: str = "",
        wait_seconds: float = 0.0,
        on_wait: Callable[[Holder], None] | None = None,
    ) -> Held:
        """Take the lock, and write down who has it. Raises LockHeld.

        If another run holds it, ``on_wait`` gets the holder once, and this waits at most so long.
        A folder where nothing can be locked is warned of, and nothing is locked.
        """
        started = time.monotonic()
        try:
            file = self._open()
            try:
                waited = _wait(file, started, wait_seconds, on_wait)
            except BaseException:
                os.close(file)
                raise
        except (OSError, StoreError) as error:
            if self.warn is not None:
                why = f"{error.strerror}." if isinstance(error, OSError) else str(error)
                self.warn(
                    f"cannot lock {self.path}: {why} Going on without: another run "
                    "may work on this engine at the same time."
                )
            return Held(None, waited=0.0)
        user = str(os.geteuid())
        with suppress(KeyError):
            user = pwd.getpwuid(os.geteuid()).pw_name
        holder = Holder(os.getpid(), user, _short(command), _short(job), time.time())
        _write(file, json.dumps(holder).encode())
        return Held(file, waited=waited)

    def holder(self) -> Holder | None:
        """Who holds it now; None if it is free or the holder is unknown."""
        try:
            with open_folder(self.folder, make=False) as folder:
                file = folder.open(self.name, os.O_RDONLY)
        except (OSError, StoreError):
            return None
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _read(file)
        except OSError:
            return None
        else:
            return None
        finally:
            os.close(file)

    def _open(self) -> int:
        with open_folder(self.folder) as folder:
            try:
                return folder.open(self.name, os.O_RDWR | os.O_CREAT)
            except PermissionError as error:
                # Somebody else's file can be locked, though not written.
                try:
                    return folder.open(self.name, os.O_RDONLY)
                except FileNotFoundError:
                    raise error from None


def _wait(
    file: int,
    started: float,
    wait_seconds: float,
    on_wait: Callable[[Holder], None] | None,
) -> float:
    """Lock the file; returns how long that took, 0 if it was free."""
    told = False
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            left = wait_seconds - (time.monotonic() - started)
            if left <= 0:
                raise LockHeld(_read(file)) from None
            if not told and on_wait is not None:
                on_wait(_read(file))
            told = True
            time.sleep(min(_ASK_AGAIN, left))
        else:
            return time.monotonic() - started if told else 0.0


def coalesced(last: RunSummary | None, *, level: str, waited_since: float | None) -> bool:
    """Whether a routine run has nothing left to do: it waited, and a run ended while it did.

    ``last`` is the last run on this engine that came to its end, ``waited_since`` when the waiting
    began (UTC seconds), None where the lock was free. What became rubbish after that run looked
    is left for the next one. Where the other run had a selection, it has not done all the work. A
    run with options of its own (``--min-age``, ``--until-free``) does not ask: it wants more than
    any other has done.
    """
    return (
        level == "routine"
        and waited_since is not None
        and last is not None
        and last.level in _CLEANS
        and not any(each.startswith("--only ") for each in last.options or ())
        and last.state == DONE
        and last.failed == last.unknown == 0
        and last.ended is not None
        and last.ended >= waited_since
    )


def ci_job(environ: Mapping[str, str]) -> str:
    """The CI job this process runs for, as GitLab, GitHub or Jenkins name it; else empty.

    Made safe: what a job sets there is shown to others.
    """
    job = next((environ[name] for name in _JOB_VARIABLES if environ.get(name)), "")
    return safe(job, _SHOWN)


def _write(file: int, content: bytes) -> None:
    """Replace what is in the file; where that cannot be, it stays empty."""
    try:
        os.ftruncate(file, 0)
        os.pwrite(file, content, 0)
    except OSError as error:
        if error.errno not in _NOT_WRITTEN:
            raise


def _read(file: int) -> Holder:
    """Who a file says holds the lock: others may write it, so it may say anything."""
    try:
        told = json.loads(os.pread(file, _LONGEST, 0))
    except (OSError, ValueError, RecursionError):
        return Holder()
    if not isinstance(told, list) or [type(each) for each in told] != [int, str, str, str, float]:
        return Holder()
    pid, user, command, job, since = told
    if not 0 <= pid < _MOST_PIDS or not 0 <= since < _LATEST:
        return Holder()
    return Holder(pid, _short(user), _short(command), _short(job), since)


def _short(text: str) -> str:
    return safe(text[:_SHOWN])
