"""Runs that ended without a word: their account is settled by what is left of their objects."""

from __future__ import annotations

import sqlite3

from holystone.core.inventory import Inventory
from holystone.core.usage import Key
from holystone.ledger.records import FAILED, KILLED, REMOVED, RUNNING

FOUND_GONE = "it was gone when the next run looked: this run was killed before it could tell"
NOT_TRIED = "not tried: the run was killed"


def settle(database: sqlite3.Connection, batch: list[tuple[str, str, float, int, int]]) -> None:
    """Write what became of steps: for each the result, why, when, its run and its place in it."""
    database.executemany(
        "UPDATE removal SET result = ?, detail = ?, at = ? WHERE run = ? AND place = ?", batch
    )


def close_killed(database: sqlite3.Connection, engine: str, inventory: Inventory) -> None:
    """Close the runs of this engine that never ended, by what is still there of their steps."""
    open_runs = database.execute(
        "SELECT id, started FROM run WHERE engine = ? AND state = ?", (engine, RUNNING)
    ).fetchall()
    if not open_runs:
        return
    present = _every_key(inventory)
    for run_id, started in open_runs:
        unsettled = database.execute(
            "SELECT place, kind, id FROM removal WHERE run = ? AND result = ''", (run_id,)
        ).fetchall()
        settle(
            database,
            [
                (FAILED, NOT_TRIED, inventory.taken_at, run_id, place)
                if (kind, object_id) in present
                else (REMOVED, FOUND_GONE, inventory.taken_at, run_id, place)
                for place, kind, object_id in unsettled
            ],
        )
        removed, skipped, failed, freed, _ = counts(database, run_id)
        (heard,) = database.execute(
            "SELECT max(at) FROM removal WHERE run = ? AND detail NOT IN (?, ?)",
            (run_id, FOUND_GONE, NOT_TRIED),
        ).fetchone()
        database.execute(
            "UPDATE run SET ended = ?, state = ?, interrupted = ?, freed_bytes = ?, removed = ?,"
            " skipped = ?, failed = ? WHERE id = ?",
            (heard or started, KILLED, KILLED, freed, removed, skipped, failed, run_id),
        )


def _every_key(inventory: Inventory) -> set[Key]:
    keys = {("container", container.id) for container in inventory.containers}
    keys.update(("image", image.id) for image in inventory.images)
    keys.update(("cache", record.id) for record in inventory.cache)
    keys.update(("volume", volume.name) for volume in inventory.volumes)
    keys.update(("network", network.id) for network in inventory.networks)
    return keys


def counts(database: sqlite3.Connection, run_id: int) -> tuple[int, int, int, int, float | None]:
    """Removed, skipped, failed; the bytes planned of what was removed; and the last moment."""
    removed, skipped, failed, freed, heard = database.execute(
        "SELECT count(*) FILTER (WHERE result = 'removed'),"
        " count(*) FILTER (WHERE result = 'skipped'), count(*) FILTER (WHERE result = 'failed'),"
        " coalesce(sum(planned_bytes) FILTER (WHERE result = 'removed'), 0), max(at)"
        " FROM removal WHERE run = ?",
        (run_id,),
    ).fetchone()
    return removed, skipped, failed, freed, heard
