"""``holystone refresh``: what is current, what was pulled, and what is out of reach, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from holystone.operations.refresh import Refresh, minute_of_the_day
from holystone.operations.refresh_plan import Entry
from holystone.planner.units import clock, format_size
from holystone.present.document import SCHEMA, Document
from holystone.present.format import counted, engine_name, listed, safe, short_id
from holystone.present.table import Cell, Column, Row, paragraph
from holystone.present.table import render as render_table
from holystone.present.terminal import Look
from holystone.store.engine_facts import Speed

_STATES = {
    "current": ("up to date", "dim"),
    "newer": ("newer", "green"),
    "untold": ("may be newer", ""),
    "missing": ("missing", "yellow"),
    "absent": ("not here", "yellow"),
    "gone": ("gone", "yellow"),
    "local": ("local only", "dim"),
    "unanswered": ("no answer", "red"),
}
_RESULTS = {
    "pulled": ("pulled", "green"),
    "unchanged": ("up to date", "dim"),
    "failed": ("failed", "red"),
    "left": ("left", "yellow"),
}
_SUM = {
    "up to date": "up to date",
    "gone": "gone",
    "local only": "local only",
    "not here": "not here",
    "no answer": "without an answer",
    "failed": "failed",
    "left": "left for later",
}
"""What the sum counts beside the pulls, and how it says so."""
_COLUMNS = (
    Column("reference", gives_way=True, least=20),
    Column("result"),
    Column("detail", prose=True, style="dim"),
)
_SPEEDS = (Column("registry", gives_way=True, least=20), Column("speed"))


def document(done: Refresh) -> Document:
    """The document of ``refresh --json``."""
    entries = done.entries
    counts = Counter(entry.result for entry in entries)
    outcome = {name: counts[name] for name in _RESULTS}
    return {
        "schema": SCHEMA,
        "dry_run": done.dry_run,
        "window": done.window or None,
        "limit_bytes_per_second": None,
        "outside_window": done.outside,
        "outcome": None
        if done.dry_run
        else outcome
        | {
            "pulled_bytes": sum(entry.size or 0 for entry in entries),
            "seconds": round(done.seconds, 3),
            "interrupted": done.interrupted or None,
        },
        "items": [
            {
                "reference": entry.reference,
                "why": entry.why,
                "state": entry.state,
                "result": entry.result or None,
                "detail": entry.detail,
                "image_id_before": entry.before or None,
                "image_id": entry.image_id or None,
                "pulled_bytes": entry.size,
                "seconds": None if entry.seconds is None else round(entry.seconds, 3),
            }
            for entry in entries
        ],
        "speeds": [
            {
                "registry": registry,
                "bytes_per_second": round(rate.bytes_per_second),
                "pulls": rate.pulls,
            }
            for registry, rate in done.speeds.items()
        ],
    }


def render(done: Refresh, look: Look) -> str:
    """The references one by one, how fast the registries are, and the sum."""
    if done.engine is None:
        now = clock(minute_of_the_day())
        return f"Outside the window {done.window}: it is {now}, and nothing was asked or pulled."
    entries = done.entries
    verb = "Would refresh" if done.dry_run else "Refreshed"
    lines = paragraph(f"{verb} images of {engine_name(done.engine)}", look, style="bold")
    if entries:
        rows = [_row(entry) for entry in entries]
        lines += ["", *render_table(_COLUMNS, rows, look, header=False)]
    if done.speeds:
        rated: list[Row] = [(safe(each), _rate(rate)) for each, rate in done.speeds.items()]
        lines += ["", look.paint("Speed", "heading")]
        lines += render_table(_SPEEDS, rated, look, header=False)
    lines += ["", *paragraph(_sum(entries, None if done.dry_run else done.seconds), look)]
    if done.interrupted:
        lines += paragraph(f"Ended early: {done.interrupted}.", look, style="red")
    return "\n".join(lines)


def _row(entry: Entry) -> Row:
    word, style = _told(entry)
    return (safe(entry.reference), Cell(word, style), safe(_detail(entry)))


def _told(entry: Entry) -> tuple[str, str]:
    return _RESULTS[entry.result] if entry.result else _STATES[entry.state]


def _detail(entry: Entry) -> str:
    if entry.result != "pulled":
        return entry.detail
    came = "" if entry.size is None else f"{format_size(entry.size)} "
    took = f"{came}in {entry.seconds or 0.0:.1f} s"
    return f"{took}; it was {short_id(entry.before)}" if entry.before else took


def _rate(rate: Speed) -> str:
    pulls = counted(rate.pulls, "pull")
    return f"{format_size(round(rate.bytes_per_second))}/s, median of {pulls}"


def _sum(entries: Sequence[Entry], seconds: float | None) -> str:
    if not entries:
        return "Nothing to refresh: no tag here is protected by name or was used within 30 days."
    counts = Counter(_told(entry)[0] for entry in entries)
    if seconds is None:
        pulls = counts["newer"] + counts["missing"] + counts["may be newer"]
        said = f"Would pull {counted(pulls, 'image')}"
    else:
        size = sum(entry.size or 0 for entry in entries)
        came = f" ({format_size(size)})" if size else ""
        said = f"Pulled {counted(counts['pulled'], 'image')}{came} in {seconds:.1f} s"
        if not counts["pulled"]:
            said = "Pulled nothing"
    parts = [f"{counts[word]} {told}" for word, told in _SUM.items() if counts[word]]
    said += f"; {listed(parts)}." if parts else "."
    if any(entry.result == "pulled" and entry.before for entry in entries):
        said += " The next clean can remove the old versions."
    return said
