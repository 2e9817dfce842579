"""``holystone plan``: what would go, what stays and why; and what a deep clean shows and asks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from holystone.planner.inventory import Inventory
from holystone.planner.units import format_size
from holystone.planner.verdict import Plan, Rule
from holystone.present import notes, reasons, table
from holystone.present.apart import names_of
from holystone.present.format import counted, counts_of, engine_name, parts_of, promised, safe
from holystone.present.report import verdicts
from holystone.present.report.parts import NAME, SIZE
from holystone.present.table import Cell, Column, paragraph
from holystone.present.table import render as render_table
from holystone.present.terminal import Look

if TYPE_CHECKING:
    from holystone.present.lists.plan import Row

QUESTION = "Remove all this? [y/N]"
_LISTED = (
    Column("KIND"),
    Column("NAME", gives_way=True, least=20),
    Column("FREES", right=True),
    Column("VERDICT"),
    Column("WHY", prose=True),
)
_LOST: Mapping[str, tuple[Rule, ...]] = {
    "image": (Rule.LOCAL, Rule.UNCONFIRMED),
    "container": (Rule.TOOL, Rule.RESTART, Rule.STOPPED_GROUP),
}
"""Rules that say what a deep clean loses: no registry has it, or every other level keeps it."""


def render(
    inventory: Inventory, plan: Plan, look: Look, *, every: bool = False, read: str = ""
) -> str:
    """The plan as text. With ``every`` each object has its row, kept ones too.

    ``read`` is the line that names the files that were read.
    """
    removed = plan.removed
    if not removed:
        lines = paragraph(verdicts.nothing_to_do(plan), look)
        if plan.only is not None:
            lines += paragraph(verdicts.selection(plan.only), look)
        lines += paragraph(read, look, style="dim")
        lines += verdicts.young(plan, look)
        lines += _short(plan, look)
        if every:
            lines += ["", *verdicts.staying(plan.kept, look)]
        lines += notes.lines(plan.notes, look)
        return "\n".join(lines).rstrip()
    host = f"{safe(plan.engine.name)} ({engine_name(plan.engine)})"
    lines = paragraph(f"Plan of a {plan.level} clean of {host}", look, style="bold")
    if plan.only is not None:
        lines += paragraph(verdicts.selection(plan.only), look)
    lines += paragraph(read, look, style="dim")
    parts = parts_of(inventory.containers)
    lines += ["", *verdicts.going(removed, look, every=every, parts=parts)]
    if every:
        lines += verdicts.staying(plan.kept, look)
    else:
        lines += verdicts.stays(inventory, plan, look)
    lines += verdicts.young(plan, look)
    lines += verdicts.unconfirmed_lines(verdicts.unconfirmed(plan), look, verb="to go")
    lines += paragraph(total(plan), look, style="bold")
    lines += verdicts.held(plan, look)
    lines += _short(plan, look)
    lines += notes.lines(plan.notes, look)
    return "\n".join(lines)


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


def listed(rows: Sequence[Row], plan: Plan, look: Look, *, selected: bool, read: str = "") -> str:
    """The rows of a list that was asked for, in its order, and what they are of the plan.

    ``selected``: they are only some of those there are. ``read`` as in ``render``.
    """
    going = [row.verdict for row in rows if row.verdict.remove]
    cells = [
        (
            row.verdict.kind,
            row.call,
            format_size(row.verdict.freed_bytes) if row.verdict.remove else "",
            Cell("remove", "yellow") if row.verdict.remove else "keep",
            Cell(reasons.briefs(row.verdict.reasons), "dim"),
        )
        for row in rows
    ]
    lines = [*render_table(_LISTED, cells, look), ""] if rows else ["No objects of this kind.", ""]
    freed = format_size(sum(verdict.freed_bytes for verdict in going))
    some = f"Listed: {len(rows)} of {len(plan.verdicts)} objects. Of them {len(going)} would go, "
    lines += paragraph(f"{some}{freed} of {format_size(plan.freed_bytes)}.", look, style="bold")
    if selected and len(going) < len(plan.removed):
        note = "A filter chooses what is shown, not what a clean removes."
        lines += paragraph(note, look)
    lines += paragraph(read, look, style="dim")
    lines += notes.lines(plan.notes, look)
    return "\n".join(lines)


def before_deep(inventory: Inventory, plan: Plan, look: Look) -> str:
    """The plan, and by name each tagged image, container and volume that is lost for good."""
    lines = [render(inventory, plan, look), ""]
    sizes = {image.id: image.size for image in inventory.images}
    name = names_of(plan.removed)
    lost: list[table.Row] = []
    written: list[table.Row] = []
    volumes: list[table.Row] = []
    for verdict in plan.removed:
        freed = format_size(verdict.freed_bytes)
        kept = [reason for reason in verdict.reasons if reason.rule in _LOST.get(verdict.kind, ())]
        if verdict.kind == "volume":
            volumes.append((name(verdict), freed))
        elif kept and verdict.kind == "image":
            lost.append((name(verdict), format_size(sizes[verdict.id])))
        elif kept:
            written.append((name(verdict), freed, reasons.brief(kept[0])))
    images = "this image" if len(lost) == 1 else f"these {len(lost)} images"
    which, wrote = "this container", "it wrote"
    if len(written) != 1:
        which, wrote = f"these {len(written)} containers", "they wrote"
    why = Column("why", gives_way=True, least=20)
    for told, columns, rows in (
        (f"No registry is known to have {images}:", (NAME, SIZE), lost),
        (
            f"Other cleans keep {which}, to be started again. What {wrote} is lost for good:",
            (NAME, SIZE, why),
            written,
        ),
        (f"Data in {counted(len(volumes), 'volume')} is lost for good:", (NAME, SIZE), volumes),
    ):
        if rows:
            lines += paragraph(told, look, style="red")
            lines += [*render_table(columns, rows, look, header=False), ""]
    if any(verdict.kind == "image" and verdict.names for verdict in plan.removed):
        text = "The next job that needs one of the tagged images must download or build it."
        lines += paragraph(text, look)
    return "\n".join(lines)
