"""The disk: what uses its bytes, what a clean freed, and why not more is free."""

from __future__ import annotations

from collections import Counter, defaultdict

from holystone.operations.execute import Outcome
from holystone.operations.rounds import NOISE, disagrees, gain
from holystone.planner.inventory import Disk, Inventory
from holystone.planner.totals import Beside
from holystone.planner.units import format_size
from holystone.planner.verdict import Plan, Rule
from holystone.present import figures, reasons
from holystone.present.beside import logs_named, orphans_named
from holystone.present.format import plural, promised
from holystone.present.report.parts import WHY
from holystone.present.table import Cell, Column, Row, paragraph, render
from holystone.present.terminal import Look

_HELD = (Column("kind"), Column("bytes", right=True), WHY)
_SPARE = (Rule.TAGGED, Rule.DIGEST, Rule.PARENT)
"""Rules that keep no image where space is wanted, or do so for another image's sake."""


def account_rows(inventory: Inventory, beside: Beside) -> list[tuple[str, str, str, str]]:
    """A row for each part of the used disk that no list of the engine has.

    Kind, count, bytes and what it is. None where the disk is not in sight.
    """
    told = figures.account_of(inventory, beside)
    if told is None:
        return []
    made = []
    if beside.logs:
        made.append(("logs", str(len(beside.logs)), format_size(told.logs), logs_named(beside)))
    if beside.orphans:
        text = f"no layer has this folder: {orphans_named(beside)}"
        made.append(("orphans", str(len(beside.orphans)), format_size(told.orphans), text))
    if told.own:
        made.append(
            ("engine", "", format_size(told.own), "its own files, plugins and temporary files")
        )
    said = "files of others, or not reported by the engine"
    if told.other < 0:
        said = f"the engine counts {format_size(-told.other)} more than is used"
    else:
        if not beside.read:
            said += "; includes container logs, which only root can read"
        if beside.elsewhere:
            said += f"; the engine's {' and '.join(beside.elsewhere)} are on another disk"
    return [*made, ("other", "", format_size(max(0, told.other)), said)]


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
    about = "about " if plan.estimated else ""
    part = ""
    if agreed_bytes is not None and outcome.freed_bytes < agreed_bytes:
        agreed = format_size(agreed_bytes)
        part = f" of the {about}{agreed} in the plan" if agreed != told else ""
    took = f"{part} in {outcome.seconds:.1f} s"
    gained = None if disk_after is None else gain(plan.disk, disk_after)
    gain_told = format_size(max(0, gained or 0))
    if outcome.freed_bytes != plan.freed_bytes:
        said = f"Freed {about}{told}{took}{'' if part else f'; {planned} were planned'}."
        # The history has what the disk gained.
        return f"{said} The disk gained {gain_told}." if about and gained is not None else said
    differs = gained is not None and disagrees(gained, outcome.freed_bytes)
    if plan.estimated:
        said = f"Freed {promised(plan)}{took}; this engine reports no exact figure."
        if gained is None or (outcome.freed_bytes < NOISE and not differs):
            return said
        return f"{said} The disk gained {gain_told}."
    if gained is None:
        return f"Freed {told}{took}. The disk is not in sight."
    if differs:
        return f"Freed {told}{took} by the engine's figures; the disk gained {gain_told}."
    return f"Freed {told}{took}{'' if part else ', as planned'}."


def disk_line(before: Disk, after: Disk | None) -> str:
    """The bytes that are free now and were before; empty where that is not in sight."""
    if after is None or after.free_bytes is None:
        return ""
    total = "" if after.total_bytes is None else f" of {format_size(after.total_bytes)}"
    was = "" if before.free_bytes is None else f", {format_size(before.free_bytes)} before"
    return f"Disk: {format_size(after.free_bytes)}{total} free{was}."


def shortfall(
    inventory: Inventory,
    plan: Plan,
    short: int,
    look: Look,
    beside: Beside = Beside(),  # noqa: B008 - immutable
) -> str:
    """How many bytes are missing, and what stays, by kind and reason, the most bytes first.

    ``inventory`` is the host after the clean that this plan was carried out in.
    """
    text = f"{format_size(short)} more should be free. What holds the space:"
    rows: list[Row] = [
        (plural(kind), format_size(size), Cell(label, "dim"))
        for (kind, label), size in held(inventory, plan).most_common()
    ]
    rows += [
        (kind, size, Cell(what, "dim"))
        for kind, _, size, what in account_rows(inventory, beside)
        if size != format_size(0)
    ]
    lines = paragraph(text, look, style="red")
    return "\n".join([*lines, *render(_HELD, rows, look, header=False), ""])


def held(inventory: Inventory, plan: Plan) -> Counter[tuple[str, str]]:
    """Bytes of what stays, by kind and the label of the reason that comes first."""
    shares = figures.image_shares(inventory.images)
    sizes: dict[tuple[str, str], int] = {}
    for image in inventory.images:
        share = shares[image.id]
        sizes["image", image.id] = image.size if share is None else share.unique
    sizes.update((("container", c.id), c.writable_size) for c in inventory.containers)
    sizes.update((("cache", r.id), 0 if r.shared else r.size) for r in inventory.cache)
    sizes.update((("volume", v.name), v.size or 0) for v in inventory.volumes)
    held: Counter[tuple[str, str]] = Counter()
    for verdict in plan.verdicts:
        size = sizes.get((verdict.kind, verdict.id), 0)
        if size:
            label = "not removed" if verdict.remove else reasons.label(verdict.reasons[0].rule)
            held[verdict.kind, label] += size
    stored = figures.stored_bytes(inventory.images)
    if stored is not None:
        shared = stored - sum(size for (kind, _), size in sizes.items() if kind == "image")
        for label, size in _shared(inventory, plan).items():
            part = max(0, min(size, shared))
            held["image", label] += part
            shared -= part
        held["image", "layers that several images share"] += max(0, shared)
    return +held


def _shared(inventory: Inventory, plan: Plan) -> Counter[str]:
    """Bytes of the layers that several images share and one of them keeps, by why that stays.

    What is in use counts first. A layer is left out where only the level keeps its images.
    """
    kept = {
        verdict.id: verdict.reasons[0].rule
        for verdict in plan.verdicts
        if verdict.kind == "image" and not verdict.remove
    }
    holders: defaultdict[str, list[Rule]] = defaultdict(list)
    sizes: dict[str, int] = {}
    for image in inventory.images:
        for layer in image.held:
            holders[layer.chain_id].append(kept.get(image.id, _SPARE[0]))
            sizes[layer.chain_id] = layer.size
    told: Counter[str] = Counter()
    for chain_id, rules in holders.items():
        why = [rule for rule in rules if rule not in _SPARE]
        if len(rules) > 1 and why:
            told[reasons.label(Rule.IN_USE if Rule.IN_USE in why else why[0])] += sizes[chain_id]
    return told
