"""Image facts by image ID, separate for each engine.

Stacks of layers are kept as a tree, each layer once with the one below it, so a host of a
thousand images on a few bases stays small and quick to read.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from holystone.planner.inventory import Layer, chain_ids
from holystone.store import use_log
from holystone.store.schema import check, decoding
from holystone.usage.store_port import ImageFacts

Stack = tuple[tuple[Layer, ...] | None, tuple[str, ...]]
_SAME = ("first_seen", "last_tagged", "inspected", "arrived", "loaded", "dated")
"""Columns that are named as the fact they hold."""
_NAMES = ("pinned", "tagged_in", "dated_tags")
"""Columns with names, with blanks between them."""
_COLUMNS = ("image_id", *_SAME, *_NAMES, "buildkit", "exact", "depth", "top")
_NEWS = ", ".join(f"{name} = excluded.{name}" for name in (*_SAME, *_NAMES, "buildkit"))
# Layers never change: news without them do not take them away.
_KEEP = (
    f"INSERT INTO image (engine, {', '.join(_COLUMNS)})"  # noqa: S608 - our own columns
    f" VALUES (?{', ?' * len(_COLUMNS)}) ON CONFLICT DO UPDATE SET {_NEWS},"
    " exact = iif(excluded.depth IS NULL, exact, excluded.exact),"
    " depth = coalesce(excluded.depth, depth), top = coalesce(excluded.top, top)"
)


def recall(
    database: sqlite3.Connection, engine: str, *, layers: bool = True
) -> dict[str, ImageFacts]:
    """What is known of this engine's images, with or without their layers and diff IDs."""
    with decoding(database, "image", *(["layer"] if layers else [])):
        stacks = _recall_stacks(database, engine) if layers else {}
        rows = database.execute(
            f"SELECT {', '.join(_COLUMNS)} FROM image WHERE engine = ?",  # noqa: S608 - our own
            (engine,),
        )
        return {image_id: _fact(row, stacks) for image_id, *row in rows}


def _fact(row: Sequence[Any], stacks: Mapping[int | None, Stack]) -> ImageFacts:
    first_seen, last_tagged, inspected, arrived, loaded, dated, *more = row
    pinned, tagged_in, dated_tags, buildkit, exact, depth, top = more
    known = stacks and (depth is not None or top is not None)
    stack, diff_ids = stacks[top] if known else (None, None)
    return ImageFacts(
        first_seen=float(first_seen),
        last_tagged=None if last_tagged is None else float(last_tagged),
        made_by_buildkit=bool(buildkit),
        inspected=bool(inspected),
        # Other images may have weighed its layers, but less exactly than they can tell.
        layers=None if depth is None else stack,
        exact=bool(exact),
        diff_ids=diff_ids,
        arrived=None if arrived is None else float(arrived),
        loaded=bool(loaded),
        pinned=tuple(pinned.split()),
        tagged_in=tuple(tagged_in.split()),
        dated_tags=tuple(dated_tags.split()),
        dated=None if dated is None else float(dated),
    )


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


def remember(
    database: sqlite3.Connection,
    engine: str,
    news: Mapping[str, ImageFacts],
    present: Collection[str],
) -> None:
    """Keep these facts, and forget images of this engine that are not among ``present``."""
    check(database, "layer")
    check(database, "image")
    ids: dict[str, int] = dict(
        database.execute("SELECT chain_id, id FROM layer WHERE engine = ?", (engine,))
    )
    for image_id, fact in news.items():
        top = _keep_stack(database, engine, fact, ids)
        same = (getattr(fact, name) for name in _SAME)
        names = (" ".join(getattr(fact, name)) for name in _NAMES)
        depth = None if fact.layers is None else len(fact.layers)
        row = (engine, image_id, *same, *names, fact.made_by_buildkit, fact.exact, depth, top)
        database.execute(_KEEP, row)
    _forget_gone(database, engine, present)


def _keep_stack(
    database: sqlite3.Connection, engine: str, fact: ImageFacts, ids: dict[str, int]
) -> int | None:
    """Write the layers of one image that are not there yet; answers the topmost one's row."""
    below: int | None = None
    diff_ids = fact.diff_ids or ()
    for depth, chain_id in enumerate(chain_ids(diff_ids)):
        size = None if fact.layers is None else fact.layers[depth].size
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
    use_log.keep_layers(database, engine, gone)
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
