"""A host, a plan for it and a ledger, for tests that need something to write down."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from holystone.planner.inventory import CacheRecord, Disk, Engine, Image, Inventory, Volume
from holystone.planner.usage import Key
from holystone.planner.verdict import Plan, Step, Verdict
from holystone.store.migrations import MIGRATIONS
from holystone.store.store import Store
from holystone.usage.sighting import Bookmark, Sighting, UsageUpdate

NOW = 1_750_000_000.0
KEY = "engine/classic"
"""What the ledger calls the engine."""
LOCK = "engine/runner/classic"
"""What the lock of its host is named after."""


def no_warning(message: str) -> None:
    raise AssertionError(message)


@contextmanager
def opened(folder: Path) -> Iterator[Store]:
    """The ledger in a folder; a warning fails the test."""
    ledger = Store(str(folder), no_warning)
    try:
        yield ledger
    finally:
        ledger.close()


def without_hosts(database: sqlite3.Connection) -> None:
    """Make the ledger that of the version before hosts: without tables and columns since."""
    before = next(n for n, script in enumerate(MIGRATIONS) if "TABLE host (" in script)
    since = "".join(MIGRATIONS[before:])
    tables = re.findall(r"CREATE TABLE (\w+)", since)
    for table in tables:
        database.execute(f"DROP TABLE {table}")
    for table, column in re.findall(r"ALTER TABLE (\w+) ADD COLUMN (\w+)", since):
        if table not in tables:
            database.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
    database.execute(f"PRAGMA user_version = {before}")


def host(count: int) -> Inventory:
    """A host with so many untagged images, and a volume."""
    images = tuple(
        Image(
            f"sha256:{n:064x}",
            tags=(f"app:{n}",),
            digests=(f"app@sha256:{n:064x}",),
            labels={"n": str(n)},
            size=100 + n,
        )
        for n in range(count)
    )
    volume = Volume("data", size=None, labels={"a": "b"})
    engine = Engine("engine", "runner", "28", "1.51", "overlay2")
    return Inventory(engine, NOW, images, volumes=(volume,), disk=Disk(1000, 400))


def plan_of(inventory: Inventory, level: str = "routine") -> Plan:
    """A plan that takes everything there is."""
    images = [("image", image.id, image.tags, 10) for image in inventory.images]
    things = images + [("volume", each.name, (each.name,), 0) for each in inventory.volumes]
    verdicts = [Verdict(kind, i, names, True, (), freed) for kind, i, names, freed in things]
    steps = [Step(kind, i, (i,), freed) for kind, i, _, freed in things]
    freed = sum(step.freed_bytes for step in steps)
    return Plan(
        level=level,
        taken_at=inventory.taken_at,
        engine=inventory.engine,
        disk=inventory.disk,
        verdicts=tuple(verdicts),
        steps=tuple(steps),
        freed_bytes=freed,
        estimated=False,
        at_least=freed,
        at_most=freed,
    )


def seen(
    *sightings: Sighting,
    at: float = NOW,
    read: Bookmark = Bookmark(),  # noqa: B008 - immutable
    present: Collection[Key] = (),
    images: Mapping[str, Image] | None = None,
    cache: tuple[CacheRecord, ...] = (),
) -> UsageUpdate:
    """What a look saw: these uses; every image that was used is still here."""
    used = {("image", each.image) for each in sightings if each.image}
    records = {("cache", record.id) for record in cache}
    return UsageUpdate(
        "runner", at, read, sightings, images or {}, cache, {*used, *records, *present}
    )
