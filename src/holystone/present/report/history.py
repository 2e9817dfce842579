"""``holystone history``: past runs in a table, and one of them whole."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

from holystone.core.decision import KINDS, Verdict
from holystone.core.units import format_duration, format_size
from holystone.ledger.records import DONE, KILLED, REMOVED, RUNNING, UNKNOWN, Removed, RunSummary
from holystone.present.document import SCHEMA, Document
from holystone.present.table import Cell, Column, Row, facts
from holystone.present.table import render as render_table
from holystone.present.terminal import Look
from holystone.present.wording import counted, counts_of, name_of, plural, run_name, safe, timestamp

NONE_YET = "There are no runs yet: every clean is written here before it removes anything."
_NO_ANSWER = "asked for, and no answer came; the next look at the engine tells what went"
_STYLES = {DONE: "green", RUNNING: "cyan"}

_RUNS = (
    Column("RUN", right=True),
    Column("WHEN"),
    Column("LEVEL"),
    Column("ENGINE", gives_way=True, least=8, drop=3),
    Column("PLANNED", right=True),
    Column("FREED", right=True),
    Column("REMOVED", right=True),
    Column("SKIPPED", right=True, drop=1),
    Column("FAILED", right=True, drop=1),
    Column("TOOK", right=True, drop=2),
    Column("ENDED"),
)
_REMOVALS = (
    Column("name", gives_way=True, least=20),
    Column("freed", right=True),
    Column("result"),
    Column("detail", prose=True, style="dim"),
)


class Exported(NamedTuple):
    """What a trace has in it. Times are UTC seconds, None where it has nothing."""

    uses: int = 0
    references: int = 0
    images: int = 0
    pulls: int = 0
    """How many uses had to pull their image."""
    first: float | None = None
    last: float | None = None


def document(runs: Sequence[RunSummary]) -> Document:
    """The document of ``history --json``, newest first."""
    return {"schema": SCHEMA, "runs": [_run(run) for run in runs]}


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
                "settled_at": None if removal.at is None else timestamp(removal.at),
            }
            for removal in removals
        ],
    }


def document_of_export(path: str, written: Exported) -> Document:
    """The document of ``history export FILE --json``."""
    return {
        "schema": SCHEMA,
        "file": path,
        "uses": written.uses,
        "references": written.references,
        "images": written.images,
        "pulls": written.pulls,
        "first_at": None if written.first is None else timestamp(written.first),
        "last_at": None if written.last is None else timestamp(written.last),
    }


def exported(where: str, written: Exported) -> str:
    """What was written, in a sentence."""
    told = [
        counted(written.uses, "use"),
        counted(written.references, "reference"),
        counted(written.images, "image"),
    ]
    times = ""
    if written.first is not None and written.last is not None:
        times = f", from {timestamp(written.first)} to {timestamp(written.last)}"
    return (
        f"Wrote {told[0]} of {told[1]} and {told[2]}{times}, to {safe(where)}. "
        f"{counted(written.pulls, 'use')} had to pull the image."
    )


def table(runs: Sequence[RunSummary], look: Look) -> str:
    """A row for each run, in the order given."""
    if not runs:
        return NONE_YET
    rows: list[Row] = [
        (
            str(run.id),
            time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(run.started)),
            _level(run),
            safe(run.engine_name),
            _about(run.planned_bytes, estimated=run.estimated),
            _about(run.freed_bytes, estimated=run.estimated or run.state == KILLED),
            str(run.removed),
            str(run.skipped),
            str(run.failed),
            _took(run),
            Cell(_state(run), _STYLES.get(run.state, "yellow")),
        )
        for run in runs
    ]
    return "\n".join(render_table(_RUNS, rows, look))


def render(run: RunSummary, removals: Sequence[Removed], look: Look) -> str:
    """One run with every removal it meant to make."""
    went = {kind: sum(r.kind == kind and r.result == REMOVED for r in removals) for kind in KINDS}
    lines = [look.paint(f"Run {run.id}: {run_name(run.level)} of {safe(run.engine_name)}", "bold")]
    lines += facts(
        [
            ("engine", safe(run.endpoint)),
            ("job", safe(run.job)),
            ("started", timestamp(run.started)),
            ("took", _took(run)),
            ("ended", _ended(run)),
            ("planned", _about(run.planned_bytes, estimated=run.estimated)),
            ("freed", _about(run.freed_bytes, estimated=run.estimated or run.state == KILLED)),
            ("removed", counts_of(went) or "nothing"),
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
            rows = [_row(removal) for removal in group]
            heading = look.paint(plural(kind).capitalize(), "heading")
            lines += ["", f"{heading}  {len(group)}"]
            lines += render_table(_REMOVALS, rows, look, header=False)
    return "\n".join(lines)


def _row(removal: Removed) -> Row:
    verdict = Verdict(removal.kind, removal.id, removal.names, remove=True, reasons=())
    freed = "" if removal.freed_bytes is None else format_size(removal.freed_bytes)
    result = removal.result or "not told"
    style = "" if removal.result == REMOVED else "yellow"
    detail = removal.detail or (_NO_ANSWER if removal.result == UNKNOWN else "")
    return (name_of(verdict), freed, Cell(result, style), safe(detail))


def _level(run: RunSummary) -> str:
    """The level, and of a clean for space how much was to be free."""
    if run.target_free is None:
        return safe(run.level)
    return f"{safe(run.level)}, until {format_size(run.target_free)} free"


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
    }
