"""Look below what is mounted on a file system, without a change to any mount: open_tree(2).

The kernel makes a copy of one mount that is attached nowhere: nobody else can see it, and it is
gone when it is closed. What is mounted below is not part of the copy.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager

_OPEN_TREE = 428
"""The number of the system call, the same on all architectures that Docker runs on."""
_CLONE = 1
_AT_FDCWD = -100
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def uncovered(top: str) -> Iterator[int]:
    """A descriptor of this folder with nothing mounted below it, open within the context.

    Raises OSError: it takes Linux 5.2 and the right to mount (``CAP_SYS_ADMIN``).
    """
    libc = ctypes.CDLL(None, use_errno=True)
    path = ctypes.c_char_p(os.fsencode(top))
    descriptor = libc.syscall(_OPEN_TREE, _AT_FDCWD, path, _CLONE | os.O_CLOEXEC)
    if descriptor < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), top)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def folder_in(descriptor: int, path: str) -> Iterator[str]:
    """A path by which a folder below the open one can be read, within the context.

    ``path`` is relative. No link in it is followed. Raises OSError.
    """
    current = os.dup(descriptor)
    try:
        for name in path.split("/"):
            inner = os.open(name, _FOLDER, dir_fd=current)
            os.close(current)
            current = inner
        yield f"/proc/self/fd/{current}"
    finally:
        os.close(current)
