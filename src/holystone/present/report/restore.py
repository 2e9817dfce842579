"""``holystone restore``: what came back, what did not, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from holystone.operations.bring_back import Entry
from holystone.operations.restore import Restoration
from holystone.planner.units import format_size
from holystone.planner.verdict import KINDS, Verdict
from holystone.present.apart import names_of
from holystone.present.document import SCHEMA, Document
from holystone.present.format import (
    count_of,
    counted,
    listed,
    safe,
    timestamp,
)
from holystone.present.report.history import reasons_of, run_title, tagged_removed
from holystone.present.table import Cell, Column, Row, paragraph
from holystone.present.table import render as render_table
from holystone.present.terminal import Look

_STYLES = {"restored": "green", "present": "dim", "failed": "red", "lost": "yellow"}
_DONE = {
    "restored": "restored",
    "present": "here already",
    "failed": "failed",
    "lost": "cannot come back",
}
_PLANNED = {
    "pull": "would be pulled",
    "tag": "would get its tags back",
    "nothing": "here already",
    "lost": "cannot come back",
}
_UNDER_PRESSURE = "removed under pressure, least valuable first"
_COLUMNS = (
    Column("name", gives_way=True, least=20),
    Column("size", right=True),
    Column("result"),
    Column("detail", prose=True, style="dim"),
)


def document(done: Restoration) -> Document:
    """The document of ``restore --json``."""
    run, entries, seconds = done.run, done.entries, done.seconds
    counts = Counter(entry.result for entry in entries)
    outcome = {name: counts[name] for name in ("restored", "present", "lost", "failed")}
    return {
        "schema": SCHEMA,
        "run": {
            "id": run.id,
            "level": run.level,
            "started_at": timestamp(run.started),
            "target_free_bytes": run.target_free,
            "options": None if run.options is None else list(run.options),
            "tagged_removed": run.tagged,
            "tagged_under_pressure": run.under_pressure,
        },
        "dry_run": seconds is None,
        "outcome": None
        if seconds is None
        else outcome | {"seconds": round(seconds, 3), "interrupted": done.interrupted or None},
        "items": [
            {
                "kind": entry.removed.kind,
                "id": entry.removed.id,
                "names": list(entry.removed.names),
                "tags": list(entry.removed.tags),
                "digests": list(entry.removed.digests),
                "platforms": list(entry.removed.platforms),
                "size_bytes": entry.removed.size,
                "action": entry.action,
                "removal": entry.removed.result or None,
                "result": entry.result or None,
                "detail": entry.detail,
                "reasons": reasons_of(entry.removed),
                "image_id": entry.image_id or None,
            }
            for entry in entries
        ],
    }


def render(done: Restoration, look: Look) -> str:
    """The images one by one, what can never come back in a few lines, and the sum."""
    run, entries, seconds = done.run, done.entries, done.seconds
    verb = "Would restore" if seconds is None else "Restored"
    title = f"{verb} what run {run.id} removed ({run_title(run)}, {timestamp(run.started)})"
    lines = paragraph(title, look, style="bold")
    if run.under_pressure:
        told = f"The run removed {tagged_removed(run)}: least valuable first."
        lines += paragraph(told, look, style="yellow")
    alone = [entry for entry in entries if _told_alone(entry)]
    name = names_of(map(_verdict, alone))
    rows = [_row(entry, name(_verdict(entry))) for entry in alone]
    if rows:
        lines += ["", *render_table(_COLUMNS, rows, look, header=False)]
    for kind in KINDS:
        rest = [
            each
            for each in entries
            if each.removed.kind == kind and not _told_alone(each) and not _is_step(each)
        ]
        if rest:
            what = "untagged image" if kind == "image" else ""
            count = counted(len(rest), what) if what else count_of(len(rest), kind)
            lines += ["", *paragraph(f"{count} cannot come back: {rest[0].detail}.", look)]
    lines += _steps(entries, look)
    lines += ["", *paragraph(_sum(entries, seconds), look)]
    if done.interrupted:
        lines += paragraph(f"Ended early: {done.interrupted}.", look, style="red")
    return "\n".join(lines)


def _told_alone(entry: Entry) -> bool:
    """Whether an entry has a line of its own: not what is nameless and gone for good."""
    return entry.action != "lost" or bool(entry.removed.tags)


def _is_step(entry: Entry) -> bool:
    """Whether it stays away because its image is whole without it."""
    return entry.action == "lost" and bool(entry.removed.step_of)


def _steps(entries: Sequence[Entry], look: Look) -> list[str]:
    """What is told of build steps: nothing is missing where their images are here again."""
    steps = [entry for entry in entries if _is_step(entry)]
    if not steps:
        return []
    missing = [each for each in entries if {each.action, each.result} & {"lost", "failed"}]
    away = {name for each in missing for name in (*each.removed.tags, *each.removed.digests)}
    lost = [step for step in steps if step.removed.step_of in away]
    lines = []
    if lost:
        told = f"{counted(len(lost), 'build step')} cannot come back: a build makes it again."
        lines += ["", *paragraph(told, look)]
    if whole := len(steps) - len(lost):
        image = "its image is" if whole == 1 else "their images are"
        told = f"{counted(whole, 'build step')} not pulled: {image} whole without."
        lines += ["", *paragraph(told, look, style="dim")]
    return lines


def _verdict(entry: Entry) -> Verdict:
    removed = entry.removed
    return Verdict(removed.kind, removed.id, removed.names, remove=True, reasons=())


def _row(entry: Entry, name: str) -> Row:
    removed = entry.removed
    size = "" if removed.size is None else format_size(removed.size)
    result = _DONE[entry.result] if entry.result else _PLANNED[entry.action]
    # What engines say begins with the same word.
    detail = entry.detail
    if result == _PLANNED["nothing"]:
        detail = detail.removeprefix("it is here").removeprefix("; ")
    said = f"the engine: {detail}" if detail.startswith(result) else detail
    told = [safe(said), _UNDER_PRESSURE if removed.under_pressure else ""]
    return (name, size, Cell(result, _STYLES.get(entry.result, "")), "; ".join(filter(None, told)))


def _sum(entries: Sequence[Entry], seconds: float | None) -> str:
    images = [entry for entry in entries if entry.removed.kind == "image"]
    if seconds is None:
        actions = Counter(entry.action for entry in images)
        pulled = [entry.removed.size or 0 for entry in images if entry.action == "pull"]
        size = f" ({format_size(sum(pulled))} unpacked, shared layers included)" if pulled else ""
        parts = [f"pull {count_of(actions['pull'], 'image')}{size}"]
        if actions["tag"]:
            parts.append(f"put tags back on {count_of(actions['tag'], 'image')}")
        return f"Would {listed(parts)}."
    results = Counter(entry.result for entry in images if not _is_step(entry))
    said = f"Restored {count_of(results['restored'], 'image')} in {seconds:.1f} s"
    for result in ("present", "failed", "lost"):
        if results[result]:
            said += f"; {results[result]} {_DONE[result]}"
    return f"{said}."
