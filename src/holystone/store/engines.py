"""What an engine said of itself, kept where it takes the engine long to say: Podman's ``/info``.

It is kept by a mark that changes with the engine: see ``mark``.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Mapping
from typing import Any

from holystone.store.schema import decoding

_KEPT_FOR = 86400.0
"""Seconds after which the engine is asked again."""
_KEYS = ("Driver", "DockerRootDir", "Name")
"""What is needed to tell an engine from others, and where its data is."""


def mark(path: str, version: str) -> str:
    """What an engine of this version on this socket is known by; empty where that cannot be told.

    A service that is started again makes its socket anew.
    """
    try:
        found = os.stat(path)
    except OSError:
        return ""
    return f"{os.path.abspath(path)} {found.st_dev} {found.st_ino} {found.st_ctime_ns} {version}"


def recall(database: sqlite3.Connection, of: str, now: float) -> dict[str, Any] | None:
    """What the engine of this mark said of itself within a day; None where it did not."""
    with decoding(database, "engine"):
        row = database.execute(
            "SELECT info FROM engine WHERE mark = ? AND at > ? AND at <= ?",
            (of, now - _KEPT_FOR, now),
        ).fetchone()
        told = json.loads(row[0]) if row else None
    return told if isinstance(told, dict) else None


def keep(database: sqlite3.Connection, of: str, info: Mapping[str, Any], now: float) -> None:
    """Remember what the engine of this mark said, and forget what is older than a day."""
    database.execute("DELETE FROM engine WHERE at <= ? OR at > ?", (now - _KEPT_FOR, now))
    told = json.dumps({key: info[key] for key in _KEYS if isinstance(info.get(key), str)})
    database.execute("INSERT OR REPLACE INTO engine VALUES (?, ?, ?)", (of, told, now))
