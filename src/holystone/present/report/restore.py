"""``holystone restore``: what came back, what did not, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from holystone.operations.bring_back import Entry
from holystone.operations.restore import Restoration
from holystone.planner.units import format_size
from holystone.planner.verdict import KINDS
from holystone.present.document import SCHEMA, Document, fields
from holystone.present.format import count_of, counted, listed, safe, timestamp
from holystone.present.report.history import ASKED, reasons_of, run_title, tagged_removed
from holystone.present.report.parts import DETAIL, NAME, SIZE, ended_early, names
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
_COLUMNS = (NAME, SIZE, Column("result"), DETAIL)


def document(done: Restoration) -> Document:
    """The document of ``restore --json``."""
    counts = Counter(entry.result for entry in done.entries)
    outcome = {name: counts[name] for name in ("restored", "present", "lost", "failed")}
    outcome |= fields(done, "seconds interrupted?")
    return {
        "schema": SCHEMA,
        "run": fields(done.run, f"id level started_at=started {ASKED}"),
        "dry_run": done.seconds is None,
        "outcome": None if done.seconds is None else outcome,
        "items": [
            {
                **fields(entry.removed, "kind id names tags digests platforms size_bytes=size"),
                **fields(entry, "action removal?=removed.result result? detail"),
                "reasons": reasons_of(entry.removed),
                **fields(entry, "image_id?"),
            }
            for entry in done.entries
        ],
    }


def render(done: Restoration, look: Look) -> str:
    """The images one by one, what can never come back in a few lines, and the sum."""
    run, entries = done.run, done.entries
    verb = "Would restore" if done.seconds is None else "Restored"
    title = f"{verb} what run {run.id} removed ({run_title(run)}, {timestamp(run.started)})"
    lines = paragraph(title, look, style="bold")
    if run.under_pressure:
        told = f"The run removed {tagged_removed(run)}: least valuable first."
        lines += paragraph(told, look, style="yellow")
    alone = [entry for entry in entries if _has_line(entry)]
    calls = names((each.removed.kind, each.removed.id, each.removed.names) for each in alone)
    if alone:
        rows = [_row(entry, call) for entry, call in zip(alone, calls, strict=True)]
        lines += ["", *render_table(_COLUMNS, rows, look, header=False)]
    for kind in KINDS:
        rest = [
            entry
            for entry in entries
            if entry.removed.kind == kind and not (_has_line(entry) or _is_step(entry))
        ]
        if rest:
            count = count_of(len(rest), kind)
            if kind == "image":
                count = counted(len(rest), "untagged image")
            lines += ["", *paragraph(f"{count} cannot come back: {rest[0].detail}.", look)]
    lines += _steps(entries, look)
    lines += ["", *paragraph(_sum(entries, done.seconds), look)]
    return "\n".join([*lines, *ended_early(done.interrupted, look)])


def _has_line(entry: Entry) -> bool:
    """Whether an entry has a separate line: nameless objects that are lost for good have none."""
    return entry.action != "lost" or bool(entry.removed.tags)


def _is_step(entry: Entry) -> bool:
    """Whether it stays away because its image is whole without it."""
    return entry.action == "lost" and bool(entry.removed.step_of)


def _steps(entries: Sequence[Entry], look: Look) -> list[str]:
    """The message about build steps: nothing is missing if their images are here again."""
    steps = [entry.removed.step_of for entry in entries if _is_step(entry)]
    missing = [each for each in entries if {each.action, each.result} & {"lost", "failed"}]
    away = {name for each in missing for name in (*each.removed.tags, *each.removed.digests)}
    lost = sum(image in away for image in steps)
    lines = []
    if lost:
        told = f"{counted(lost, 'build step')} cannot come back: a build makes it again."
        lines += ["", *paragraph(told, look)]
    if whole := len(steps) - lost:
        image = "its image is" if whole == 1 else "their images are"
        told = f"{counted(whole, 'build step')} not pulled: {image} whole without."
        lines += ["", *paragraph(told, look, style="dim")]
    return lines


def _row(entry: Entry, name: str) -> Row:
    removed = entry.removed
    size = "" if removed.size is None else format_size(removed.size)
    result = _DONE[entry.result] if entry.result else _PLANNED[entry.action]
    # What engines say begins with the same word.
    detail = entry.detail
    if result == _PLANNED["nothing"]:
        detail = detail.removeprefix("it is here").removeprefix("; ")
    told = safe(f"the engine: {detail}" if detail.startswith(result) else detail)
    if removed.under_pressure:
        told += "; " if told else ""
        told += "removed under pressure, least valuable first"
    return (name, size, Cell(result, _STYLES.get(entry.result, "")), told)


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
