"""Read a regular file of at most so many bytes: nothing blocks, and nothing fills the memory.

The name of a file can lead, also by an attack, to a FIFO without a writer, an endless device or a
socket.
"""

from __future__ import annotations

import os
import stat
from typing import BinaryIO

_KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


class NotRegular(ValueError):
    """What has this name is no regular file, or too large; the message says which."""


def open_regular(path: str) -> BinaryIO:
    """A regular file, open for reading. Raises OSError and NotRegular.

    A link is followed, for people keep their configuration behind links. It is looked at before it
    is opened, since to open a FIFO wakes its writer, and a device may do anything; and afterwards,
    since it may have been replaced.
    """
    _check(os.stat(path))
    number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        _check(os.fstat(number))
        return open(number, "rb")
    except BaseException:
        os.close(number)
        raise


def read_regular(path: str, most: int) -> bytes:
    """The bytes of a regular file of at most ``most``. Raises OSError and NotRegular."""
    with open_regular(path) as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise NotRegular(f"it is larger than {_size(most)}")
    return content


def _check(found: os.stat_result) -> None:
    if stat.S_ISREG(found.st_mode):
        return
    what = next((name for test, name in _KINDS if test(found.st_mode)), "something else")
    raise NotRegular(f"it is {what}, not a regular file")


def _size(count: int) -> str:
    return f"{count // 1_000_000} MB" if count >= 1_000_000 else f"{count} bytes"
