"""``holystone rm``: what goes of what was named, what stays and why, and what became of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from holystone.engine.host import REMOVED
from holystone.operations.execute import Outcome
from holystone.planner.inventory import Disk, Inventory
from holystone.planner.units import format_size
from holystone.planner.usage import Key
from holystone.planner.verdict import Plan, Rule, Verdict
from holystone.present import reasons
from holystone.present.apart import names_of
from holystone.present.format import counted, counts_of, parts_of
from holystone.present.report import verdicts
from holystone.present.report.disk import disk_line, freed_line
from holystone.present.report.parts import NAME, SIZE, objects
from holystone.present.report.plan import total
from holystone.present.table import paragraph, render
from holystone.present.terminal import Look

_LOST = (Rule.LOCAL, Rule.UNCONFIRMED)


def plan(inventory: Inventory, made: Plan, asked: Sequence[Key], look: Look) -> str:
    """What would go, with its bytes, and what was named and stays."""
    parts = parts_of(inventory.containers)
    lines = verdicts.going(made.removed, look, every=True, parts=parts)
    lines += _staying(made, asked, look)
    if made.removed:
        lines += paragraph(total(made), look, style="bold")
        lines += verdicts.held(made, look)
    else:
        lines += paragraph("Nothing would be removed.", look, style="bold")
    return "\n".join(lines)


def lost(inventory: Inventory, made: Plan, look: Look) -> str:
    """What would be lost for good: images that no registry has, volumes. Empty where nothing."""
    sizes = {image.id: image.size for image in inventory.images}
    name = names_of(made.removed)
    images, volumes = [], []
    for verdict in made.removed:
        if verdict.kind == "volume":
            volumes.append((name(verdict), format_size(verdict.freed_bytes)))
        elif verdict.kind == "image" and any(each.rule in _LOST for each in verdict.reasons):
            images.append((name(verdict), format_size(sizes[verdict.id])))
    lines: list[str] = []
    which = "this image" if len(images) == 1 else f"these {len(images)} images"
    for said, rows in (
        (f"No registry is known to have {which}:", images),
        (f"Data in {counted(len(volumes), 'volume')} is lost for good:", volumes),
    ):
        if rows:
            lines += paragraph(said, look, style="red")
            lines += [*render((NAME, SIZE), rows, look, header=False), ""]
    return "\n".join(lines).rstrip()


def result(
    made: Plan,
    outcome: Outcome,
    asked: Sequence[Key],
    look: Look,
    *,
    disk_after: Disk,
    run: int | None,
) -> str:
    """What became of it, and the last line."""
    lines: list[str] = []
    troubles = [
        (verdict, f"{removal.result}: {removal.detail}")
        for verdict in made.verdicts
        if (removal := outcome.results.get((verdict.kind, verdict.id)))
        and removal.result != REMOVED
    ]
    lines += objects("Not removed", troubles, look, "red", most=len(troubles))
    lines += paragraph(freed_line(made, outcome, disk_after), look)
    if outcome.removed:
        lines += verdicts.held(made, look)
    lines += paragraph(disk_line(made.disk, disk_after), look)
    gone = Counter(kind for kind, each in outcome.results if _went(outcome, (kind, each)))
    images = any(kind == "image" for kind in gone)
    if run is not None and images:
        lines += paragraph(f"`holystone restore {run}` brings back what a registry has.", look)
    left = sum(not _went(outcome, key) for key in asked)
    if outcome.interrupted:
        lines.append(f"❌ Ended early: {outcome.interrupted}")
    elif left:
        lines.append(f"❌ {left} of {counted(len(asked), 'object')} not removed")
    else:
        lines.append(f"✅ Removed {counts_of(gone)}")
    return "\n".join(lines)


def all_went(outcome: Outcome, asked: Sequence[Key]) -> bool:
    """Whether everything that was named was removed."""
    return all(_went(outcome, key) for key in asked)


def _went(outcome: Outcome, key: Key) -> bool:
    removal = outcome.results.get(key)
    return removal is not None and removal.result == REMOVED


def _staying(made: Plan, asked: Sequence[Key], look: Look) -> list[str]:
    kept: dict[Key, Verdict] = {(each.kind, each.id): each for each in made.kept}
    stay = [(kept[key], reasons.texts(kept[key].reasons)) for key in asked if key in kept]
    return objects("Stays", stay, look, "yellow", most=len(stay))
