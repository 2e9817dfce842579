"""The log of single uses, with the layers of the images, also of removed ones.

Only an export reads it. Entries that are too old or too many are cut, oldest first; the summaries
still count them.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from holystone.planner.inventory import Image
from holystone.planner.ranking import MOST_ABSENT
from holystone.store.hosts import LENGTH
from holystone.store.schema import check, decoding, record
from holystone.usage.sighting import Sighting

MOST_USES = 1_000_000
_MOST_NAMES = 20_000
"""How many references, and how many images, the log may name."""
_CUT_AT_ONCE = 5_000
_ALGORITHM = "sha256:"

Layers = tuple[tuple[str, int], ...]
"""Chain ID and bytes, bottom first."""


class Known(NamedTuple):
    """An engine of which uses are known."""

    key: str
    """By what the ledger keeps them."""
    name: str
    """The name of its host."""
    engine_id: str


class PastImage(NamedTuple):
    """An image that was used."""

    layers: Layers
    created: float
    """When it was built, UTC seconds; 0 if unknown."""


class PastUse(NamedTuple):
    """One use that was seen, UTC seconds."""

    at: float
    reference: str
    """In full."""
    image: int
    """The number of the image that was behind it."""
    pulled: bool
    """Whether it had to come from a registry."""


def write(
    database: sqlite3.Connection,
    watch: int,
    counted: Sequence[Sighting],
    images: Mapping[str, Image],
    *,
    before: float,
) -> None:
    """Add uses, in order of time; forget those before some moment, a few at a time.

    One whose image is gone already counts for the image that was last seen behind its reference;
    where none was, it is left out.
    """
    for table in ("past_reference", "past_image"):
        check(database, table)
    for sighting in counted:
        image = _image(database, watch, sighting, images)
        if image is None:
            continue
        (reference,) = database.execute(
            "INSERT INTO past_reference (watch, name, image, last_use) VALUES (?, ?, ?, 0)"
            " ON CONFLICT (watch, name) DO UPDATE SET image = excluded.image RETURNING id",
            (watch, sighting.reference, image),
        ).fetchone()
        (number,) = database.execute(
            "INSERT INTO past_use (at, reference, image, pulled) VALUES (?, ?, ?, ?) RETURNING id",
            (sighting.at, reference, image, sighting.pulled),
        ).fetchone()
        for table, row in (("past_reference", reference), ("past_image", image)):
            database.execute(f"UPDATE {table} SET last_use = ? WHERE id = ?", (number, row))  # noqa: S608
    _cut(database, before)


def keep_layers(database: sqlite3.Connection, engine: str, image_ids: Collection[str]) -> None:
    """Before what is known of images is forgotten: keep the layers of those the log names."""
    rows = []
    with decoding(database, "past_image", "image", "layer"):
        for image_id in image_ids:
            row = database.execute(
                "SELECT past_image.id FROM past_image JOIN watch ON watch.id = past_image.watch"
                " WHERE watch.engine = ? AND image_id = ? AND layers IS NULL",
                (engine, image_id),
            ).fetchone()
            layers = None if row is None else _known_layers(database, engine, image_id)
            if layers is not None:
                rows.append((_text(layers), row[0]))
    database.executemany("UPDATE past_image SET layers = ? WHERE id = ?", rows)


def engines(database: sqlite3.Connection) -> list[Known]:
    """The engines of which uses are known."""
    with decoding(database, "watch"):
        rows = database.execute(
            "SELECT engine, watch.name, engine_id FROM watch"
            " LEFT JOIN host ON uuid = substr(engine, 1, ?)"
            " WHERE watch.id IN (SELECT watch FROM past_reference) ORDER BY looked DESC",
            (LENGTH,),
        ).fetchall()
        check(database, "host")
        return [
            Known(key, name, engine_id or key.rpartition("/")[0]) for key, name, engine_id in rows
        ]


def images(database: sqlite3.Connection, engine: str) -> dict[int, PastImage]:
    """The images that the log of an engine names, by number; a layer has one size in all of them.

    An image whose layers were never read counts as one separate layer.
    """
    with decoding(database, "past_image", "image", "layer"):
        rows = database.execute(
            "SELECT past_image.id, image_id, size, created, layers FROM past_image"
            " JOIN watch ON watch.id = past_image.watch WHERE watch.engine = ?",
            (engine,),
        ).fetchall()
        found = {}
        sizes: dict[str, int] = {}
        for number, image_id, size, created, text in rows:
            layers = _read(text) if text else _known_layers(database, engine, image_id)
            # An image with no layer at all is one as well.
            layers = layers or ((str(image_id), int(size)),)
            told = tuple((chain_id, sizes.setdefault(chain_id, size)) for chain_id, size in layers)
            found[int(number)] = PastImage(told, float(created))
        return found


def absent(database: sqlite3.Connection, engine: str) -> dict[str, Sequence[tuple[str, int]]]:
    """By reference the layers of the image it last meant, where that is not here any more."""
    with decoding(database, "past_reference", "past_image"):
        rows = database.execute(
            "SELECT past_reference.name, past_image.layers FROM past_reference"
            " JOIN past_image ON past_image.id = past_reference.image"
            " JOIN watch ON watch.id = past_reference.watch"
            " WHERE watch.engine = ?1 AND past_image.layers IS NOT NULL AND image_id NOT IN"
            " (SELECT image_id FROM image WHERE engine = ?1)"
            " ORDER BY past_reference.last_use DESC LIMIT ?2",
            (engine, MOST_ABSENT),
        )
        return {str(name): _read(text) for name, text in rows}


def uses(database: sqlite3.Connection, engine: str) -> Iterator[PastUse]:
    """Every single use of an engine's images, in order of time."""
    with decoding(database, "past_reference", "past_use"):
        for use in database.execute(
            "SELECT at, past_reference.name, past_use.image, pulled FROM past_use"
            " JOIN past_reference ON past_reference.id = past_use.reference"
            " JOIN watch ON watch.id = past_reference.watch"
            " WHERE watch.engine = ? ORDER BY at, past_use.id",
            (engine,),
        ):
            yield record(PastUse, use)


