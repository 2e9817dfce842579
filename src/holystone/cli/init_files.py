"""The files that ``holystone init`` writes: what becomes of each, and the yes to replace one."""

from __future__ import annotations

import argparse
import os
import sys
from typing import NamedTuple

from holystone.cli.ci_files import File, Target, text, used
from holystone.cli.session import Failure
from holystone.cli.writing import create, replace
from holystone.outside.regular_file import NotRegular, read_regular
from holystone.outside.text import safe
from holystone.present import terminal

WRITE = "write"
REPLACE = "replace"
UNCHANGED = "unchanged"
_LARGEST = 10_000_000
"""Bytes of a file that is there already."""
LEAVE = "leave"
"""The repository has one of its own, and that stays as it is."""


class Change(NamedTuple):
    """What becomes of one file."""

    file: File
    path: str
    action: str
    text: str


def changes(target: Target, folder: str, command: str) -> list[Change]:
    """What becomes of each file. Raises Failure."""
    mark = used(target, folder)
    made = []
    for file in target.files:
        path = os.path.join(folder, file.path)
        body = text(target, file, command)
        if file.example and mark and not os.path.lexists(path):
            action, path = LEAVE, os.path.join(folder, mark)
        elif not os.path.lexists(path):
            action = WRITE
        elif _read(path) == body:
            action = UNCHANGED
        else:
            action = LEAVE if file.example else REPLACE
        made.append(Change(file, path, action, body))
    return made


def _read(path: str) -> str | None:
    """What is in a file; None where that is no text. Raises Failure where it cannot be read."""
    try:
        return read_regular(path, _LARGEST).decode("utf-8")
    except UnicodeDecodeError:
        return None
    except NotRegular as error:
        raise Failure(f"cannot read {path!r}: {error}. Nothing was written.") from None
    except FileNotFoundError:
        return None  # A link that leads nowhere: replacing it is for the user to say.
    except OSError as error:
        raise _cannot("read", path, error) from None


def agree(changes: list[Change], options: argparse.Namespace) -> None:
    """Ask before files are replaced. Raises Failure without a yes."""
    paths = [change.path for change in changes if change.action == REPLACE]
    if not paths or options.force:
        return
    errors = terminal.open_output(sys.stderr, os.environ, color=options.color)
    asks = sys.stdin is not None and sys.stdin.isatty() and errors.interactive
    names = ", ".join(map(repr, paths))
    if options.json or not asks:
        raise Failure(
            f"{names} exists and is different. Nothing was written; --force replaces it."
            if len(paths) == 1
            else f"{names} exist and are different. Nothing was written; --force replaces them."
        )
    sys.stderr.write(f"Replace {safe(names)}? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise Failure("nothing was written")


def write(change: Change) -> None:
    """Write one file, whole or not at all. Raises Failure."""
    put = replace if change.action == REPLACE else create
    try:
        put(change.path, change.text, executable=change.file.executable)
    except (OSError, ValueError) as error:
        raise _cannot("write", change.path, error) from None


def _cannot(verb: str, path: str, error: Exception) -> Failure:
    said = getattr(error, "strerror", None) or str(error)
    return Failure(f"cannot {verb} {path!r}: {said.lower()}. Name another folder with --into.")
