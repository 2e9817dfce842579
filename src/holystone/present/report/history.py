"""``holystone history``: past runs in a table, and one of them whole."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from holystone.planner.units import format_duration, format_size
from holystone.planner.verdict import KINDS, Reason, Rule, Verdict
from holystone.present import reasons
from holystone.present.apart import names_of
from holystone.present.document import SCHEMA, Document
from holystone.present.format import counted, counts_of, plural, run_name, safe, timestamp
from holystone.present.table import Cell, Column, Row, facts, paragraph
from holystone.present.table import render as render_table
from holystone.present.terminal import Look
from holystone.store.records import (
    DONE,
    KILLED,
    REMOVED,
    RUNNING,
    UNKNOWN,
    RecordedReason,
    Removed,
    RunSummary,
)

NONE_YET = "No runs yet. Every clean is recorded here before it removes anything."
_NO_ANSWER = "requested, but no answer came; the next look at the engine settles it"
NOT_RECORDED = "not recorded"
"""Said of what an earlier version of holystone did not write down."""
_STYLES = {DONE: "green", RUNNING: "cyan"}

_RUNS = (
    Column("RUN", right=True),
    Column("WHEN"),
    Column("LEVEL", drop=1),
    Column("ENGINE", gives_way=True, least=8, drop=6),
    Column("PLANNED", right=True, drop=3),
    Column("FREED", right=True),
    Column("REMOVED", right=True, drop=2),
    Column("SKIPPED", right=True, drop=4),
    Column("FAILED", right=True, drop=4),
    Column("TOOK", right=True, drop=5),
    Column("ENDED", drop=1),
    Column("NOTES", prose=True),
)
_REMOVALS = (
    Column("name", gives_way=True, least=20),
    Column("freed", right=True),
    Column("result"),
    Column("detail", prose=True, style="dim"),
)


class Listed(NamedTuple):
    """The runs of a list, newest first."""

    runs: Sequence[RunSummary]
    in_period: int
    """How many runs the period has; more than ``runs`` where the list is cut."""
    since: float | None = None
    """When the period begins, in UTC seconds; None: with the first run there is."""
    selected: bool = False
    """Whether they were asked for by a filter, or in another order."""
    endpoint: str = ""
    """Where the engine is reached, where only its runs are listed."""


def document(listed: Listed) -> Document:
    """The document of ``history --json``, newest first."""
    return {
        "schema": SCHEMA,
        "since_at": None if listed.since is None else timestamp(listed.since),
        "runs": [_run(run) for run in listed.runs],
        "totals": {
            "runs": len(listed.runs),
            "runs_of_period": listed.in_period,
            "removed": sum(run.removed for run in listed.runs),
            "tagged_removed": sum(run.tagged for run in listed.runs),
            "tagged_under_pressure": sum(run.under_pressure or 0 for run in listed.runs),
            "freed_bytes": sum(run.freed_bytes for run in listed.runs),
            "estimated": any(map(_is_estimated, listed.runs)),
        },
    }


def document_of(run: RunSummary, removals: Sequence[Removed]) -> Document:
    """The document of ``history RUN --json``."""
    return {
        "schema": SCHEMA,
        "run": _run(run),
        "removals": [
            {
                "kind": removal.kind,
                "id": removal.id,
                "names": list(removal.names),
                "tags": list(removal.tags),
                "digests": list(removal.digests),
                "platforms": list(removal.platforms),
                "labels": dict(removal.labels),
                "size_bytes": removal.size,
                "planned_bytes": removal.planned_bytes,
                "freed_bytes": removal.freed_bytes,
                "result": removal.result or None,
                "detail": removal.detail,
                "lost": list(removal.lost),
                "reasons": reasons_of(removal),
                "settled_at": None if removal.at is None else timestamp(removal.at),
            }
            for removal in removals
        ],
    }


def table(listed: Listed, look: Look) -> str:
    """A row for each run, in the order given, and what they come to."""
    runs = listed.runs
    if not runs and listed.in_period:
        return f"No run matches --filter; {counted(listed.in_period, 'run')} in all."
    if not runs:
        on = f" on {safe(listed.endpoint)}" if listed.endpoint else ""
        if listed.since is not None:
            return f"No run has started{on} since {_minute(listed.since)}."
        return f"No run was made{on} yet." if on else NONE_YET
    rows: list[Row] = [
        (
            str(run.id),
            _minute(run.started),
            safe(run.level),
            safe(run.engine_name),
            _about(run.planned_bytes, estimated=run.estimated),
            _about(run.freed_bytes, estimated=_is_estimated(run)),
            str(run.removed),
            str(run.skipped),
            str(run.failed),
            _took(run),
            Cell(_state(run), _STYLES.get(run.state, "yellow")),
            Cell(_notes(run), "yellow" if run.under_pressure else "dim"),
        )
        for run in runs
    ]
    return "\n".join([*render_table(_RUNS, rows, look), "", *paragraph(_totals(listed), look)])


def render(run: RunSummary, removals: Sequence[Removed], look: Look) -> str:
    """One run with every removal it meant to make."""
    went = {kind: sum(r.kind == kind and r.result == REMOVED for r in removals) for kind in KINDS}
    title = f"Run {run.id}: {run_title(run)} of {safe(run.engine_name)}"
    lines = paragraph(title, look, style="bold")
    lines += facts(
        [
            ("engine", safe(run.endpoint)),
            ("job", safe(run.job)),
            ("options", _options(run)),
            ("started", timestamp(run.started)),
            ("took", _took(run)),
            ("ended", _ended(run)),
            ("planned", _about(run.planned_bytes, estimated=run.estimated)),
            ("freed", _about(run.freed_bytes, estimated=_is_estimated(run))),
            ("removed", _removed(run, went)),
            ("skipped", str(run.skipped or "")),
            ("failed", str(run.failed or "")),
            ("unknown", str(run.unknown or "")),
            ("disk", _disk(run)),
        ],
        look,
    )
    for kind in KINDS:
        group = [removal for removal in removals if removal.kind == kind]
        if group:
            name = names_of(map(_verdict, group))
            rows = [_row(each, name(_verdict(each))) for each in group]
            heading = look.paint(plural(kind).capitalize(), "heading")
            lines += ["", f"{heading}  {len(group)}"]
            lines += render_table(_REMOVALS, rows, look, header=False)
    return "\n".join(lines)


def run_title(run: RunSummary) -> str:
    """What a run was: ``weekly clean``, ``routine clean until 40.0 GB free``."""
    if run.target_free is None:
        return run_name(run.level)
    return f"{run_name(run.level)} until {format_size(run.target_free)} free"


def tagged_removed(run: RunSummary) -> str:
    """The tagged images a run removed, and whether for space alone; empty where there are none."""
    if not run.tagged:
        return ""
    count = counted(run.tagged, "tagged image")
    if run.under_pressure is None:
        return f"{count}, reasons {NOT_RECORDED}"
    if run.under_pressure == run.tagged:
        return f"{count}, under pressure"
    return f"{count}, {run.under_pressure} under pressure" if run.under_pressure else count


def why(removal: Removed) -> str:
    """Why an object was to go, in words."""
    if removal.reasons is None:
        return f"reason {NOT_RECORDED}"
    return "; ".join(map(_words, removal.reasons))


def reasons_of(removal: Removed) -> list[Document] | None:
    """Why an object was to go, as ``plan --json`` has it; None where that was not recorded."""
    if removal.reasons is None:
        return None
    return [
        {"rule": each.rule, "facts": dict(each.facts), "text": _words(each)}
        for each in removal.reasons
    ]


def _words(reason: RecordedReason) -> str:
    """A reason in words; of another version of holystone, which may have other rules, its name."""
    try:
        return reasons.text(Reason(Rule(reason.rule), reason.facts))
    except (KeyError, TypeError, ValueError, AttributeError):
        return safe(reason.rule)


def _verdict(removal: Removed) -> Verdict:
    return Verdict(removal.kind, removal.id, removal.names, remove=True, reasons=())


def _row(removal: Removed, name: str) -> Row:
    freed = "" if removal.freed_bytes is None else format_size(removal.freed_bytes)
    result = removal.result or "not told"
    style = "" if removal.result == REMOVED else "yellow"
    said = removal.detail or (_NO_ANSWER if removal.result == UNKNOWN else "")
    told = "; ".join(filter(None, [safe(said), why(removal)]))
    return (name, freed, Cell(result, style), told)


def _notes(run: RunSummary) -> str:
    """What else tells one run from another: its target, tagged images that went, its options."""
    target = "" if run.target_free is None else f"until {format_size(run.target_free)} free"
    # The target says it already, but for that of a plan in a file.
    told = ("--until-free ",) if target else ()
    options = [each for each in run.options or () if not each.startswith(told)]
    return "; ".join(filter(None, [target, tagged_removed(run), safe(" ".join(options))]))


def _removed(run: RunSummary, went: Mapping[str, int]) -> str:
    tagged = tagged_removed(run)
    return f"{counts_of(went) or 'nothing'}{f' ({tagged})' if tagged else ''}"


def _options(run: RunSummary) -> str:
    if run.options is None:
        return NOT_RECORDED
    return safe(" ".join(run.options)) or "defaults"


def _totals(listed: Listed) -> str:
    """What the runs of the list come to, in a sentence."""
    runs = listed.runs
    count = counted(len(runs), "run")
    if listed.selected:
        count = f"{len(runs)} of {listed.in_period} runs"
    elif listed.in_period > len(runs):
        count = f"The newest {len(runs)} of {listed.in_period} runs"
    since = "" if listed.since is None else f" since {_minute(listed.since)}"
    removed = counted(sum(run.removed for run in runs), "object")
    freed = _about(sum(run.freed_bytes for run in runs), estimated=any(map(_is_estimated, runs)))
    told = f"{count}{since}: {removed} removed, {freed} freed."
    if pressed := sum(run.under_pressure or 0 for run in runs):
        told += f" {counted(pressed, 'tagged image')} went under pressure."
    return told


def _is_estimated(run: RunSummary) -> bool:
    return run.estimated or run.state == KILLED


def _minute(moment: float | None) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(moment))


def _about(count: int, *, estimated: bool) -> str:
    return f"~{format_size(count)}" if estimated else format_size(count)


def _took(run: RunSummary) -> str:
    if run.ended is None or run.state == KILLED:
        return "—"
    seconds = max(0.0, run.ended - run.started)
    return f"{seconds:.1f} s" if seconds < 10 else format_duration(seconds)


def _state(run: RunSummary) -> str:
    """How the run ended, and how many removals nobody knows the end of."""
    return f"{run.state}, {run.unknown} unknown" if run.unknown else run.state


def _ended(run: RunSummary) -> str:
    if run.state == KILLED:
        return "killed, or its machine went down"
    if run.state == RUNNING:
        return "still running"
    return f"early: {safe(run.interrupted)}" if run.interrupted else "done"


def _disk(run: RunSummary) -> str:
    before, after = run.free_before, run.free_after
    if before is None or after is None:
        return ""
    return f"{format_size(after)} free, {format_size(before)} before"


def _run(run: RunSummary) -> Document:
    engine_id, _, store = run.engine.rpartition("/")
    return {
        "id": run.id,
        "level": run.level,
        "engine": {"id": engine_id, "store": store, "name": run.engine_name},
        "endpoint": run.endpoint,
        "job": run.job or None,
        "started_at": timestamp(run.started),
        "ended_at": None if run.ended is None else timestamp(run.ended),
        "state": run.state,
        "interrupted": run.interrupted or None,
        "steps": run.steps,
        "planned_bytes": run.planned_bytes,
        "estimated": run.estimated,
        "freed_bytes": run.freed_bytes,
        "removed": run.removed,
        "skipped": run.skipped,
        "failed": run.failed,
        "unknown": run.unknown,
        "free_before_bytes": run.free_before,
        "free_after_bytes": run.free_after,
        "target_free_bytes": run.target_free,
        "options": None if run.options is None else list(run.options),
        "tagged_removed": run.tagged,
        "tagged_under_pressure": run.under_pressure,
    }
