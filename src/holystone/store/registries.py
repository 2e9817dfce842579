"""What registries said of images, and that they had them once; apart for each engine.

The address ``localhost:5000`` is another registry on another host. References are complete and have
a digest, so what they mean never changes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping

from holystone.store.schema import check, decoding
from holystone.usage.store_port import RegistryWord

KEPT_FOR = 400 * 86400.0
"""Seconds for which a reference is remembered that no registry was heard of since."""


def recall(database: sqlite3.Connection, engine: str) -> dict[str, RegistryWord]:
    """What is known of every reference."""
    with decoding(database, "registry_word"):
        rows = database.execute(
            "SELECT reference, has, said, asked, seen FROM registry_word WHERE engine = ?",
            (engine,),
        )
        return {
            str(reference): RegistryWord(
                None if has is None else bool(has), str(said), float(asked), float(seen)
            )
            for reference, has, said, asked, seen in rows
        }


def remember(
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
        (
            (engine, reference, word.has, word.said, word.asked, word.seen)
            for reference, word in words.items()
        ),
    )
    rows = database.execute("SELECT reference FROM registry_word WHERE engine = ?", (engine,))
    gone = {reference for (reference,) in rows}.difference(present)
    database.executemany(
        "DELETE FROM registry_word WHERE engine = ? AND reference = ?",
        ((engine, reference) for reference in gone),
    )


def note_seen(
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
        (engine, now - KEPT_FOR),
    )
