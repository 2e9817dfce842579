"""What a plan keeps: counts by kind and reason, and the objects that are too recent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from holystone.planner.inventory import Inventory
from holystone.planner.units import format_size
from holystone.planner.verdict import KINDS, Plan, Rule, Verdict
from holystone.present import figures, reasons
from holystone.present.format import clock, count_of, counts_of, plural
from holystone.present.table import Cell, Column, Row, paragraph, render
from holystone.present.terminal import Look

_COLUMNS = (
    Column("kind"),
    Column("count", right=True),
    Column("bytes", right=True),
    Column("why", prose=True),
)


def stays(inventory: Inventory, plan: Plan, look: Look) -> list[str]:
    """A line for each kind: how many objects stay, their bytes where known, and why."""
    kept = plan.kept
    rows: list[Row] = []
    for kind in KINDS:
        group = [verdict for verdict in kept if verdict.kind == kind]
        if kind == "image" and plan.partial:
            rows.append(_partly(plan, group))
        elif group:
            held = _bytes(kind, inventory, {verdict.id for verdict in group})
            rows.append(
                (
                    plural(kind),
                    str(len(group)),
                    "" if held is None else format_size(held),
                    Cell(_why(group), "dim"),
                )
            )
    if not rows:
        return []
    columns = _COLUMNS if any(row[2] for row in rows) else (*_COLUMNS[:2], _COLUMNS[3])
    if columns is not _COLUMNS:
        rows = [(row[0], row[1], row[3]) for row in rows]
    return [look.paint("Stays", "heading"), *render(columns, rows, look, header=False), ""]


def _partly(plan: Plan, group: Sequence[Verdict]) -> Row:
    """The row for the images of a plan that names the untagged alone."""
    rest = figures.unlisted(plan)
    if rest is None:
        return (plural("image"), "not counted", "", Cell("all that have a tag", "dim"))
    rules = Counter(verdict.reasons[0].rule for verdict in group)
    why = [f"{count} {reasons.label(rule)}" for rule, count in rules.most_common()]
    why += [f"{rest} tagged, or needed by tagged ones"] if rest else []
    return (plural("image"), str(len(group) + rest), "", Cell(", ".join(why), "dim"))


def young(plan: Plan, look: Look) -> list[str]:
    """How many objects stay because they are too recent, and when the last may be removed."""
    waiting: Counter[str] = Counter()
    unknown: Counter[str] = Counter()
    latest = 0.0
    for verdict in plan.verdicts:
        for reason in verdict.reasons:
            if reason.rule != Rule.YOUNG:
                continue
            until = reason.facts.get("until")
            if until is None:
                unknown[verdict.kind] += 1
            else:
                waiting[verdict.kind] += 1
                latest = max(latest, float(until))
    said = []
    if waiting:
        said.append(f"{counts_of(waiting)} (eligible from {clock(latest, plan.taken_at)})")
    if unknown:
        said.append(f"{counts_of(unknown)} of unknown age, seen for the first time")
    if not said:
        return []
    text = f"Too recent, kept for now: {'; '.join(said)}."
    return paragraph(text, look, style="yellow")


def held(plan: Plan, look: Look) -> list[str]:
    """The bytes of images that go which the disk does not gain, since build cache holds them."""
    if not plan.held_by_cache:
        return []
    text = (
        f"Not counted: {format_size(plan.held_by_cache)} of these images' layers that build cache "
        "holds too. They are freed when that build cache is removed."
    )
    return paragraph(text, look, style="yellow")


def _why(group: Sequence[Verdict]) -> str:
    """The reasons of a group by how many objects they keep."""
    rules = Counter(verdict.reasons[0].rule for verdict in group)
    if len(rules) == 1:
        return reasons.label(next(iter(rules)))
    return ", ".join(f"{count} {reasons.label(rule)}" for rule, count in rules.most_common())


def _bytes(kind: str, inventory: Inventory, kept: set[str]) -> int | None:
    """The bytes of the objects of a kind that stay; None where not known, or nothing to tell."""
    if kind == "image":
        return figures.stored_bytes([image for image in inventory.images if image.id in kept])
    if kind == "cache":
        return figures.cache_bytes(inventory, kept).own
    if kind == "container":
        return sum(c.writable_size for c in inventory.containers if c.id in kept) or None
    if kind == "volume":
        return sum(v.size or 0 for v in inventory.volumes if v.name in kept) or None
    return None


def nothing_to_do(plan: Plan) -> str:
    """One sentence for a plan that removes nothing."""
    kept = Counter(verdict.kind for verdict in plan.kept)
    if plan.partial:
        rest = figures.unlisted(plan)
        listed = kept.pop("image", 0)
        what = "all images" if rest is None else count_of(listed + rest, "image")
        return f"Nothing to clean. What is here stays: {counts_of(kept, images=what)}."
    if not kept:
        return "Nothing to clean: there is nothing on this host."
    return f"Nothing to clean. What is here stays: {counts_of(kept)}."
