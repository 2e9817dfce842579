"""What a deep clean shows before it asks: all that goes, and what nobody can give back."""

from __future__ import annotations

from holystone.planner.inventory import Inventory
from holystone.planner.units import format_size
from holystone.planner.verdict import Plan, Rule, Verdict
from holystone.present import reasons
from holystone.present.apart import names_of
from holystone.present.format import counted
from holystone.present.report import plan as plan_report
from holystone.present.table import Cell, Column, Row, paragraph
from holystone.present.table import render as render_table
from holystone.present.terminal import Look

QUESTION = "Remove all this? [y/N]"
_CONTAINERS = (
    Column("name", gives_way=True, least=20),
    Column("size", right=True),
    Column("why", gives_way=True, least=20),
)
_COLUMNS = (Column("name", gives_way=True, least=20), Column("size", right=True))


def render(inventory: Inventory, plan: Plan, look: Look) -> str:
    """The plan, and by name each tagged image, container and volume that is lost for good."""
    lines = [plan_report.render(inventory, plan, look), ""]
    images = {image.id: image for image in inventory.images}
    name = names_of(plan.removed)
    lost: list[Row] = [
        (name(verdict), format_size(images[verdict.id].size))
        for verdict in plan.removed
        if verdict.kind == "image" and _is_lost(verdict)
    ]
    volumes: list[Row] = [
        (name(verdict), Cell(format_size(verdict.freed_bytes)))
        for verdict in plan.removed
        if verdict.kind == "volume"
    ]
    if lost:
        which = "this image" if len(lost) == 1 else f"these {len(lost)} images"
        lines += paragraph(f"No registry is known to have {which}:", look, style="red")
        lines += [*render_table(_COLUMNS, lost, look, header=False), ""]
    written: list[Row] = [
        (name(verdict), Cell(format_size(verdict.freed_bytes)), why)
        for verdict in plan.removed
        if verdict.kind == "container" and (why := _was_kept_for(verdict))
    ]
    if written:
        which = "this container" if len(written) == 1 else f"these {len(written)} containers"
        wrote = "it wrote" if len(written) == 1 else "they wrote"
        text = f"Other cleans keep {which}, to be started again. What {wrote} is lost for good:"
        lines += paragraph(text, look, style="red")
        lines += [*render_table(_CONTAINERS, written, look, header=False), ""]
    if volumes:
        text = f"Data in {counted(len(volumes), 'volume')} is lost for good:"
        lines += paragraph(text, look, style="red")
        lines += [*render_table(_COLUMNS, volumes, look, header=False), ""]
    if any(verdict.kind == "image" and verdict.names for verdict in plan.removed):
        text = "The next job that needs one of the tagged images must download or build it."
        lines += paragraph(text, look)
    return "\n".join(lines)


def _is_lost(verdict: Verdict) -> bool:
    """Whether a tagged image goes that no registry is known to have."""
    return any(reason.rule in (Rule.LOCAL, Rule.UNCONFIRMED) for reason in verdict.reasons)


def _was_kept_for(verdict: Verdict) -> str:
    """Why any other level keeps a container that goes; empty where it would not."""
    kept = [
        each
        for each in verdict.reasons
        if each.rule in (Rule.TOOL, Rule.RESTART, Rule.STOPPED_GROUP)
    ]
    return reasons.brief(kept[0]) if kept else ""
