"""Stored facts about an engine and its registries, separate for each engine.

They are the engine's own information, when containers were first seen stopped, the answers of
registries about images, and the speeds of registries.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from holystone.store.schema import check, decoding, record
from holystone.usage.store_port import RegistryWord

REGISTRY_KEPT_FOR = 400 * 86400.0
"""Seconds for which a reference is remembered that no registry was heard of since."""
_INFO_KEPT_FOR = 86400.0
"""Seconds after which the engine is asked again."""
_INFO_KEYS = ("Driver", "DockerRootDir", "Name")
"""What is needed to tell an engine from others, and where its data is."""
_PULLS_KEPT = 50
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


def mark(path: str, version: str) -> str:
    """What an engine of this version on this socket is known by; empty where that cannot be told.

    A restarted service creates a new socket.
    """
    try:
        found = os.stat(path)
    except OSError:
        return ""
    return f"{os.path.abspath(path)} {found.st_dev} {found.st_ino} {found.st_ctime_ns} {version}"


def recall_info(database: sqlite3.Connection, of: str, now: float) -> dict[str, Any] | None:
    """What the engine of this mark said of itself within a day; None where it did not.

    Kept where that takes the engine long: Podman's ``/info``.
    """
    with decoding(database, "engine"):
        row = database.execute(
            "SELECT info FROM engine WHERE mark = ? AND at > ? AND at <= ?",
            (of, now - _INFO_KEPT_FOR, now),
        ).fetchone()
        told = json.loads(row[0]) if row else None
    return told if isinstance(told, dict) else None


def remember_info(
    database: sqlite3.Connection, of: str, info: Mapping[str, Any], now: float
) -> None:
    """Remember what the engine of this mark said, and forget what is older than a day."""
    database.execute("DELETE FROM engine WHERE at <= ? OR at > ?", (now - _INFO_KEPT_FOR, now))
    told = json.dumps({key: info[key] for key in _INFO_KEYS if isinstance(info.get(key), str)})
    database.execute("INSERT OR REPLACE INTO engine VALUES (?, ?, ?)", (of, told, now))


def recall_ends(database: sqlite3.Connection, engine: str) -> dict[str, float]:
    """When containers were first seen stopped whose end the engine does not know, by ID."""
    with decoding(database, "ended"):
        rows = database.execute("SELECT id, seen FROM ended WHERE engine = ?", (engine,))
        return {str(container_id): float(seen) for container_id, seen in rows}


def remember_ends(database: sqlite3.Connection, engine: str, ends: Mapping[str, float]) -> None:
    """Keep these in place of all that were known of the engine.

    One that another process has noted meanwhile keeps the earlier date.
    """
    known = recall_ends(database, engine)
    database.execute("DELETE FROM ended WHERE engine = ?", (engine,))
    database.executemany(
        "INSERT INTO ended VALUES (?, ?, ?)",
        ((engine, each, min(seen, known.get(each, seen))) for each, seen in ends.items()),
    )


def recall_registry(database: sqlite3.Connection, engine: str) -> dict[str, RegistryWord]:
    """What is known of every reference.

    References are complete and have a digest, so what they mean never changes. They are kept apart
    for each engine: the address ``localhost:5000`` is another registry on another host.
    """
    with decoding(database, "registry_word"):
        rows = database.execute(
            "SELECT reference, has, said, asked, seen FROM registry_word WHERE engine = ?",
            (engine,),
        )
        return {str(reference): record(RegistryWord, word) for reference, *word in rows}


def remember_registry(
    database: sqlite3.Connection,
    engine: str,
    words: Mapping[str, RegistryWord],
    present: Collection[str],
) -> None:
    """Keep these answers, and forget references that are not among ``present``."""
    check(database, "registry_word")
    database.executemany(
        "INSERT INTO registry_word VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
        " has = excluded.has, said = excluded.said, asked = excluded.asked,"
        " seen = max(seen, excluded.seen)",
        ((engine, reference, *word) for reference, word in words.items()),
    )
    rows = database.execute("SELECT reference FROM registry_word WHERE engine = ?", (engine,))
    gone = {reference for (reference,) in rows}.difference(present)
    database.executemany(
        "DELETE FROM registry_word WHERE engine = ? AND reference = ?",
        ((engine, reference) for reference in gone),
    )


def note_in_registries(
    database: sqlite3.Connection, engine: str, seen: Mapping[str, float], now: float
) -> None:
    """Keep when pulls and pushes showed that registries have these references."""
    database.executemany(
        "INSERT INTO registry_word VALUES (?1, ?2, NULL, '', 0, ?3)"
        " ON CONFLICT DO UPDATE SET seen = max(seen, ?3)",
        ((engine, reference, at) for reference, at in seen.items()),
    )
    database.execute(
        "DELETE FROM registry_word WHERE engine = ? AND max(asked, seen) < ?",
        (engine, now - REGISTRY_KEPT_FOR),
    )


def remember_pulls(database: sqlite3.Connection, engine: str, pulls: Iterable[Pulled]) -> None:
    """Remember pulls of an engine, the latest last; those that brought nothing tell nothing."""
    told = [each for each in pulls if each.size > 0 and each.seconds > 0]
    database.executemany(
        "INSERT INTO pull (engine, registry, size, seconds) VALUES (?, ?, ?, ?)",
        ((engine, *each) for each in told),
    )
    database.executemany(
        "DELETE FROM pull WHERE engine = ?1 AND registry = ?2 AND id NOT IN (SELECT id FROM pull"
        " WHERE engine = ?1 AND registry = ?2 ORDER BY id DESC LIMIT ?3)",
        ((engine, registry, _PULLS_KEPT) for registry in {each.registry for each in told}),
    )


def recall_pulls(database: sqlite3.Connection, engine: str) -> dict[str, Speed]:
    """The speed of each registry that an engine has pulled from, by name."""
    pulls: dict[str, list[tuple[float, int]]] = {}
    with decoding(database, "pull"):
        rows = database.execute(
            "SELECT registry, size, seconds FROM pull WHERE engine = ? ORDER BY registry", (engine,)
        )
        for registry, size, seconds in rows:
            pulls.setdefault(str(registry), []).append((size / seconds, int(size)))
    return {registry: Speed(_median(told), len(told)) for registry, told in pulls.items()}


def _median(pulls: Iterable[tuple[float, int]]) -> float:
    """The speed at which half of all bytes came; of speeds with the bytes of each."""
    slowest_first = sorted(pulls)
    left = sum(size for _, size in slowest_first) / 2
    for speed, size in slowest_first:
        left -= size
        if left <= 0:
            return speed
    raise AssertionError("unreachable: the last pull brings the rest")
