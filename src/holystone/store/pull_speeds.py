"""How fast images came from each registry, apart for each engine: bytes and seconds of pulls."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from holystone.store.database import Database
from holystone.store.schema import decoding

_KEPT = 50
"""How many pulls are remembered of each registry."""


class Pulled(NamedTuple):
    """One pull: how many bytes came, and the seconds until the image was there, unpacked."""

    registry: str
    """The domain of a complete reference: ``docker.io``."""
    size: int
    seconds: float


class Speed(NamedTuple):
    """How fast a registry is, from this engine."""

    bytes_per_second: float
    """The median; a pull counts for as much as it brought. Half of all bytes came faster."""
    pulls: int
    """How many it is taken from."""


class Speeds:
    """The pulls in a ledger. A help, not a condition: where the ledger fails there are none."""

    def __init__(self, store: Database) -> None:
        self.store = store

    def add(self, engine: str, pulls: Sequence[Pulled]) -> None:
        """Remember pulls of an engine, the latest last; those that brought nothing tell nothing."""
        rows = [(engine, *each) for each in pulls if each.size > 0 and each.seconds > 0]
        if not rows:
            return

        def write(database: sqlite3.Connection) -> None:
            database.executemany(
                "INSERT INTO pull (engine, registry, size, seconds) VALUES (?, ?, ?, ?)", rows
            )
            for registry in {row[1] for row in rows}:
                database.execute(
                    "DELETE FROM pull WHERE engine = ?1 AND registry = ?2 AND id NOT IN"
                    " (SELECT id FROM pull WHERE engine = ?1 AND registry = ?2"
                    " ORDER BY id DESC LIMIT ?3)",
                    (engine, registry, _KEPT),
                )

        self.store.try_write(write)

    def read(self, engine: str) -> Mapping[str, Speed]:
        """The speed of each registry that an engine has pulled from, by name."""
        if not self.store.exists():
            return {}
        by_registry: dict[str, list[Pulled]] = {}
        pulls: list[Pulled] = self.store.try_read(lambda database: _pulls(database, engine), [])
        for each in pulls:
            by_registry.setdefault(each.registry, []).append(each)
        return {
            registry: Speed(_median(pulls), len(pulls))
            for registry, pulls in sorted(by_registry.items())
        }


def _pulls(database: sqlite3.Connection, engine: str) -> list[Pulled]:
    with decoding(database, "pull"):
        rows = database.execute(
            "SELECT registry, size, seconds FROM pull WHERE engine = ?", (engine,)
        )
        return [Pulled(registry, int(size), float(seconds)) for registry, size, seconds in rows]


def _median(pulls: Iterable[Pulled]) -> float:
    """The speed at which half of all bytes came, in bytes a second."""
    slowest_first = sorted((each.size / each.seconds, each.size) for each in pulls)
    left = sum(size for _, size in slowest_first) / 2
    for speed, size in slowest_first:
        left -= size
        if left <= 0:
            return speed
    raise AssertionError("unreachable: the last pull brings the rest")
