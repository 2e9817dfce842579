"""Why not as much of the disk is free as was asked for: what holds the space."""

from __future__ import annotations

from collections import Counter, defaultdict

from holystone.planner.inventory import Inventory
from holystone.planner.totals import Beside
from holystone.planner.units import format_size
from holystone.planner.verdict import Plan, Rule
from holystone.present import figures, reasons
from holystone.present.format import plural
from holystone.present.report import account
from holystone.present.table import Cell, Column, Row, paragraph
from holystone.present.table import render as render_table
from holystone.present.terminal import Look

_COLUMNS = (Column("kind"), Column("bytes", right=True), Column("why", prose=True))

_SHARED = "layers that several images share"
_SPARE = (Rule.TAGGED, Rule.DIGEST, Rule.PARENT)
"""Rules that keep no image where space is wanted, or do so for another image's sake."""


def render(
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
    lines = paragraph(text, look, style="red")
    held = _held(inventory, plan)
    rows: list[Row] = [
        (plural(kind), format_size(size), Cell(label, "dim"))
        for (kind, label), size in held.most_common()
    ]
    rows += [
        (kind, size, Cell(str(what), "dim"))
        for kind, _, size, what in account.rows(inventory, beside)
        if size != format_size(0)
    ]
    return "\n".join([*lines, *render_table(_COLUMNS, rows, look, header=False), ""])


def _held(inventory: Inventory, plan: Plan) -> Counter[tuple[str, str]]:
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
        if shared > 0:
            held["image", _SHARED] += shared
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
