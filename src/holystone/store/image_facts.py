"""Image facts by image ID, apart for each engine.

Stacks of layers are kept as a tree, each layer once with the one below it, so a host of a
thousand images on a few bases stays small and quick to read.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping
from typing import Any

from holystone.planner.inventory import Layer, chain_ids
from holystone.store import use_log as past
from holystone.store.schema import check, decoding
from holystone.usage.store_port import ImageFacts

Stack = tuple[tuple[Layer, ...] | None, tuple[str, ...]]


def recall(database: sqlite3.Connection, engine: str, *, layers: bool) -> dict[str, ImageFacts]:
    """What is known of this engine's images, with or without their layers and diff IDs."""
    with decoding(database, "image", *(["layer"] if layers else [])):
        stacks = _recall_stacks(database, engine) if layers else {}
        rows = database.execute(
            "SELECT image_id, first_seen, last_tagged, buildkit, inspected, exact, depth, top,"
            " arrived, loaded, pinned, tagged_in, dated_tags, dated FROM image WHERE engine = ?",
            (engine,),
        )
        return {image_id: _fact(tuple(row), stacks if layers else None) for image_id, *row in rows}


def _fact(row: tuple[Any, ...], stacks: Mapping[int | None, Stack] | None) -> ImageFacts:
    first_seen, last_tagged, buildkit, inspected, exact, depth, top, *came = row
    arrived, loaded, pinned, tagged_in, dated_tags, dated = came
    known = stacks is not None and (depth is not None or top is not None)
    stack, diff_ids = stacks[top] if stacks is not None and known else (None, None)
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
        database.execute(
            # Layers never change: news without them do not take them away.
            "INSERT INTO image (engine, image_id, first_seen, last_tagged, buildkit, inspected,"
            " exact, depth, top, arrived, loaded, pinned, tagged_in, dated_tags, dated)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
            " first_seen = excluded.first_seen, last_tagged = excluded.last_tagged,"
            " buildkit = excluded.buildkit, inspected = excluded.inspected,"
            " exact = iif(excluded.depth IS NULL, exact, excluded.exact),"
            " depth = coalesce(excluded.depth, depth), top = coalesce(excluded.top, top),"
            " arrived = excluded.arrived, loaded = excluded.loaded, pinned = excluded.pinned,"
            " tagged_in = excluded.tagged_in, dated_tags = excluded.dated_tags,"
            " dated = excluded.dated",
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
                fact.arrived,
                fact.loaded,
                " ".join(fact.pinned),
                " ".join(fact.tagged_in),
                " ".join(fact.dated_tags),
                fact.dated,
            ),
        )
    _forget_gone(database, engine, present)


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
    past.keep_layers(database, engine, gone)
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
