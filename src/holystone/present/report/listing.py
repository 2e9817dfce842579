"""The objects of a plan, grouped by kind: a row each, long groups of nameless ones folded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from holystone.planner.units import format_size
from holystone.planner.verdict import KINDS, Verdict
from holystone.present import reasons
from holystone.present.apart import names_of
from holystone.present.format import count_of, plural
from holystone.present.table import INDENT, Cell, Column, Row, paragraph, render
from holystone.present.terminal import Look

FOLD_AFTER = 12
"""Nameless objects of a kind (untagged images, cache records) shown before the rest is folded."""


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

    With ``every`` nothing is folded; ``hint`` says where else to find what is. ``freed`` tells
    the bytes of one object, ``parts`` by container ID what they consist of.
    """
    lines = []
    for kind in KINDS:
        group = [verdict for verdict in verdicts if verdict.kind == kind]
        if not group:
            continue
        name = names_of(group)
        group.sort(key=lambda verdict: (-freed(verdict), name(verdict)))
        shown, folded = (group, []) if every else _folded(group)
        rows: list[Row] = [
            (name(v), _bytes(v, freed(v)), Cell(_why(v, parts), "dim")) for v in shown
        ]
        total = sum(map(freed, group))
        heading = look.paint(plural(kind).capitalize(), "heading")
        lines += [f"{heading}  {_summary(group)}, {format_size(total)}"]
        lines += render(_GOING, rows, look, header=False)
        if folded:
            more = format_size(sum(map(freed, folded)))
            what = count_of(len(folded), kind).replace(" ", " more ", 1)
            if kind == "image":
                what = what.replace("more ", "more untagged ")
            note = f"{look.ellipsis} and {what}, {more} ({hint})"
            lines += paragraph(note, look, indent=INDENT, style="dim")
        lines.append("")
    return lines


def _why(verdict: Verdict, parts: Mapping[str, str]) -> str:
    brief = reasons.briefs(verdict.reasons)
    made_of = parts.get(verdict.id, "") if verdict.kind == "container" else ""
    return f"{brief}; {made_of}" if made_of else brief


def staying(verdicts: Sequence[Verdict], look: Look) -> list[str]:
    """Lines for every object that stays and why, by kind."""
    lines = []
    for kind in KINDS:
        group = [verdict for verdict in verdicts if verdict.kind == kind]
        if not group:
            continue
        name = names_of(group)
        rows: list[Row] = [
            (name(v), Cell(reasons.texts(v.reasons), "dim")) for v in sorted(group, key=name)
        ]
        heading = look.paint(f"{plural(kind).capitalize()} that stay", "heading")
        if kind == "cache":
            heading = look.paint("Build cache that stays", "heading")
        lines += [f"{heading}  {len(group)}", *render(_STAYING, rows, look, header=False), ""]
    return lines


_GOING = (
    Column("name", gives_way=True, least=20),
    Column("frees", right=True),
    Column("why", prose=True),
)
_STAYING = (Column("name", gives_way=True, least=24), Column("why", prose=True))


def _bytes(verdict: Verdict, freed: int) -> str:
    """What comes free with an object; of an image it may be told with the build cache that goes."""
    with_cache = not freed and verdict.reasons[0].facts.get("with_records")
    return "with cache" if with_cache else format_size(freed)


def _summary(group: Sequence[Verdict]) -> str:
    """How many there are, with the rule that speaks for all of them where it is one."""
    rules = {verdict.reasons[0].rule for verdict in group}
    if len(rules) == 1:
        return f"{len(group)} {reasons.label(rules.pop())}"
    return f"{len(group)}"


def _folded(group: list[Verdict]) -> tuple[list[Verdict], list[Verdict]]:
    """What is shown of a group, and what is folded: nameless ones beyond the largest few."""
    nameless = [v for v in group if v.kind == "cache" or (v.kind == "image" and not v.names)]
    # A fold that hides one or two rows saves nothing.
    if len(nameless) <= FOLD_AFTER + 2:
        return group, []
    hidden = {verdict.id for verdict in nameless[FOLD_AFTER:]}
    return [v for v in group if v.id not in hidden], nameless[FOLD_AFTER:]
