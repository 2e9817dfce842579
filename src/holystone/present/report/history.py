"""``holystone history``: past runs in a table, one of them whole, and recorded use as a trace."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from holystone.planner.units import format_duration, format_size
from holystone.planner.verdict import KINDS, Reason, Rule
from holystone.present import reasons
from holystone.present.document import SCHEMA, Document, fields
from holystone.present.format import counted, counts_of, plural, run_name, safe, timestamp
from holystone.present.report.parts import DETAIL, NAME, names, section
from holystone.present.table import Cell, Column, Row, facts, paragraph
from holystone.present.table import render as render_table
from holystone.present.terminal import Look
from holystone.store.records import (
    DONE,
    KILLED,
    NOT_TRIED,
    REMOVED,
    RUNNING,
    UNKNOWN,
    RecordedReason,
    Removed,
    RunSummary,
)

if TYPE_CHECKING:
    from holystone.replay.export import Exported

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
_REMOVALS = (NAME, Column("freed", right=True), Column("result"), DETAIL)


class Listed(NamedTuple):
    """The runs of a list, newest first."""

    runs: Sequence[RunSummary]
    in_period: int
    """How many runs the period has; more than ``runs`` where the list is cut."""
    since: float | None = None
    """When the period begins, in UTC seconds; None: with the first run there is."""
    selected: bool = False
    """Whether a filter or another order was requested."""
    endpoint: str = ""
    """Where the engine is reached, where only its runs are listed."""


def document(listed: Listed) -> Document:
    """The document of ``history --json``, newest first."""
    return {
        "schema": SCHEMA,
        **fields(listed, "since_at=since"),
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
                **fields(removal, "kind id names tags digests platforms"),
                "labels": dict(removal.labels),
                **fields(removal, "size_bytes=size planned_bytes freed_bytes result? detail lost"),
                "reasons": reasons_of(removal),
                **fields(removal, "settled_at=at"),
            }
            for removal in removals
        ],
    }


def _run(run: RunSummary) -> Document:
    return {
        **fields(run, "id level"),
        "engine": fields(run, "id=engine_id host? store name=engine_name"),
        **fields(run, "endpoint job? started_at=started ended_at=ended state interrupted? steps"),
        **fields(
            run, "planned_bytes estimated freed_bytes removed skipped failed unknown not_tried"
        ),
        **fields(run, "free_before_bytes=free_before free_after_bytes=free_after"),
        **fields(run, ASKED),
    }


ASKED = (
    "target_free_bytes=target_free options tagged_removed=tagged "
    "tagged_under_pressure=under_pressure"
)
"""Fields of a run: what was asked of it, and the tagged images it removed."""


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
    rows: list[Row] = []
    for run in runs:
        state = run.state
        state += f", {run.unknown} unknown" if run.unknown else ""
        state += f", {run.not_tried} not tried" if run.not_tried else ""
        target = "" if run.target_free is None else f"until {format_size(run.target_free)} free"
        # The target says it already, but for that of a plan in a file.
        told = ("--until-free ",) if target else ()
        options = [each for each in run.options or () if not each.startswith(told)]
        notes = filter(None, [target, tagged_removed(run), safe(" ".join(options))])
        rows.append(
            (
                str(run.id),
                _minute(run.started),
                safe(run.level),
                safe(run.engine_name),
                _about(run.planned_bytes, estimated=run.estimated),
                _about(run.freed_bytes, estimated=_is_estimated(run)),
                *map(str, (run.removed, run.skipped, run.failed)),
                _took(run),
                Cell(state, _STYLES.get(run.state, "yellow")),
                Cell("; ".join(notes), "yellow" if run.under_pressure else "dim"),
            )
        )
    return "\n".join([*render_table(_RUNS, rows, look), "", *paragraph(_totals(listed), look)])


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


def render(run: RunSummary, removals: Sequence[Removed], look: Look) -> str:
    """One run with every removal it meant to make."""
    went = {kind: sum(r.kind == kind and r.result == REMOVED for r in removals) for kind in KINDS}
    tagged = tagged_removed(run)
    options = NOT_RECORDED if run.options is None else safe(" ".join(run.options)) or "defaults"
    ended = f"early: {safe(run.interrupted)}" if run.interrupted else "done"
    ended = {KILLED: "killed, or its machine went down", RUNNING: "still running"}.get(
        run.state, ended
    )
    disk = ""
    if run.free_before is not None and run.free_after is not None:
        disk = f"{format_size(run.free_after)} free, {format_size(run.free_before)} before"
    title = f"Run {run.id}: {run_title(run)} of {safe(run.engine_name)}"
    lines = paragraph(title, look, style="bold")
    lines += facts(
        [
            ("engine", safe(run.endpoint)),
            ("job", safe(run.job)),
            ("options", options),
            ("started", timestamp(run.started)),
            ("took", _took(run)),
            ("ended", ended),
            ("planned", _about(run.planned_bytes, estimated=run.estimated)),
            ("freed", _about(run.freed_bytes, estimated=_is_estimated(run))),
            ("removed", (counts_of(went) or "nothing") + (f" ({tagged})" if tagged else "")),
            ("skipped", str(run.skipped or "")),
            ("failed", str(run.failed or "")),
            ("unknown", str(run.unknown or "")),
            ("not tried", str(run.not_tried or "")),
            ("disk", disk),
        ],
        look,
    )
    for kind in KINDS:
        group = [removal for removal in removals if removal.kind == kind]
        calls = names((kind, each.id, each.names) for each in group)
        rows = [_row(each, call) for each, call in zip(group, calls, strict=True)]
        if rows:
            heading, count = plural(kind).capitalize(), str(len(group))
            lines += ["", *section(heading, _REMOVALS, rows, look, beside=count)]
    return "\n".join(lines)


def _row(removal: Removed, name: str) -> Row:
    freed = "" if removal.freed_bytes is None else format_size(removal.freed_bytes)
    style = "" if removal.result == REMOVED else "yellow"
    said = removal.detail or (_NO_ANSWER if removal.result == UNKNOWN else "")
    result = removal.result or "not told"
    if removal.result == NOT_TRIED:
        result, said = "not tried", said.removeprefix("not tried").removeprefix(": ")
    why = f"reason {NOT_RECORDED}"
    if removal.reasons is not None:
        why = "; ".join(map(_words, removal.reasons))
    told = "; ".join(filter(None, [safe(said), why]))
    return (name, freed, Cell(result, style), told)


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


def document_of_export(path: str, written: Exported) -> Document:
    """The document of ``history export FILE --json``."""
    told = fields(written, "uses references images pulls first_at=first last_at=last")
    return {"schema": SCHEMA, "file": path} | told


def exported(where: str, written: Exported) -> str:
    """What was written into a trace, in a sentence."""
    uses, references = counted(written.uses, "use"), counted(written.references, "reference")
    times = ""
    if written.first is not None and written.last is not None:
        times = f", from {timestamp(written.first)} to {timestamp(written.last)}"
    return (
        f"Wrote {uses} of {references} and {counted(written.images, 'image')}{times}, "
        f"to {safe(where)}. {counted(written.pulls, 'use')} had to pull the image."
    )
