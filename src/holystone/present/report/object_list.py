"""What the lists of images, containers, volumes and build cache look like alike."""

from __future__ import annotations

from collections.abc import Sequence

from holystone.planner.inventory import Inventory
from holystone.present import notes, reasons
from holystone.present.format import age, count_of
from holystone.present.lists.objects import ObjectRow
from holystone.present.table import INDENT, Cell, Column, Row, paragraph, render
from holystone.present.terminal import Look

UNKNOWN = "—"


def listing(
    columns: Sequence[Column],
    rows: Sequence[Row],
    inventory: Inventory,
    look: Look,
    *,
    total: str,
    rest: Sequence[str] = (),
) -> str:
    """The table, what stands for the ``rest`` that is not listed, and the line of the total."""
    lines = render(columns, rows, look)
    for text in rest:
        note = f"{look.ellipsis} and {text} (--all lists them)"
        lines += paragraph(note, look, indent=INDENT, style="dim")
    lines += ["", *paragraph(f"{total}.", look)]
    return "\n".join([*lines, *notes.lines(inventory.notes, look)])


def none_of(kind: str, inventory: Inventory, look: Look, *, count: int) -> str:
    """The answer where there is no row: there is no such object, or the filters leave none."""
    if count:
        what = count_of(1, kind).removeprefix("1 ")
        said = f"No {what} on this host matches --filter; {count_of(count, kind)} in all."
    else:
        what = count_of(0, kind).removeprefix("0 ")
        said = f"There are no {what} on this host."
    # The engine may have some that could not be read.
    return "\n".join([said, *notes.lines(inventory.notes, look)])


def shown_of(kind: str, shown: int, count: int) -> str:
    """How many objects of a kind are listed: ``12 volumes``, ``3 of 12 volumes shown``."""
    every = count_of(count, kind)
    return every if shown == count else f"{shown} of {every} shown"


def since_made(row: ObjectRow) -> str:
    """How long ago it was made."""
    return UNKNOWN if row.age is None else age(row.age)


def since_used(row: ObjectRow) -> str:
    """How long it is unused; ``now`` where it is in use."""
    return UNKNOWN if row.idle is None else "now" if row.idle == 0 else age(row.idle)


def verdict(row: ObjectRow, *, why: bool = True) -> Cell:
    """Whether it stays or goes, with the rule; without ``why`` only what stays has it."""
    label = f": {reasons.label(row.verdict.reasons[0].rule)}"
    if row.verdict.remove:
        return Cell(f"remove{label if why else ''}", "yellow")
    return Cell(f"keep{label}")
