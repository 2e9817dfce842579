"""When the jobs of the agent's schedule last began, so that a missed one is caught up once."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from holystone.store.schema import decoding


class Served(NamedTuple):
    """The latest run of a job by the schedule; UTC seconds."""

    due: float
    """The due time that it was for."""
    began: float


def recall(database: sqlite3.Connection, engine: str) -> dict[str, Served]:
    """What is known of each job on this host, by name."""
    with decoding(database, "scheduled"):
        rows = database.execute("SELECT job, due, began FROM scheduled WHERE engine = ?", (engine,))
        return {str(job): Served(float(due), float(began)) for job, due, began in rows}


def remember(database: sqlite3.Connection, engine: str, job: str, due: float, began: float) -> None:
    """Keep this run of a job in place of the one before."""
    database.execute(
        "INSERT OR REPLACE INTO scheduled VALUES (?, ?, ?, ?)", (engine, job, due, began)
    )


def forget(database: sqlite3.Connection, engine: str, job: str) -> None:
    """Forget a job that the schedule no longer has: it is not caught up when it comes back."""
    database.execute("DELETE FROM scheduled WHERE engine = ? AND job = ?", (engine, job))
