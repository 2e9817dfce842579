"""Leases: a job reserves an image, and no clean removes it meanwhile."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Collection, Sequence

from holystone.planner.reference import InvalidReference, parse
from holystone.planner.usage import Lease
from holystone.store import lease_file
from holystone.store.database import Database
from holystone.store.schema import check, decoding

LONGEST = 30 * 86400.0
"""Seconds a lease can be given for: one that is forgotten must end some day."""
_ID = "sha256:[0-9a-f]{12,64}|[0-9a-f]{64}"


class Leases:
    """The leases in a ledger. They count for every engine it is used with."""

    def __init__(self, store: Database) -> None:
        self.store = store
        self.others = lease_file.Others(store.folder, store.warn)

    def add(self, references: Sequence[str], *, until: float, job: str, now: float) -> list[Lease]:
        """Give a job leases on these images until then; answers them as they are now.

        A job that has one already keeps the later end: jobs that have no name must not shorten one
        another's. Raises StoreError, and InvalidReference where one is no reference.
        """
        rows = [(key_of(text), job, text, until) for text in references]
        sql = (
            "INSERT INTO lease VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE"
            " SET until = max(until, excluded.until), written = excluded.written"
            " RETURNING written, until, job"
        )
        return self._change(
            lambda database: [_lease(database.execute(sql, row).fetchone()) for row in rows], now
        )

    def release(self, references: Collection[str], *, job: str | None, now: float) -> list[Lease]:
        """End leases: on these images or, where none are given, on all; of this job (None: any).

        Answers those it ended. Raises StoreError, and InvalidReference.
        """
        keys = {key_of(text) for text in references}

        def end(database: sqlite3.Connection) -> list[Lease]:
            rows = database.execute("SELECT reference, job, written, until, job FROM lease")
            ended = [
                row
                for row in rows.fetchall()
                if (not keys or row[0] in keys) and job in (None, row[1])
            ]
            sql = "DELETE FROM lease WHERE reference = ? AND job = ?"
            database.executemany(sql, [row[:2] for row in ended])
            return [_lease(row[2:]) for row in ended]

        return self._change(end, now) if self.store.exists() else []

    def _change(
        self, action: Callable[[sqlite3.Connection], list[Lease]], now: float
    ) -> list[Lease]:
        def write(database: sqlite3.Connection) -> list[Lease]:
            check(database, "lease")
            database.execute("DELETE FROM lease WHERE until <= ?", (now,))
            changed = action(database)
            lease_file.publish(database, self.store.folder)
            return changed

        return self.store.write(write)

    def list(self, now: float) -> Sequence[Lease]:
        """The leases that have not ended, the first to end first. Raises StoreError.

        With those of other users, where they can be read.
        """
        own: list[Lease] = self.store.read(lambda database: _current(database, now), [])
        return sorted([*own, *self.others.current(now)], key=lambda lease: lease.until)

    def current(self, now: float) -> tuple[Lease, ...]:
        """The leases that have not ended; none, with a warning, where the ledger fails.

        With those of other users, where they can be read. Reads the file anew in some 20
        microseconds, and looks whether one of the others changed, so it can be asked before each
        removal.
        """
        own: list[Lease] = self.store.try_read(lambda database: _current(database, now), [])
        return (*own, *self.others.current(now))


def key_of(text: str) -> str:
    """What a lease is on: the reference in full, or an image ID. Raises InvalidReference."""
    if re.fullmatch(_ID, text):
        return f"sha256:{text.removeprefix('sha256:')}"
    if re.fullmatch("[0-9a-f]{4,64}", text) and not text.isalpha():
        raise InvalidReference(
            f"{text!r} may be the beginning of an image ID or a name. Write the whole ID (or "
            f"sha256: and 12 of its characters), or the name with its tag: {text}:latest"
        )
    try:
        reference = parse(text).complete
    except InvalidReference as fault:
        raise InvalidReference(
            f"{fault}. Name an image by reference (python:3.12-slim) or by its whole ID"
        ) from None
    # The digest alone decides what is meant by "name:tag@digest".
    return str(reference._replace(tag="") if reference.digest else reference)


def _current(database: sqlite3.Connection, now: float) -> list[Lease]:
    with decoding(database, "lease"):
        rows = database.execute(
            "SELECT written, until, job FROM lease WHERE until > ? ORDER BY until, reference, job",
            (now,),
        )
        return [_lease(row) for row in rows]


def _lease(row: Sequence[object]) -> Lease:
    written, until, job = row
    # RETURNING gives a whole number as an integer, for any type of column.
    if not (isinstance(written, str) and isinstance(until, float | int) and isinstance(job, str)):
        raise TypeError(f"lease {written!r}")
    return Lease(written, float(until), job)
