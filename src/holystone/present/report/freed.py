"""What a clean freed, in a sentence, and how much of the disk is free after it."""

from __future__ import annotations

from holystone.operations.execute import Outcome
from holystone.operations.rounds import NOISE, disagrees, gain
from holystone.planner.inventory import Disk
from holystone.planner.units import format_size
from holystone.planner.verdict import Plan
from holystone.present.format import promised


def freed_line(
    plan: Plan, outcome: Outcome, disk_after: Disk | None, agreed_bytes: int | None = None
) -> str:
    """The bytes freed against those planned. Nothing to say where there was nothing to do.

    That it is as planned is said only where the disk agrees, and where a plan in a file, which was
    to free ``agreed_bytes``, was carried out in full.
    """
    if not plan.steps:
        return ""
    told, planned = format_size(outcome.freed_bytes), format_size(plan.freed_bytes)
    seconds = f"in {outcome.seconds:.1f} s"
    about = "about " if plan.estimated else ""
    part = ""
    if agreed_bytes is not None and outcome.freed_bytes < agreed_bytes:
        agreed = format_size(agreed_bytes)
        part = f" of the {about}{agreed} in the plan" if agreed != told else ""
    if outcome.freed_bytes != plan.freed_bytes:
        ending = "" if part else f"; {planned} were planned"
        return f"Freed {about}{told}{part} {seconds}{ending}."
    gained = None if disk_after is None else gain(plan.disk, disk_after)
    if plan.estimated:
        said = f"Freed {promised(plan)}{part} {seconds}; this engine reports no exact figure"
        if gained is None or (
            outcome.freed_bytes < NOISE and not disagrees(gained, outcome.freed_bytes)
        ):
            return f"{said}."
        return f"{said}. The disk gained {format_size(max(0, gained))}."
    if gained is None:
        return f"Freed {told}{part} {seconds}. The disk is not in sight."
    if disagrees(gained, outcome.freed_bytes):
        gain_told = format_size(max(0, gained))
        return f"Freed {told}{part} {seconds} by the engine's figures; the disk gained {gain_told}."
    return f"Freed {told}{part} {seconds}{'' if part else ', as planned'}."


def disk_line(before: Disk, after: Disk | None) -> str:
    """The bytes that are free now and were before; empty where that is not in sight."""
    if after is None or after.free_bytes is None:
        return ""
    total = "" if after.total_bytes is None else f" of {format_size(after.total_bytes)}"
    was = "" if before.free_bytes is None else f", {format_size(before.free_bytes)} before"
    return f"Disk: {format_size(after.free_bytes)}{total} free{was}."
