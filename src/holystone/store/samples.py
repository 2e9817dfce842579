"""Samples of a host's disk and of its objects: one a minute for a day, one an hour for a year."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

from holystone.store.schema import decoding, record

MINUTE, HOUR = 60, 3600
"""The steps between samples, in seconds."""
_KEPT_FOR = {MINUTE: 86400, HOUR: 366 * 86400}


class Sample(NamedTuple):
    """The host at one moment. Sizes are bytes; None where it was not known."""

    at: float
    """UTC seconds."""
    total: int | None = None
    free: int | None = None
    images: int | None = None
    containers: int | None = None
    cache: int | None = None
    volumes: int | None = None
    available: int | None = None
    """What was free, and what a clean for space could have freed at most."""


_FIELDS = ", ".join(Sample._fields)
_MARKS = ", ".join(f":{name}" for name in Sample._fields)


def remember(database: sqlite3.Connection, engine: str, sample: Sample) -> None:
    """Add a sample, and forget those that are too old. The last of an hour stands for that hour."""
    for span, kept in _KEPT_FOR.items():
        at = int(sample.at // span) * span
        row = {**sample._asdict(), "at": at, "engine": engine, "span": span}
        database.execute(
            f"INSERT OR REPLACE INTO sample (engine, span, {_FIELDS})"  # noqa: S608 - our own
            f" VALUES (:engine, :span, {_MARKS})",
            row,
        )
        database.execute(
            "DELETE FROM sample WHERE engine = ? AND span = ? AND at < ?", (engine, span, at - kept)
        )


def recall(
    database: sqlite3.Connection, engine: str, span: int, since: float = 0.0
) -> Sequence[Sample]:
    """The samples of this step (``MINUTE`` or ``HOUR``) since then, the oldest first."""
    with decoding(database, "sample"):
        rows = database.execute(
            f"SELECT {_FIELDS} FROM sample"  # noqa: S608 - our own
            " WHERE engine = ? AND span = ? AND at >= ? ORDER BY at",
            (engine, span, since),
        )
        return [record(Sample, row) for row in rows]
