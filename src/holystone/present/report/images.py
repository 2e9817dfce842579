"""``holystone images``: every reference with its bytes, unique and shared, and its verdict."""

from __future__ import annotations

from collections.abc import Sequence

from holystone.planner.units import format_size
from holystone.present import figures
from holystone.present.apart import shortened
from holystone.present.format import SHORT_ID, counted, safe
from holystone.present.lists import images as list_of
from holystone.present.lists.objects import Seen
from holystone.present.report.object_list import (
    UNKNOWN,
    listing,
    none_of,
    shown_of,
    since_made,
    since_used,
    verdict,
)
from holystone.present.report.parts import first
from holystone.present.report.verdicts import FOLD_AFTER
from holystone.present.table import Column, Row, shows
from holystone.present.terminal import Look

_COLUMNS = (
    Column("REPOSITORY", gives_way=True, least=18),
    Column("TAG", gives_way=True, least=9),
    Column("ID", drop=3, style="dim"),
    Column("SIZE", right=True),
    Column("UNIQUE", right=True, drop=1),
    Column("SHARED", right=True, drop=5),
    Column("CREATED", right=True, drop=6),
    Column("USED", right=True, drop=4),
    Column("VERDICT", drop=2),
)


def render(seen: Seen, look: Look, listed: Sequence[list_of.Row] | None = None) -> str:
    """A row for each reference, largest image first; nameless ones and steps are folded.

    ``listed`` are the rows to show in their place, in this order.
    """
    inventory = seen.inventory
    rest: list[str] = []
    if listed is None:
        listed, rest = _usual(seen)
    if not listed and not rest:
        return none_of("image", inventory, look, count=len(inventory.images))
    shown = {row.image.id for row in listed}
    some, tags = inventory.images, sum(len(image.tags) for image in inventory.images)
    if not rest and len(shown) < len(some):
        some = tuple(image for image in some if image.id in shown)
        tags = sum(row.tag != list_of.NONE for row in listed)
    total = f"{shown_of('image', len(some), len(inventory.images))}, {counted(tags, 'tag')}"
    stored = figures.images_stored(some, figures.image_shares(some))
    if stored.stored is not None:
        about = "about " if stored.estimated else ""
        total += f", {about}{format_size(stored.stored)} stored (what images share counts once)"
    short = shortened(row.image.id for row in listed)
    cells: list[Row] = [_row(row, short(row.image.id)) for row in listed]
    columns: Sequence[Column] = _COLUMNS
    if "ID" not in shows(columns, cells, look):
        columns, cells = _without_ids(cells)
    return listing(columns, cells, inventory, look, total=total, rest=rest)


def _usual(seen: Seen) -> tuple[list[list_of.Row], list[str]]:
    """The rows that are shown where none were asked for, and what stands for the others."""
    rows, rest = list_of.rows(seen), []
    steps = {row.image.id for row in rows if list_of.is_step(row)}
    if steps:
        rest.append(f"{counted(len(steps), 'step')} of classic builds")
    nameless = [row for row in rows if row.repository == list_of.NONE and row.image.id not in steps]
    folded = nameless[len(first(nameless, FOLD_AFTER)) :]
    if folded:
        unique = sum(row.unique or 0 for row in folded)
        note = f", {format_size(unique)} unique" if unique else ""
        rest.append(f"{len(folded)} more untagged images{note}")
    hidden = steps.union(row.image.id for row in folded)
    return [row for row in rows if row.image.id not in hidden], rest


_TAG, _ID = 1, 2
"""Places of columns."""


def _without_ids(rows: Sequence[Row]) -> tuple[list[Column], list[Row]]:
    """The table where there is no room for IDs: what has no tag shows its ID in place of one."""
    columns = [column for place, column in enumerate(_COLUMNS) if place != _ID]
    # An ID that is cut in its middle is of no use.
    columns[0] = columns[0]._replace(least=15)
    columns[_TAG] = columns[_TAG]._replace(least=SHORT_ID)
    told: list[Row] = []
    for row in rows:
        cells = list(row)
        identifier = cells.pop(_ID)
        if cells[_TAG] == list_of.NONE:
            cells[_TAG] = identifier
        told.append(tuple(cells))
    return columns, told


def _row(row: list_of.Row, short: str) -> Row:
    image, share = row.image, row.share
    return (
        safe(row.repository),
        safe(row.tag),
        image.id if row.whole else short,
        format_size(image.size),
        UNKNOWN if share is None else format_size(share.unique),
        UNKNOWN if share is None else format_size(share.shared),
        since_made(row),
        since_used(row),
        verdict(row, why=False),
    )
