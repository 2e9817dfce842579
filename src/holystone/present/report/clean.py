"""``holystone clean``: what went, what stayed, how many bytes; the two lines people grep for."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from holystone.engine.host import FAILED, NOT_TRIED, REMOVED, SKIPPED, UNKNOWN
from holystone.operations.execute import Outcome
from holystone.operations.rounds import Round
from holystone.planner.inventory import Disk
from holystone.planner.policy import Policy
from holystone.planner.units import format_size
from holystone.planner.verdict import KINDS, Plan, Rule, Verdict
from holystone.present import figures, notes, reasons
from holystone.present.format import counted, counts_of, plural, safe
from holystone.present.report import verdicts
from holystone.present.report.disk import disk_line, freed_line
from holystone.present.report.parts import objects
from holystone.present.table import Cell, Column, Row, paragraph
from holystone.present.table import render as render_table
from holystone.present.terminal import Look

if TYPE_CHECKING:
    from holystone.operations.plan_file import SavedPlan

FIRST_LINE = "🧹 Cleaning up temporary build artifacts only..."
LAST_LINE = "✅ Cleaned temporary artifacts, preserved base images"
_COLUMNS = (
    Column(""),
    Column("removed", right=True),
    Column("kept", right=True),
    Column("freed", right=True),
)


def opening(policy: Policy) -> str:
    """The first line, before anything is removed."""
    if policy.only_when_high:
        return "🧹 Cleaning up, and on where the disk is too full..."
    if policy.target is not None:
        return "🧹 Cleaning up until enough is free..."
    only_temporary = policy.takes.tagged == "none" and not policy.takes.volumes
    if policy.level == "routine" and only_temporary:
        return FIRST_LINE
    return f"🧹 Cleaning up at level {policy.level}..."


def selection(policy: Policy) -> str:
    """The line that tells what alone may go."""
    return verdicts.selection(tuple(map(str, policy.only or ())))


def coalesced(run: int, freed: int) -> str:
    """The message if the other run, which this one waited for, has done the work."""
    said = f"Run {run} ended just now and freed {format_size(freed)}: nothing is left to do."
    return f"{said}\n{LAST_LINE}"


def round_done(done: Round) -> str:
    """What a round brought that another one follows."""
    what = counts_of(Counter(kind for kind, _ in done.outcome.freed))
    planned = format_size(done.plan.freed_bytes)
    gained = done.gained
    if gained is None or gained >= done.plan.freed_bytes:
        return f"Freed {planned} with {what}; planning the rest."
    freed = format_size(max(0, gained))
    return f"Freed {freed} of the {planned} planned with {what}; planning again."


def closing(plan: Plan, outcome: Outcome, *, short: int = 0) -> str:
    """The last line: whether it ended well. An object skipped for safety is no failure.

    ``short`` is by how many bytes the disk has less free than was asked for.
    """
    if outcome.interrupted:
        done = f"{outcome.removed} of {counted(len(plan.steps), 'step')} done"
        return f"❌ Clean-up ended early, {done}: {safe(outcome.interrupted)}"
    if outcome.failed or outcome.unknown:
        told = [f"{counted(outcome.failed, 'removal')} failed"] if outcome.failed else []
        if outcome.unknown:
            told.append(f"{counted(outcome.unknown, 'removal')} got no answer")
        return f"❌ Clean-up incomplete: {', '.join(told)}"
    unconfirmed = len(verdicts.unconfirmed(plan, outcome))
    also = f"; {counted(unconfirmed, 'image')} unconfirmed by a registry" if unconfirmed else ""
    if short:
        return f"❌ Target not reached: {format_size(short)} more should be free{also}"
    if plan.target_free is not None:
        return f"✅ Cleaned until enough was free{also}"
    if plan.level == "routine" and not any(_is_kept_dear(verdict) for verdict in plan.removed):
        return LAST_LINE
    return f"✅ Cleaned at level {plan.level}"


def _is_kept_dear(verdict: Verdict) -> bool:
    """Whether a routine clean goes beyond temporary things with this: a tag, or a volume."""
    rules = {reason.rule for reason in verdict.reasons}
    named = not rules.isdisjoint((Rule.UNUSED, Rule.EXPIRED, Rule.PRESSURE))
    return verdict.kind == "volume" or (verdict.kind == "image" and named)


def removals(plan: Plan, outcome: Outcome, look: Look, *, every: bool = False) -> str:
    """Every object that went, with the bytes it freed and why; empty where none did."""
    lines = verdicts.going(
        [each for each in plan.verdicts if verdicts.result(each, outcome) == REMOVED],
        look,
        every=every,
        hint="--json has them all",
        freed=lambda verdict: outcome.freed.get((verdict.kind, verdict.id), 0),
    )
    return "\n".join(lines).rstrip()


def render(
    plan: Plan,
    outcome: Outcome,
    look: Look,
    *,
    disk_after: Disk | None = None,
    run: int | None = None,
    agreed_bytes: int | None = None,
) -> str:
    """The result of the plan: everything between the first line and the last.

    ``run`` is the number of the run in the history, where it is written down. ``agreed_bytes`` is
    what the plan in a file that is carried out was to free.
    """
    lines = [*_table(plan, outcome, look), "", *_not_as_agreed(plan, look)]
    troubles: dict[str, list[tuple[Verdict, str]]] = {}
    for verdict in plan.verdicts:
        if removal := outcome.results.get((verdict.kind, verdict.id)):
            troubles.setdefault(removal.result, []).append((verdict, removal.detail))
    for result, style in ((SKIPPED, "yellow"), (FAILED, "red"), (UNKNOWN, "red")):
        lines += objects(result.capitalize(), troubles.get(result, []), look, style)
    if untried := troubles.get(NOT_TRIED):
        lines += [look.paint(f"Not tried: {len(untried)}", "red"), ""]
    lines += _restorable(outcome, run, look)
    gone = verdicts.unconfirmed(plan, outcome)
    lines += verdicts.unconfirmed_lines(gone, look, verb="removed")
    lines += paragraph(freed_line(plan, outcome, disk_after, agreed_bytes), look)
    if outcome.removed:
        lines += verdicts.held(plan, look)
    lines += paragraph(disk_line(plan.disk, disk_after), look)
    lines += verdicts.young(plan, look)
    lines += notes.lines(plan.notes, look)
    return "\n".join(lines)


def _table(plan: Plan, outcome: Outcome, look: Look) -> list[str]:
    """Removed, kept and freed for each kind there is any object of, and in all.

    Objects that were to go and stayed are in neither column: they are listed by name below.
    """
    total: Counter[str] = Counter(verdict.kind for verdict in plan.verdicts)
    kept = Counter(v.kind for v in plan.verdicts if not v.remove and not is_gone(v))
    removed = Counter(
        kind for (kind, _), removal in outcome.results.items() if removal.result == REMOVED
    )
    freed: Counter[str] = Counter()
    for (kind, _), size in outcome.freed.items():
        freed[kind] += size
    unlisted = figures.unlisted(plan) if plan.partial else 0
    total["image"] += plan.partial
    kept["image"] += unlisted or 0
    rows: list[Row] = [
        (
            plural(kind),
            Cell(str(removed[kind]), "" if removed[kind] else "dim"),
            "not counted" if kind == "image" and unlisted is None else str(kept[kind]),
            Cell(format_size(freed[kind]), "" if freed[kind] else "dim"),
        )
        for kind in KINDS
        if total[kind]
    ]
    sums = (str(removed.total()), str(kept.total()), format_size(outcome.freed_bytes))
    rows.append([Cell(text, "bold") for text in ("total", *sums)])
    return render_table(_COLUMNS, rows, look)


def _not_as_agreed(plan: Plan, look: Look) -> list[str]:
    """What was in the plan that is carried out, and stays after all, each with the reason."""
    rules = {verdict.reasons[0].rule for verdict in plan.verdicts}
    if rules.isdisjoint((Rule.AGREED, Rule.NOT_IN_PLAN)):
        return []
    stay = [verdict for verdict in plan.kept if verdict.reasons[0].rule != Rule.NOT_IN_PLAN]
    here = [(each, reasons.texts(each.reasons)) for each in stay if not is_gone(each)]
    lines = objects("In the plan, and not removed", here, look, "yellow", most=len(here))
    if gone := len(stay) - len(here):
        lines += [f"In the plan, and gone already: {gone}", ""]
    return lines


def nothing_left(plan: Plan, saved: SavedPlan) -> str:
    """The message if nothing of a plan can be carried out: what happened to its objects."""
    if not saved.steps:
        return "Nothing was left to do: the plan has nothing in it."
    wanted = {(step.kind, step.id) for step in saved.steps}
    mine = [verdict for verdict in plan.verdicts if (verdict.kind, verdict.id) in wanted]
    stay = sum(not is_gone(verdict) for verdict in mine)
    if not stay:
        return "Nothing was left to do: everything in the plan is gone already."
    gone = f"{len(mine) - stay} are gone already, " if stay < len(mine) else ""
    said = f"of {counted(len(mine), 'object')} in the plan {gone}{stay} must stay"
    return f"Nothing was left to do: {said}."


def is_gone(verdict: Verdict) -> bool:
    """Whether the object of an agreed plan is no longer there."""
    return any(r.rule == Rule.CHANGED and r.facts.get("gone") for r in verdict.reasons)


def _restorable(outcome: Outcome, run: int | None, look: Look) -> list[str]:
    """How to get back what went without an answer, or lost its references and stayed."""
    if run is None:
        return []
    told = []
    if outcome.unknown:
        told.append("The engine gave no answer. The next look at it settles what was removed.")
    if any(
        kind == "image" and (removal.result == UNKNOWN or removal.lost)
        for (kind, _), removal in outcome.results.items()
    ):
        told.append(f"`holystone restore {run}` brings back what these images lost.")
    return [*paragraph(" ".join(told), look, style="yellow"), ""] if told else []
