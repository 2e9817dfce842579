"""``holystone images``: every reference with its bytes, unique and shared, and its verdict."""

from __future__ import annotations

from collections.abc import Sequence

from holystone.planner.inventory import Inventory
from holystone.planner.units import format_size
from holystone.planner.verdict import Plan
from holystone.present import figures, notes, reasons
from holystone.present.apart import shortened
from holystone.present.format import SHORT_ID, age, count_of, counted, safe
from holystone.present.lists import images as list_of
from holystone.present.report.verdicts import FOLD_AFTER
from holystone.present.table import INDENT, Cell, Column, Row, paragraph, shows
from holystone.present.table import render as render_table
from holystone.present.terminal import Look

UNKNOWN = "—"

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


def render(
    inventory: Inventory,
    plan: Plan,
    look: Look,
    *,
    every: bool = False,
    listed: Sequence[list_of.Row] | None = None,
) -> str:
    """A row for each reference, largest image first. Without ``every`` nameless ones are folded.

    ``listed`` are the rows to show in their place, in this order.
    """
    if not inventory.images:
        return "There are no images on this host."
    shares = figures.image_shares(inventory.images)
    stored = figures.images_stored(inventory.images, shares)
    rest: list[str] = []
    selected = listed is not None
    if listed is None:
        rows = list_of.rows(inventory, plan)
        steps = {row.image.id for row in rows if list_of.is_step(row)}
        nameless = [
            row.image.id for row in rows if row.repository == list_of.NONE
            and row.image.id not in steps
        ]  # fmt: skip
        fold = not every and len(nameless) > FOLD_AFTER + 2
        folded = set(nameless[FOLD_AFTER:]) if fold else set()
        hidden = folded if every else folded | steps
        listed = [row for row in rows if row.image.id not in hidden]
        if steps and not every:
            rest.append(f"{counted(len(steps), 'step')} of classic builds")
        if folded:
            unique = sum(share.unique for i in folded if (share := shares[i]) is not None)
            note = f", {format_size(unique)} unique" if unique else ""
            rest.append(f"{len(folded)} more untagged images{note}")
    elif not listed:
        count = count_of(len(inventory.images), "image")
        return f"No image on this host matches --filter; {count} in all."
    shown = {row.image.id for row in listed}
    total = count_of(len(inventory.images), "image")
    tags = sum(len(image.tags) for image in inventory.images)
    if selected and len(shown) < len(inventory.images):
        some = [image for image in inventory.images if image.id in shown]
        stored = figures.images_stored(some, figures.image_shares(some))
        total = f"{len(some)} of {total} shown"
        tags = sum(row.tag != list_of.NONE for row in listed)
    total += f", {counted(tags, 'tag')}"
    if stored.stored is not None:
        about = "about " if stored.estimated else ""
        total += f", {about}{format_size(stored.stored)} stored (what images share counts once)"
    short = shortened(row.image.id for row in listed)
    cells: list[Row] = [_row(row, short(row.image.id)) for row in listed]
    columns: Sequence[Column] = _COLUMNS
    if "ID" not in shows(columns, cells, look):
        columns, cells = _without_ids(cells)
    lines = render_table(columns, cells, look)
    for text in rest:
        note = f"{look.ellipsis} and {text} (--all lists them)"
        lines += paragraph(note, look, indent=INDENT, style="dim")
    lines += ["", *paragraph(f"{total}.", look)]
    return "\n".join([*lines, *notes.lines(inventory.notes, look)])


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
    verdict = Cell(f"keep: {reasons.label(row.verdict.reasons[0].rule)}")
    if row.verdict.remove:
        verdict = Cell("remove", "yellow")
    return (
        safe(row.repository),
        safe(row.tag),
        image.id if row.whole else short,
        format_size(image.size),
        UNKNOWN if share is None else format_size(share.unique),
        UNKNOWN if share is None else format_size(share.shared),
        UNKNOWN if row.age is None else age(row.age),
        UNKNOWN if row.idle is None else "now" if row.idle == 0 else age(row.idle),
        verdict,
    )
