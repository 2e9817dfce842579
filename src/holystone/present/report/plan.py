"""``holystone plan``: what would go, what stays and why."""

from __future__ import annotations

from collections import Counter

from holystone.core.decision import Plan
from holystone.core.inventory import Inventory
from holystone.core.units import format_size
from holystone.present import notes
from holystone.present.report import listing, remaining, unconfirmed
from holystone.present.table import paragraph
from holystone.present.terminal import Look
from holystone.present.wording import counts_of, engine_name, parts_of, promised, safe


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


def _short(plan: Plan, look: Look) -> list[str]:
    """By how much the plan misses its target, if it does."""
    if not plan.short_bytes:
        return []
    short, wanted = format_size(plan.short_bytes), format_size(plan.target_free or 0)
    text = f"That is {short} short of the {wanted} that should be free: nothing else may go."
    return paragraph(text, look, style="red")


def total(plan: Plan) -> str:
    """One sentence: how many bytes would come free, and with how many objects."""
    what = counts_of(Counter(verdict.kind for verdict in plan.removed))
    return f"Would free {promised(plan)}: {what}."
