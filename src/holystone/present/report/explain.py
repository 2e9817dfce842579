"""``holystone explain``: one object whole, its verdict and everything that bears on it."""

from __future__ import annotations

from collections.abc import Sequence

from holystone.planner.units import format_size
from holystone.planner.verdict import Fact
from holystone.present import notes, reasons
from holystone.present.explanation import Alone, Explanation
from holystone.present.format import ago, amount, count_of, name_of, safe, short_id, timestamp
from holystone.present.report.parts import names
from holystone.present.table import facts, paragraph
from holystone.present.terminal import Look

SHOWN_SHARERS = 5


def render(explanation: Explanation, look: Look) -> str:
    """The object, its verdict with each reason, and what it hangs together with."""
    verdict, alone = explanation.verdict, explanation.alone
    kind = "build cache record" if verdict.kind == "cache" else verdict.kind
    title = f"{kind} {name_of(verdict)}"
    lines = paragraph(title[:1].upper() + title[1:], look, style="bold")
    decision = look.paint("keep", "green")
    if verdict.remove:
        decision = f"{look.paint('remove', 'yellow')}, frees {format_size(verdict.freed_bytes)}"
    ranked = ""
    if explanation.prospects is not None:
        records = (alone.with_records if alone else 0) or None
        ranked = reasons.expected({**explanation.prospects.facts, "with_records": records})
    pairs: list[tuple[str, str | Sequence[str]]] = [
        ("verdict", decision),
        ("because", [reasons.text(reason) for reason in verdict.reasons]),
        ("alone", _alone(alone)),
        ("ranked by", ranked),
        ("id", safe(verdict.id)),
        ("note", [notes.text(note) for note in explanation.notes]),
    ]
    references = explanation.references
    # Of a digest the heading has the beginning only.
    digest = any("@" in reference for reference in references)
    if digest or references != verdict.names or len(references) > 1:
        pairs.append(("references", [safe(each) for each in references]))
    for name, fact in explanation.facts.items():
        label = name.removesuffix("_bytes").removesuffix("_at").replace("_", " ")
        pairs.append((label, _said(name, fact, explanation.taken_at)))
    users = [f"container {safe(c.name)} ({safe(c.state)})" for c in explanation.containers]
    sharers = explanation.sharers
    calls = names(("image", sharer.id, sharer.names) for sharer in sharers)
    shared = [
        f"{call}, {format_size(sharer.shared)}"
        for call, sharer in zip(calls, sharers[:SHOWN_SHARERS], strict=False)
    ]
    if more := len(sharers) - len(shared):
        shared.append(f"{look.ellipsis} and {count_of(more, 'image').replace(' ', ' more ', 1)}")
    pairs += [("used by", users), ("shares with", shared)]
    return "\n".join([*lines, *facts(pairs, look)])


def _alone(alone: Alone | None) -> str:
    if alone is None:
        return "what removing it would free is not known"
    figure = amount(
        alone.freed,
        estimated=alone.estimated,
        at_least=alone.at_least,
        at_most=alone.at_most,
    )
    text = f"removing only it would free {figure}"
    if not alone.held_by_cache:
        return text
    return f"{text}: build cache holds {format_size(alone.held_by_cache)} of its layers"


def _said(name: str, fact: Fact, now: float) -> str:
    if fact is None:
        return ""
    if isinstance(fact, bool):
        return "yes" if fact else "no"
    if name.endswith("_bytes"):
        return format_size(int(fact))
    if name.endswith("_at"):
        return f"{timestamp(float(fact))} ({ago(now - float(fact))})"
    return short_id(str(fact)) if name == "parent" else safe(str(fact))
