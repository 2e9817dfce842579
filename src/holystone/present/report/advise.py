"""``holystone advise``: a budget, the watermarks that keep it, and what they do in a week."""

from __future__ import annotations

from holystone.planner.ranking import WAIT
from holystone.planner.units import format_duration, format_size
from holystone.present.document import SCHEMA, Document
from holystone.present.format import counted, safe, timestamp, waited
from holystone.present.table import Cell, Column, Row, facts, paragraph
from holystone.present.table import render as render_table
from holystone.present.terminal import Look
from holystone.replay.result import Advice, LastWeek, TraceFacts, Watermarks, waited_seconds

_CALLED = {
    "ours": "with this",
    "lru": "least recently used first",
    "prune-daily": "prune -a every day",
    "prune-all": "prune -a after each job",
}
_COLUMNS = (
    Column("LAST WEEK"),
    Column("PULLED", right=True),
    Column("JOBS WAITING", right=True),
    Column("WAITED", right=True),
    Column("SAVED", right=True),
)


def document(advice: Advice, marks: Watermarks | None, bandwidth: int) -> Document:
    """The document of ``advise --json``."""
    told = advice.facts
    ours, *others = advice.week
    return {
        "schema": SCHEMA,
        "trace": {
            "name": told.name,
            "uses": told.uses,
            "references": told.references,
            "layers_bytes": told.layers_bytes,
            "first_use_at": timestamp(told.first_use),
            "last_use_at": timestamp(told.last_use),
        },
        "budget_bytes": advice.budget_bytes,
        "wanted_bytes": advice.wanted_bytes,
        "watermarks": None
        if marks is None
        else {
            "high_free_bytes": marks.high_free_bytes,
            "low_free_bytes": marks.low_free_bytes,
            "images_bytes": marks.images_bytes,
            "other_bytes": marks.other_bytes,
        },
        "bandwidth_bytes_per_second": bandwidth,
        "week": {
            "uses": advice.week_uses,
            "pulled_bytes": ours.pulled_bytes,
            "stalls": ours.stalls,
            "waited_seconds": waited_seconds(ours, bandwidth),
            "against": [
                {
                    "order": other.order,
                    "pulled_bytes": other.pulled_bytes,
                    "stalls": other.stalls,
                    "waited_seconds": waited_seconds(other, bandwidth),
                    "saved_bytes": other.pulled_bytes - ours.pulled_bytes,
                    "saved_seconds": round(
                        waited_seconds(other, bandwidth) - waited_seconds(ours, bandwidth), 1
                    ),
                }
                for other in others
            ],
        },
    }


def render(advice: Advice, marks: Watermarks | None, host: str, bandwidth: int, look: Look) -> str:
    """The whole answer as text."""
    lines = [look.paint(f"Advice for {safe(host or advice.facts.name)}", "heading")]
    lines += facts(
        (
            ("from", _past(advice.facts)),
            ("budget", _budget(advice, marks)),
            ("watermarks", _marks(marks)),
        ),
        look,
    )
    ours = advice.week[0]
    rows = [_row(each, ours, bandwidth) for each in advice.week]
    lines += ["", *render_table(_COLUMNS, rows, look), ""]
    lines += paragraph(
        f"Of {counted(advice.week_uses, 'use')} in the last seven days, at "
        f"{format_size(bandwidth)} a second and {WAIT:.1f} s a pull; all that was before is "
        "replayed too.",
        look,
    )
    if marks is not None:
        lines += ["", "[disk]", f'high = "{_megabytes(marks.high_free_bytes)} free"']
    return "\n".join(lines)


def _past(told: TraceFacts) -> str:
    span = format_duration(told.last_use - told.first_use)
    return f"{counted(told.uses, 'use')} of {counted(told.references, 'reference')} in {span}"


def _budget(advice: Advice, marks: Watermarks | None) -> str:
    budget = format_size(advice.budget_bytes)
    if marks is not None and marks.images_bytes > advice.budget_bytes:
        budget += f" unpacked, {format_size(marks.images_bytes)} of this disk,"
    if advice.budget_bytes < advice.wanted_bytes:
        return (
            f"{budget} for images: all that the disk has room for. With "
            f"{format_size(advice.wanted_bytes)} hardly any image would be pulled twice"
        )
    return f"{budget} for images: a larger budget would hardly save pulls"


def _marks(marks: Watermarks | None) -> str:
    if marks is None:
        return ""
    return (
        f"a clean begins below {format_size(marks.high_free_bytes)} free and ends at "
        f"{format_size(marks.low_free_bytes)}, as long as everything else takes "
        f"{format_size(marks.other_bytes)}"
    )


def _row(each: LastWeek, ours: LastWeek, bandwidth: int) -> Row:
    saved = ""
    if each is not ours:
        size = each.pulled_bytes - ours.pulled_bytes
        seconds = waited_seconds(each, bandwidth) - waited_seconds(ours, bandwidth)
        saved = f"{_signed(size, format_size(abs(size)))}, "
        saved += _signed(seconds, waited(abs(seconds)))
    return (
        Cell(_CALLED[each.order], "bold" if each is ours else ""),
        format_size(each.pulled_bytes),
        str(each.stalls),
        waited(waited_seconds(each, bandwidth)),
        saved,
    )


def _signed(amount: float, text: str) -> str:
    return f"-{text}" if amount < 0 else text


def _megabytes(size: int) -> str:
    """A size as the configuration has it, rounded down to whole megabytes."""
    return f"{size // 1_000_000}MB"
