"""``holystone plan``: what would go, what stays and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from holystone.planner.inventory import Inventory
from holystone.planner.units import format_size
from holystone.planner.verdict import Plan
from holystone.present import notes, reasons, table
from holystone.present.format import counts_of, engine_name, parts_of, promised, safe
from holystone.present.report import listing, remaining, unconfirmed
from holystone.present.table import paragraph
from holystone.present.terminal import Look

if TYPE_CHECKING:
    from holystone.present.lists.plan import Row


def render(
    inventory: Inventory, plan: Plan, look: Look, *, every: bool = False, read: str = ""
) -> str:
    """The plan as text. With ``every`` each object has its row, kept ones too.

    ``read`` is the line that names the files that were read.
    """
    removed = plan.removed
    if not removed:
        lines = paragraph(remaining.nothing_to_do(plan), look)
        lines += paragraph(read, look, style="dim")
        lines += remaining.young(plan, look)
        lines += _short(plan, look)
        if every:
            lines += ["", *listing.staying(plan.kept, look)]
        lines += notes.lines(plan.notes, look)
        return "\n".join(lines).rstrip()
    host = f"{safe(plan.engine.name)} ({engine_name(plan.engine)})"
    lines = paragraph(f"Plan of a {plan.level} clean of {host}", look, style="bold")
    lines += paragraph(read, look, style="dim")
    lines += ["", *listing.going(removed, look, every=every, parts=parts_of(inventory.containers))]
    if every:
        lines += listing.staying(plan.kept, look)
    else:
        lines += remaining.stays(inventory, plan, look)
    lines += remaining.young(plan, look)
    lines += unconfirmed.listing(unconfirmed.going(plan), look, verb="to go")
    lines += paragraph(total(plan), look, style="bold")
    lines += remaining.held(plan, look)
    lines += _short(plan, look)
    lines += notes.lines(plan.notes, look)
    return "\n".join(lines)


def listed(rows: Sequence[Row], plan: Plan, look: Look, *, selected: bool, read: str = "") -> str:
    """The rows of a list that was asked for, in its order, and what they are of the plan.

    ``selected``: they are only some of those there are. ``read`` as in ``render``.
    """
    going = [row.verdict for row in rows if row.verdict.remove]
    cells: list[table.Row] = [
        (
            row.verdict.kind,
            row.call,
            format_size(row.verdict.freed_bytes) if row.verdict.remove else "",
            table.Cell("remove", "yellow") if row.verdict.remove else "keep",
            table.Cell(reasons.briefs(row.verdict.reasons), "dim"),
        )
        for row in rows
    ]
    lines = [*table.render(_LISTED, cells, look), ""] if rows else ["No objects of this kind.", ""]
    freed = format_size(sum(verdict.freed_bytes for verdict in going))
    some = f"Listed: {len(rows)} of {len(plan.verdicts)} objects. Of them {len(going)} would go, "
    lines += paragraph(f"{some}{freed} of {format_size(plan.freed_bytes)}.", look, style="bold")
    if selected and len(going) < len(plan.removed):
        note = "A filter chooses what is shown, not what a clean removes."
        lines += paragraph(note, look)
    lines += paragraph(read, look, style="dim")
    lines += notes.lines(plan.notes, look)
    return "\n".join(lines)


_LISTED = (
    table.Column("KIND"),
    table.Column("NAME", gives_way=True, least=20),
    table.Column("FREES", right=True),
    table.Column("VERDICT"),
    table.Column("WHY", prose=True),
)


def _short(plan: Plan, look: Look) -> list[str]:
    """By how much the plan misses its target, if it does."""
    if not plan.short_bytes:
        return []
    short, wanted = format_size(plan.short_bytes), format_size(plan.target_free or 0)
    text = (
        f"That is {short} short of the {wanted} that should be free: nothing else may be removed."
    )
    return paragraph(text, look, style="red")


def total(plan: Plan) -> str:
    """One sentence: how many bytes would come free, and with how many objects."""
    what = counts_of(Counter(verdict.kind for verdict in plan.removed))
    return f"Would free {promised(plan)}: {what}."
