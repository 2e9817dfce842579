"""Image facts by image ID, apart for each engine: the ``Memory`` that outlives a run.

Stacks of layers are kept as a tree, each layer once with the one below it, so a host of a
thousand images on a few bases stays small and quick to read.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Mapping
from typing import TypeVar

from holystone.core.inventory import Layer
from holystone.core.layers import chain_ids
from holystone.core.memory import ImageFacts
from holystone.ledger.database import MEND, LedgerError, open_database

T = TypeVar("T")

Stack = tuple[tuple[Layer, ...] | None, tuple[str, ...]]


class LedgerMemory:
    """Image facts in the ledger. One that fails says so once and then keeps nothing.

    A memory is a help, not a condition: no clean is given up because of it.
    """

    def __init__(self, folder: str, warn: Callable[[str], None]) -> None:
        self.folder = folder
        self.warn = warn
        self.database: sqlite3.Connection | None = None
        self.usable = True

    def recall(self, engine: str, *, layers: bool = True) -> dict[str, ImageFacts]:
        """What is known of this engine's images; nothing where the ledger fails."""
        return self._trying(lambda database: _recall(database, engine, layers=layers)) or {}

    def remember(
        self, engine: str, news: Mapping[str, ImageFacts], present: Collection[str]
    ) -> None:
        """Keep these facts, and forget what is known of images that are gone."""
        self._trying(lambda database: _remember(database, engine, news, present))

    def close(self) -> None:
        """Close the file."""
        if self.database is not None:
            self.database.close()
            self.database = None

    def _trying(self, action: Callable[[sqlite3.Connection], T]) -> T | None:
        if not self.usable:
            return None
        try:
            if self.database is None:
                self.database = open_database(self.folder)
            return action(self.database)
        except LedgerError as error:
            problem = str(error)
        except (sqlite3.Error, OverflowError, UnicodeError) as error:
            problem = f"cannot use the ledger in {self.folder}: {error}. {MEND}"
        self.usable = False
        self.warn(f"{problem} Going on without memory of earlier runs.")
        return None


def _recall(database: sqlite3.Connection, engine: str, *, layers: bool) -> dict[str, ImageFacts]:
    stacks = _recall_stacks(database, engine) if layers else {}
    facts = {}
    rows = database.execute(
        "SELECT image_id, first_seen, last_tagged, buildkit, inspected, exact, depth, top"
        " FROM image WHERE engine = ?",
        (engine,),
    )
    for image_id, first_seen, last_tagged, buildkit, inspected, exact, depth, top in rows:
        known = depth is not None or top is not None
        stack, diff_ids = stacks.get(top, (None, None)) if known else (None, None)
        facts[image_id] = ImageFacts(
            first_seen=first_seen,
            last_tagged=last_tagged,
            made_by_buildkit=bool(buildkit),
            inspected=bool(inspected),
            # Other images may have weighed its layers, but less exactly than they can tell.
            layers=None if depth is None else stack,
            exact=bool(exact),
            diff_ids=diff_ids,
        )
    return facts


def _recall_stacks(database: sqlite3.Connection, engine: str) -> dict[int | None, Stack]:
    """The layers and diff IDs of every stack by its topmost layer.

    No layers before all of them were weighed. A layer's row comes after that of the one below it.
    """
    stacks: dict[int | None, Stack] = {None: ((), ())}
    for layer_id, chain_id, diff_id, below, size in database.execute(
        "SELECT id, chain_id, diff_id, below, size FROM layer WHERE engine = ? ORDER BY id",
        (engine,),
    ):
        layers, diff_ids = stacks[below]
        stacks[layer_id] = (
            None if layers is None or size is None else (*layers, Layer(chain_id, size)),
            (*diff_ids, diff_id),
        )
    return stacks


def _remember(
    database: sqlite3.Connection,
    engine: str,
    news: Mapping[str, ImageFacts],
    present: Collection[str],
) -> None:
    database.execute("BEGIN IMMEDIATE")
    try:
        ids: dict[str, int] = dict(
            database.execute("SELECT chain_id, id FROM layer WHERE engine = ?", (engine,))
        )
        for image_id, fact in news.items():
            top = _keep_stack(database, engine, fact, ids)
            database.execute(
                # Layers never change: news without them do not take them away.
                "INSERT INTO image VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
                " first_seen = excluded.first_seen, last_tagged = excluded.last_tagged,"
                " buildkit = excluded.buildkit, inspected = excluded.inspected,"
                " exact = iif(excluded.depth IS NULL, exact, excluded.exact),"
                " depth = coalesce(excluded.depth, depth), top = coalesce(excluded.top, top)",
                (
                    engine,
                    image_id,
                    fact.first_seen,
                    fact.last_tagged,
                    fact.made_by_buildkit,
                    fact.inspected,
                    fact.exact,
                    None if fact.layers is None else len(fact.layers),
                    top,
                ),
            )
        _forget_gone(database, engine, present)
        database.execute("COMMIT")
    except BaseException:
        database.execute("ROLLBACK")
        raise


def _keep_stack(
    database: sqlite3.Connection, engine: str, fact: ImageFacts, ids: dict[str, int]
) -> int | None:
    """Write the layers of one image that are not there yet; answers the topmost one's row."""
    below: int | None = None
    diff_ids = fact.diff_ids or ()
    sizes = [layer.size for layer in fact.layers] if fact.layers is not None else None
    for depth, chain_id in enumerate(chain_ids(diff_ids)):
        size = sizes[depth] if sizes is not None else None
        if chain_id not in ids:
            (ids[chain_id],) = database.execute(
                "INSERT INTO layer (engine, chain_id, diff_id, below, size) VALUES (?, ?, ?, ?, ?)"
                " RETURNING id",
                (engine, chain_id, diff_ids[depth], below, size),
            ).fetchone()
        elif size is not None:
            database.execute("UPDATE layer SET size = ? WHERE id = ?", (size, ids[chain_id]))
        below = ids[chain_id]
    return below


def _forget_gone(database: sqlite3.Connection, engine: str, present: Collection[str]) -> None:
    rows = database.execute("SELECT image_id FROM image WHERE engine = ?", (engine,))
    gone = {image_id for (image_id,) in rows}.difference(present)
    if not gone:
        return
    database.executemany(
        "DELETE FROM image WHERE engine = ? AND image_id = ?",
        ((engine, image_id) for image_id in gone),
    )
    database.execute(
        """
        WITH RECURSIVE held (id) AS (
            SELECT top FROM image WHERE engine = :engine
            UNION
            SELECT layer.below FROM layer JOIN held ON layer.id = held.id
        )
        DELETE FROM layer WHERE engine = :engine AND id NOT IN
            (SELECT id FROM held WHERE id IS NOT NULL)
        """,
        {"engine": engine},
    )
