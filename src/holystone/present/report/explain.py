"""``holystone explain``: one object whole, its verdict and everything that bears on it."""

from __future__ import annotations

from collections.abc import Sequence

from holystone.planner.units import format_size
from holystone.planner.verdict import Fact, Verdict
from holystone.present import notes, reasons
from holystone.present.apart import names_of
from holystone.present.explanation import Explanation, Sharer
from holystone.present.format import (
    ago,
    amount,
    count_of,
    name_of,
    safe,
    short_id,
    timestamp,
)
from holystone.present.table import facts, paragraph
from holystone.present.terminal import Look

SHOWN_SHARERS = 5
_SINGULAR = {"cache": "build cache record"}


def render(explanation: Explanation, look: Look) -> str:
    """The object, its verdict with each reason, and what it hangs together with."""
    verdict = explanation.verdict
    title = f"{_SINGULAR.get(verdict.kind, verdict.kind)} {name_of(verdict)}"
    lines = paragraph(title[:1].upper() + title[1:], look, style="bold")
    decision = look.paint("remove", "yellow") if verdict.remove else look.paint("keep", "green")
    if verdict.remove:
        decision += f", frees {format_size(verdict.freed_bytes)}"
    pairs: list[tuple[str, str | Sequence[str]]] = [
        ("verdict", decision),
        ("because", [reasons.text(reason) for reason in verdict.reasons]),
        ("alone", _alone(explanation)),
        ("ranked by", _ranked_by(explanation)),
        ("id", safe(verdict.id)),
        ("note", [notes.text(note) for note in explanation.notes]),
    ]
    # Of a digest the heading has the beginning only.
    digest = any("@" in reference for reference in explanation.references)
    if digest or explanation.references != verdict.names or len(explanation.references) > 1:
        pairs.append(("references", [safe(each) for each in explanation.references]))
    pairs += [
        (_label(name), _said(name, fact, explanation.taken_at))
        for name, fact in explanation.facts.items()
    ]
    pairs.append(
        ("used by", [f"container {safe(c.name)} ({safe(c.state)})" for c in explanation.containers])
    )
    pairs.append(("shares with", _sharers(explanation.sharers, look)))
    return "\n".join([*lines, *facts(pairs, look)])


def _ranked_by(explanation: Explanation) -> str:
    expected = explanation.prospects
    if expected is None:
        return ""
    records = explanation.alone.with_records if explanation.alone else 0
    return reasons.expected({**expected.facts, "with_records": records or None})


def _alone(explanation: Explanation) -> str:
    alone = explanation.alone
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


def _label(name: str) -> str:
    for ending in ("_bytes", "_at"):
        name = name.removesuffix(ending)
    return name.replace("_", " ")


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


def _verdict(sharer: Sharer) -> Verdict:
    return Verdict("image", sharer.id, tuple(sharer.names), remove=False, reasons=())


def _sharers(sharers: Sequence[Sharer], look: Look) -> list[str]:
    name = names_of(map(_verdict, sharers))
    shown = [
        f"{name(_verdict(sharer))}, {format_size(sharer.shared)}"
        for sharer in sharers[:SHOWN_SHARERS]
    ]
    more = len(sharers) - len(shown)
    if more:
        shown.append(f"{look.ellipsis} and {count_of(more, 'image').replace(' ', ' more ', 1)}")
    return shown
