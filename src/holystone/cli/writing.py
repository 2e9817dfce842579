"""Files written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress


def create(path: str, text: str, *, executable: bool = False) -> None:
    """Write a file that is not there yet, and the folders it is in. Raises OSError, ValueError.

    Exclusive: what somebody else writes in this moment stays.
    """
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC)
    _fill(number, path, text, _mode(executable=executable))


def replace(path: str, text: str, *, executable: bool = False) -> None:
    """Put a file in the place of another, with the rights of a new one. Raises OSError, ValueError.

    Whoever reads finds the old one or the new one.
    """
    _put(path, text, _mode(executable=executable))


def rewrite(path: str, text: str) -> None:
    """Give a file another content; its rights stay, and its owner where that may be set.

    Raises OSError, ValueError.
    """
    path = os.path.realpath(path)
    there = os.stat(path)
    _put(path, text, there.st_mode & 0o7777, (there.st_uid, there.st_gid))


def _put(path: str, text: str, mode: int, owner: tuple[int, int] | None = None) -> None:
    folder, name = os.path.split(path)
    number, draft = tempfile.mkstemp(prefix=f".{name}.", dir=folder or ".")
    if owner is not None:
        with suppress(OSError):
            os.fchown(number, *owner)
    _fill(number, draft, text, mode)
    try:
        os.replace(draft, path)
    except OSError:
        os.unlink(draft)
        raise


def _fill(number: int, path: str, text: str, mode: int) -> None:
    """Write the text to an open file; where that fails the file is gone."""
    try:
        with open(number, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            os.fchmod(number, mode)
    except (OSError, ValueError):
        os.unlink(path)
        raise


def _mode(*, executable: bool) -> int:
    mask = os.umask(0)
    os.umask(mask)
    return (0o777 if executable else 0o666) & ~mask
