"""``alerts.json`` in the state folder: which alerts are firing, and the messages not delivered yet.

Both are in one file, so that a restart neither sends a message twice nor loses one.
"""

from __future__ import annotations

import json
import os
from typing import Any, NamedTuple

from holystone.store import StoreError
from holystone.store.folder import open_folder, replace_file

NAME = "alerts.json"
_FORMAT = 1
_LARGEST = 8_000_000


class Kept(NamedTuple):
    """What the file tells, as JSON has it and unchecked."""

    firing: Any = None
    waiting: Any = None


def write(folder: str, kept: Kept) -> None:
    """Put it into the file, all or nothing. Raises StoreError."""
    content = f"{json.dumps({'format': _FORMAT} | kept._asdict())}\n".encode()
    replace_file(folder, NAME, content)


def read(folder: str) -> Kept:
    """What is in the file; nothing where there is none. Raises StoreError."""
    path = os.path.join(folder, NAME)
    try:
        with open_folder(folder, make=False) as place:
            file = place.open(NAME, os.O_RDONLY)
            with os.fdopen(file, "rb") as stream:
                content = stream.read(_LARGEST + 1)
    except FileNotFoundError:
        return Kept()
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror}.") from None
    try:
        told: Any = json.loads(content)
    except (RecursionError, ValueError):
        told = None
    ours = isinstance(told, dict) and told.get("format") == _FORMAT
    if len(content) > _LARGEST or not ours:
        raise StoreError(
            f"{path} is not what holystone wrote. It is written anew; alerts may be sent again."
        )
    return Kept(told.get("firing"), told.get("waiting"))
