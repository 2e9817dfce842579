"""Which references are asked for together, apart for each engine (``planner.company``)."""

from __future__ import annotations

import json
import sqlite3
from collections import deque
from collections.abc import Collection, Mapping, Sequence

from holystone.planner.company import TOGETHER, Company, Followers
from holystone.planner.usage import SAME_USE
from holystone.store.schema import decoding
from holystone.usage.sighting import Sighting


def recall(database: sqlite3.Connection, engine: str) -> dict[str, Followers]:
    """What was used soon after each reference."""
    with decoding(database, "company"):
        rows = database.execute(
            "SELECT reference, uses, followers FROM company WHERE engine = ?", (engine,)
        )
        return {reference: _followers(uses, text) for reference, uses, text in rows}


def recent(database: sqlite3.Connection, engine: str, since: float) -> dict[str, float]:
    """The references whose latest use began since then, each with when."""
    with decoding(database, "used"):
        rows = database.execute(
            "SELECT id, coalesce(began, last) FROM used"
            " WHERE engine = ? AND kind = 'reference' AND last >= ?",
            (engine, since),
        )
        # A damaged index gives rows that the table does not have.
        return {name: float(at) for name, at in rows if isinstance(name, str) and at >= since}


def remember(
    database: sqlite3.Connection,
    engine: str,
    counted: Sequence[Sighting],
    before: Mapping[str, float],
) -> None:
    """Add uses, in order of time; ``before`` has when the latest ones began until then.

    Of those it must have all that are less than ``TOGETHER`` before the first, and those of the
    references that are used.
    """
    latest = dict(before)
    since = counted[0].at - TOGETHER
    names = {each.reference for each in counted} | {n for n, at in latest.items() if at >= since}
    company = Company(_known(database, engine, names))
    company.recent = deque(sorted((at, name) for name, at in latest.items() if at >= since))
    changed: set[str] = set()
    for sighting in counted:
        last = latest.get(sighting.reference, 0.0)
        # What only had to be pulled again is no use of its own.
        if last and sighting.at < last + SAME_USE:
            continue
        changed.update(company.used(sighting.reference, sighting.at, last))
        latest[sighting.reference] = sighting.at
    database.executemany(
        "INSERT OR REPLACE INTO company VALUES (?, ?, ?, ?)",
        ((engine, name, *_row(company.followers(name))) for name in sorted(changed)),
    )


def forget(database: sqlite3.Connection, engine: str) -> None:
    """Forget what came after references that are not remembered any more."""
    database.execute(
        "DELETE FROM company WHERE engine = ?1 AND reference NOT IN"
        " (SELECT id FROM used WHERE engine = ?1 AND kind = 'reference')",
        (engine,),
    )


def _known(
    database: sqlite3.Connection, engine: str, names: Collection[str]
) -> dict[str, Followers]:
    known = {}
    with decoding(database, "company"):
        for name in names:
            row = database.execute(
                "SELECT uses, followers FROM company WHERE engine = ? AND reference = ?",
                (engine, name),
            ).fetchone()
            if row is not None:
                known[name] = _followers(*row)
    return known


def _followers(uses: object, text: str) -> Followers:
    """Raises ValueError or TypeError."""
    counts = {str(name): float(count) for name, count in json.loads(text).items()}
    return Followers(float(uses), counts)  # type: ignore[arg-type]


def _row(followers: Followers) -> tuple[float, str]:
    return followers.uses, json.dumps(dict(followers.counts), separators=(",", ":"))
