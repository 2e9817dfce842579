"""``holystone refresh``: which tags are current, were pulled or could not be reached, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from holystone.operations.refresh import Refresh, minute_of_the_day
from holystone.operations.refresh_plan import Entry
from holystone.planner.units import clock, format_size
from holystone.present.document import SCHEMA, Document, fields
from holystone.present.format import counted, engine_name, listed, safe, short_id
from holystone.present.report.parts import DETAIL, NAME, ended_early, section
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
"""Other states that the sum counts, with their words."""


def document(done: Refresh) -> Document:
    """The document of ``refresh --json``."""
    counts = Counter(entry.result for entry in done.entries)
    outcome = {name: counts[name] for name in _RESULTS}
    outcome["pulled_bytes"] = sum(entry.size or 0 for entry in done.entries)
    item = "reference why state result? detail image_id_before?=before image_id?"
    return {
        "schema": SCHEMA,
        **fields(done, "dry_run window?"),
        "limit_bytes_per_second": None,
        "outside_window": done.outside,
        "outcome": None if done.dry_run else outcome | fields(done, "seconds interrupted?"),
        "items": [fields(each, f"{item} pulled_bytes=size seconds") for each in done.entries],
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
    verb = "Would refresh" if done.dry_run else "Refreshed"
    lines = paragraph(f"{verb} images of {engine_name(done.engine)}", look, style="bold")
    if done.entries:
        rows = [_row(entry) for entry in done.entries]
        columns = (NAME, Column("result"), DETAIL)
        lines += ["", *render_table(columns, rows, look, header=False)]
    speeds = [
        (safe(registry), f"{_rate(speed)}, median of {counted(speed.pulls, 'pull')}")
        for registry, speed in done.speeds.items()
    ]
    if speeds:
        lines += ["", *section("Speed", (NAME, Column("speed")), speeds, look)]
    lines += ["", *paragraph(_sum(done.entries, None if done.dry_run else done.seconds), look)]
    return "\n".join([*lines, *ended_early(done.interrupted, look)])


def _rate(speed: Speed) -> str:
    return f"{format_size(round(speed.bytes_per_second))}/s"


def _told(entry: Entry) -> tuple[str, str]:
    """The word for the state of a reference, or for its result, and its style."""
    return _RESULTS[entry.result] if entry.result else _STATES[entry.state]


def _row(entry: Entry) -> Row:
    detail = entry.detail
    if entry.result == "pulled":
        came = "" if entry.size is None else f"{format_size(entry.size)} "
        detail = f"{came}in {entry.seconds or 0.0:.1f} s"
        detail += f"; it was {short_id(entry.before)}" if entry.before else ""
    return (safe(entry.reference), Cell(*_told(entry)), safe(detail))


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