def _image(
    database: sqlite3.Connection, watch: int, sighting: Sighting, images: Mapping[str, Image]
) -> int | None:
    if not sighting.image:
        row = database.execute(
            "SELECT image FROM past_reference WHERE watch = ? AND name = ?",
            (watch, sighting.reference),
        ).fetchone()
        return None if row is None else int(row[0])
    image = images.get(sighting.image, Image(sighting.image))
    layers = _text(image.layers) if image.layers is not None else None
    (number,) = database.execute(
        "INSERT INTO past_image (watch, image_id, size, created, layers, last_use)"
        " VALUES (?, ?, ?, ?, ?, 0) ON CONFLICT (watch, image_id) DO UPDATE SET"
        " size = max(size, excluded.size), layers = coalesce(layers, excluded.layers) RETURNING id",
        (watch, image.id, image.size, image.created, layers),
    ).fetchone()
    return int(number)


def _known_layers(database: sqlite3.Connection, engine: str, image_id: str) -> Layers | None:
    """The layers of an image as the tables of its facts have them; None where they do not."""
    row = database.execute(
        "SELECT top, depth FROM image WHERE engine = ? AND image_id = ?", (engine, image_id)
    ).fetchone()
    if row is None or row[1] is None:
        return None
    layers = []
    top = row[0]
    while top is not None:
        chain_id, size, top = database.execute(
            "SELECT chain_id, size, below FROM layer WHERE id = ?", (top,)
        ).fetchone()
        if size is None:
            return None
        layers.append((str(chain_id), int(size)))
    return tuple(reversed(layers))


def _text(layers: Sequence[tuple[str, int]]) -> str:
    told = [(chain_id.removeprefix(_ALGORITHM), size) for chain_id, size in layers]
    return json.dumps(told, separators=(",", ":"))


def _read(text: str) -> Layers:
    return tuple((f"{_ALGORITHM}{digits}", int(size)) for digits, size in json.loads(text))


def _cut(database: sqlite3.Connection, before: float) -> None:
    """Forget the oldest uses where they are too many or too old, and what they alone named."""
    # Each by itself, or SQLite would read the whole table.
    (first,) = database.execute("SELECT min(id) FROM past_use").fetchone()
    (last,) = database.execute("SELECT max(id) FROM past_use").fetchone()
    if first is None:
        return
    cut = last - MOST_USES
    for table in ("past_image", "past_reference"):
        (count,) = database.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608
        if count > _MOST_NAMES:
            (beyond,) = database.execute(
                f"SELECT last_use FROM {table} ORDER BY last_use DESC LIMIT 1 OFFSET ?",  # noqa: S608
                (_MOST_NAMES * 9 // 10,),
            ).fetchone()
            cut = max(cut, beyond)
    oldest = database.execute("SELECT id, at FROM past_use ORDER BY id LIMIT ?", (_CUT_AT_ONCE,))
    with decoding():
        for number, at in oldest:
            if at >= before:
                break
            cut = max(cut, number)
    oldest.close()
    if cut >= first:
        database.execute("DELETE FROM past_use WHERE id <= ?", (cut,))
        for table in ("past_image", "past_reference"):
            database.execute(f"DELETE FROM {table} WHERE last_use <= ?", (cut,))  # noqa: S608
