"""Files written whole or not at all, and never through a link: every file a command makes.

Other users may write to the folder too. Through a link that one of them put there, the command
would overwrite another file with the rights of its own user.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

_STREAMS = {"/dev/stdout": 1, "/dev/stderr": 2} | {
    f"{folder}/fd/{number}": number for folder in ("/dev", "/proc/self") for number in (1, 2)
}
"""What can be named in place of a file: the streams of the command itself."""


class Refused(OSError):
    """The file is not written to, as it is no ordinary one. ``strerror`` says why, and the mend."""


def create(path: str, text: str, *, executable: bool = False) -> None:
    """Write a file that is not there yet, and the folders it is in. Raises OSError, ValueError.

    Exclusive: what somebody else writes in this moment stays, and a link is not followed.
    """
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    number = os.open(path, flags)
    try:
        with open(number, "wb") as file:
            _finish(file, text.encode(), _mode(executable=executable))
    except (OSError, ValueError):
        os.unlink(path)
        raise


def replace(path: str, text: str, *, executable: bool = False) -> None:
    """Put a file in the place of another, with the rights of a new one. Raises OSError, ValueError.

    Whoever reads finds the old one or the new one. A link is replaced, and what it leads to stays.
    """
    with _drafted(path) as draft:
        _finish(draft, text.encode(), _mode(executable=executable))


def rewrite(path: str, text: str) -> None:
    """Give a file another content; its rights stay, and its owner where that may be set.

    A link is followed if it leads to a file in the folder of the link. Raises OSError, ValueError.
    """
    home = os.path.join(os.path.realpath(os.path.dirname(path) or "."), "")
    real = os.path.realpath(path)
    if not real.startswith(home):
        raise Refused(errno.ELOOP, f"it is a link to {real}. Name that file itself")
    there = os.stat(real)
    if not stat.S_ISREG(there.st_mode):
        raise Refused(errno.EINVAL, "it is no regular file")
    with _drafted(real) as draft:
        with suppress(OSError):
            os.fchown(draft.fileno(), there.st_uid, there.st_gid)
        _finish(draft, text.encode(), there.st_mode & 0o7777)


def write(path: str, text: str) -> None:
    """Write what a command was asked to put into a file. Raises OSError, ValueError.

    See ``writing``.
    """
    with writing(path) as file:
        file.write(text.encode())


@contextmanager
def writing(path: str) -> Iterator[BinaryIO]:
    """A file to put in this place, or in that of a regular file there, when the block has ended.

    Raises Refused where there is a link, device, pipe or folder, and OSError or ValueError where
    it cannot be written; then what was there stays. ``/dev/stdout`` and ``/dev/stderr`` are the
    streams of this command.
    """
    if path in _STREAMS:
        sys.stdout.flush()
        with open(_STREAMS[path], "wb", closefd=False) as stream:
            yield stream
        return
    refuse(path)
    with _drafted(path) as draft:
        yield draft
        _finish(draft, b"", _mode(executable=False))


def check(path: str) -> None:
    """Raise OSError or ValueError where ``write`` could not put a file here."""
    if path in _STREAMS:
        return
    refuse(path)
    # Only the attempt tells whether a file can be made: rights do not say it all.
    folder, name = os.path.split(path)
    number, draft = tempfile.mkstemp(prefix=f".{name[:100]}.", dir=folder or ".")
    os.close(number)
    os.unlink(draft)


def refuse(path: str) -> None:
    """Raise Refused for what no file is put in the place of."""
    try:
        there = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if stat.S_ISLNK(there):
        raise Refused(
            errno.ELOOP, "it is a symbolic link, which is not followed; name the file itself"
        )
    if stat.S_ISDIR(there):
        raise Refused(errno.EISDIR, "it is a folder")
    if not stat.S_ISREG(there):
        raise Refused(errno.EINVAL, "it is a device, pipe or socket, not a regular file")


@contextmanager
def _drafted(path: str) -> Iterator[BinaryIO]:
    """A new file beside this place that is moved there when the block has ended."""
    folder, name = os.path.split(path)
    number, draft = tempfile.mkstemp(prefix=f".{name[:100]}.", dir=folder or ".")
    try:
        with open(number, "wb") as file:
            yield file
        os.replace(draft, path)
    except BaseException:
        os.unlink(draft)
        raise


def _finish(file: BinaryIO, content: bytes, mode: int) -> None:
    file.write(content)
    file.flush()
    os.fchmod(file.fileno(), mode)


def _mode(*, executable: bool) -> int:
    mask = os.umask(0)
    os.umask(mask)
    return (0o777 if executable else 0o666) & ~mask & 0o755
