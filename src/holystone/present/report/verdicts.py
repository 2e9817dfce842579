"""The objects of a plan: what goes, what stays, what is too recent, what is unconfirmed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from holystone.engine.host import REMOVED
from holystone.planner.builders import records_of
from holystone.planner.inventory import Inventory
from holystone.planner.units import format_size
from holystone.planner.verdict import KINDS, Plan, Rule, Verdict
from holystone.present import figures, reasons
from holystone.present.apart import names_of
from holystone.present.format import clock, count_of, counts_of, plural, safe
from holystone.present.report.parts import NAME, WHY, by_kind, first, objects, section
from holystone.present.table import INDENT, Cell, Column, Row, paragraph
from holystone.present.terminal import Look

if TYPE_CHECKING:
    from holystone.operations.execute import Outcome

FOLD_AFTER = 12
"""Nameless objects of a kind (untagged images, cache records) shown before the rest is folded."""
_GOING = (NAME, Column("frees", right=True), WHY)
_KEPT = (Column("name", gives_way=True, least=24), WHY)
_COUNTS = (Column("kind"), Column("count", right=True), Column("bytes", right=True), WHY)


def going(
    verdicts: Sequence[Verdict],
    look: Look,
    *,
    every: bool = False,
    hint: str = "--all lists them",
    freed: Callable[[Verdict], int] = lambda verdict: verdict.freed_bytes,
    parts: Mapping[str, str] = MappingProxyType({}),
) -> list[str]:
    """Lines for objects that go: what each frees and why, by kind, the largest first.

    Without ``every`` long groups of nameless ones are folded; ``hint`` says where to find them.
    ``freed`` gives the bytes of one object, ``parts`` by container ID what they consist of.
    """
    lines = []
    for kind, group in by_kind(verdicts):
        name = names_of(group)
        group.sort(key=lambda verdict: (-freed(verdict), name(verdict)))
        records = kind in ("cache", "builder")
        nameless = [v for v in group if records or (kind == "image" and not v.names)]
        folded = [] if every else nameless[len(first(nameless, FOLD_AFTER)) :]
        hidden = {verdict.id for verdict in folded}
        rows: list[Row] = []
        for verdict in group:
            if verdict.id in hidden:
                continue
            size = freed(verdict)
            # Of an image the bytes may be counted with the build cache that goes.
            with_cache = not size and verdict.reasons[0].facts.get("with_records")
            why = reasons.briefs(verdict.reasons)
            if kind == "container" and verdict.id in parts:
                why += f"; {parts[verdict.id]}"
            told = "with cache" if with_cache else format_size(size)
            rows.append((name(verdict), told, Cell(why, "dim")))
        rules = {verdict.reasons[0].rule for verdict in group}
        label = f" {reasons.label(rules.pop())}" if len(rules) == 1 else ""
        sums = f"{len(group)}{label}, {format_size(sum(map(freed, group)))}"
        lines += section(plural(kind).capitalize(), _GOING, rows, look, beside=sums)
        if folded:
            untagged = "more untagged" if kind == "image" else "more"
            what = count_of(len(folded), kind).replace(" ", f" {untagged} ", 1)
            more = f"{look.ellipsis} and {what}, {format_size(sum(map(freed, folded)))} ({hint})"
            lines += paragraph(more, look, indent=INDENT, style="dim")
        lines.append("")
    return lines


def staying(verdicts: Sequence[Verdict], look: Look) -> list[str]:
    """Lines for every object that stays and why, by kind."""
    lines = []
    for kind, group in by_kind(verdicts):
        name = names_of(group)
        rows = [(name(v), Cell(reasons.texts(v.reasons), "dim")) for v in sorted(group, key=name)]
        verb = "stays" if kind == "cache" else "stay"
        title = f"{plural(kind).capitalize()} that {verb}"
        lines += [*section(title, _KEPT, rows, look, beside=str(len(group))), ""]
    return lines


def stays(inventory: Inventory, plan: Plan, look: Look) -> list[str]:
    """A line for each kind: how many objects stay, their bytes where known, and why."""
    groups = dict(by_kind(plan.kept))
    rows: list[tuple[str, str, str, Cell]] = []
    for kind in KINDS:
        group = groups.get(kind, [])
        if not group and not (kind == "image" and plan.partial):
            continue
        rules = Counter(verdict.reasons[0].rule for verdict in group)
        why = [f"{count} {reasons.label(rule)}" for rule, count in rules.most_common()]
        count, held = str(len(group)), _bytes(kind, inventory, {verdict.id for verdict in group})
        if kind == "image" and plan.partial:
            held, rest = None, figures.unlisted(plan)
            why += [f"{rest} tagged, or needed by tagged ones"] if rest else []
            if rest is None:
                count, why = "not counted", ["all that have a tag"]
            else:
                count = str(len(group) + rest)
        elif len(rules) == 1:
            why = [reasons.label(next(iter(rules)))]
        size = "" if held is None else format_size(held)
        rows.append((plural(kind), count, size, Cell(", ".join(why), "dim")))
    if not rows:
        return []
    if any(size for _, _, size, _ in rows):
        return [*section("Stays", _COUNTS, rows, look), ""]
    columns = [column for column in _COUNTS if column.title != "bytes"]
    return [*section("Stays", columns, [(*row[:2], row[3]) for row in rows], look), ""]


def _bytes(kind: str, inventory: Inventory, kept: set[str]) -> int | None:
    """The bytes of the objects of a kind that stay; None where not known, or nothing to tell."""
    if kind == "image":
        return figures.stored_bytes([image for image in inventory.images if image.id in kept])
    if kind == "cache":
        return figures.cache_bytes(inventory, kept).own
    if kind == "container":
        return sum(c.writable_size for c in inventory.containers if c.id in kept) or None
    if kind == "builder":
        records = records_of(inventory).items()
        return sum(record.size for i, record in records if i in kept) or None
    if kind == "volume":
        return sum(v.size or 0 for v in inventory.volumes if v.name in kept) or None
    return None


def young(plan: Plan, look: Look) -> list[str]:
    """How many objects stay because they are too recent, and when the last may be removed."""
    return paragraph(young_text(plan, plan.taken_at), look, style="yellow")


def young_text(plan: Plan, now: float) -> str:
    """The same as one sentence, empty where there are none. A time on another day has its date."""
    waiting: Counter[str] = Counter()
    unknown: Counter[str] = Counter()
    latest = 0.0
    for verdict in plan.verdicts:
        for reason in verdict.reasons:
            if reason.rule == Rule.YOUNG:
                until = reason.facts.get("until")
                (unknown if until is None else waiting)[verdict.kind] += 1
                latest = max(latest, float(until or 0))
    said = []
    if waiting:
        said.append(f"{counts_of(waiting)} (eligible from {clock(latest, now)})")
    if unknown:
        said.append(f"{counts_of(unknown)} of unknown age, seen for the first time")
    return f"Too recent, kept for now: {'; '.join(said)}." if said else ""


def held(plan: Plan, look: Look) -> list[str]:
    """The bytes of images that go which the disk does not gain, since build cache holds them."""
    if not plan.held_by_cache:
        return []
    text = (
        f"Not counted: {format_size(plan.held_by_cache)} of these images' layers that build cache "
        "holds too. They are freed when that build cache is removed."
    )
    return paragraph(text, look, style="yellow")


def selection(only: Sequence[str]) -> str:
    """The line that tells what alone may go; the words are those of ``--only``."""
    return f"Only these may go: {', '.join(map(safe, only))}." if only else "Nothing may go."


def nothing_to_do(plan: Plan) -> str:
    """One sentence for a plan that removes nothing."""
    kept = Counter(verdict.kind for verdict in plan.kept)
    images = ""
    if plan.partial:
        rest = figures.unlisted(plan)
        listed = kept.pop("image", 0)
        images = "all images" if rest is None else count_of(listed + rest, "image")
    elif not kept:
        return "Nothing to clean: there is nothing on this host."
    return f"Nothing to clean. What is here stays: {counts_of(kept, images=images)}."


def unconfirmed(plan: Plan, outcome: Outcome | None = None) -> list[tuple[Verdict, str]]:
    """The images that go though no registry could confirm that it has them, each with the reason.

    With ``outcome`` those that went.
    """
    found = []
    for verdict in plan.removed:
        said = [reasons.text(each) for each in verdict.reasons if each.rule == Rule.UNCONFIRMED]
        gone = outcome is None or result(verdict, outcome) == REMOVED
        if said and gone and verdict.kind == "image":
            found.append((verdict, said[0]))
    return found


def unconfirmed_lines(found: Sequence[tuple[Verdict, str]], look: Look, *, verb: str) -> list[str]:
    """These images with what their registries said; nothing where there are none."""
    title = f"Unconfirmed by a registry, and {verb}"
    return objects(title, found, look, "yellow", columns=(NAME, WHY))


def result(verdict: Verdict, outcome: Outcome) -> str:
    """How the removal of an object ended; empty where it was not to be removed."""
    removal = outcome.results.get((verdict.kind, verdict.id))
    return removal.result if removal else ""
