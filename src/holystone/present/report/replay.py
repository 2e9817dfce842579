"""``holystone replay`` and ``advise``: results of a simulation, and the recommended budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from holystone.planner.ranking import WAIT
from holystone.planner.units import format_duration, format_size
from holystone.present.document import SCHEMA, Document, fields
from holystone.present.format import counted, safe, waited
from holystone.present.table import Cell, Column, Row, facts, paragraph
from holystone.present.table import render as render_table
from holystone.present.terminal import Look
from holystone.replay.result import (
    Advice,
    LastWeek,
    Replayed,
    TraceFacts,
    Watermarks,
    waited_seconds,
)

BASELINE = "lru"
"""The order that the others are compared with."""
_COLUMNS = (
    Column("ORDER"),
    Column("PULLED", right=True),
    Column("AGAINST LRU", right=True, drop=1),
    Column("STALLS", right=True),
    Column("OF USES", right=True, drop=4),
    Column("TIME LOST", right=True, drop=2),
    Column("PEAK", right=True, drop=3),
)
_CALLED = {
    "ours": "with this",
    "lru": "least recently used first",
    "prune-daily": "prune -a every day",
    "prune-all": "prune -a after each job",
}
_WEEK = (
    Column("LAST WEEK"),
    Column("PULLED", right=True),
    Column("JOBS WAITING", right=True),
    Column("WAITED", right=True),
    Column("SAVED", right=True),
)
_TIMES = "first_use_at=first_use last_use_at=last_use"


class Replay(NamedTuple):
    """A trace and what replaying it came to."""

    facts: TraceFacts
    results: Sequence[Replayed]
    """Budget by budget, and the orders in the same turn under each."""
    baseline: Mapping[int, int]
    """What ``lru`` pulls under each budget, in bytes; only the text needs it."""
    bounds: Mapping[int, int]
    """What every order that keeps a budget pulls at least, in bytes."""
    unbounded: Sequence[str]
    """The orders that know no budget."""
    flattens: Mapping[str, int | None] | None
    """By order the budget from which more disk gains little; None where none is enough."""
    bandwidth: int
    """Bytes a second."""


def document(replay: Replay) -> Document:
    """The document of ``replay --json``."""
    sizes = "layers_bytes largest_image_bytes working_set_bytes"
    return {
        "schema": SCHEMA,
        "trace": fields(replay.facts, f"name uses references images {sizes} {_TIMES}"),
        "bandwidth_bytes_per_second": replay.bandwidth,
        "results": [
            {**result._asdict(), "waited_seconds": waited_seconds(result, replay.bandwidth)}
            for result in replay.results
        ],
        "bounds": [
            {"budget_bytes": budget, "pulled_bytes": pulled}
            for budget, pulled in replay.bounds.items()
        ],
        "flattens": None
        if replay.flattens is None
        else [
            {"order": order, "budget_bytes": budget} for order, budget in replay.flattens.items()
        ],
    }


def render(replay: Replay, look: Look) -> str:
    """The whole answer as text."""
    told = replay.facts
    span = format_duration(told.last_use - told.first_use)
    sizes = f"{format_size(told.layers_bytes)} of layers"
    largest = f"the largest image {format_size(told.largest_image_bytes)}"
    working_set = format_size(told.working_set_bytes)
    lines = [
        look.paint(f"Replay of {safe(told.name)}", "heading"),
        *facts(
            (
                ("uses", f"{told.uses} in {span}, of {counted(told.references, 'reference')}"),
                ("images", f"{told.images}, {sizes}, {largest}"),
                (
                    "working set",
                    f"{working_set}, the most that had been used and would be used again",
                ),
            ),
            look,
        ),
    ]
    for budget, results in groupby(replay.results, attrgetter("budget_bytes")):
        share = f"{budget / max(1, told.layers_bytes):.0%} of all layers"
        heading = look.paint(f"Budget {format_size(budget)}", "heading")
        bound, baseline = replay.bounds[budget], replay.baseline[budget]
        last = ("lower bound", format_size(bound), _against(bound, baseline), "", "", "", "")
        rows: list[Row] = [_row(result, replay) for result in results]
        rows.append([Cell(cell, "dim") for cell in last])
        lines += ["", f"{heading}  {look.paint(share, 'dim')}", *render_table(_COLUMNS, rows, look)]
    rate = format_size(replay.bandwidth)
    notes = f"TIME LOST is what jobs wait for pulls, at {rate} a second (--bandwidth) and "
    notes += f"{WAIT:.1f} s a pull."
    orders = dict.fromkeys(result.order for result in replay.results)
    if unbounded := [order for order in orders if order in replay.unbounded]:
        knows = "knows" if len(unbounded) == 1 else "know"
        notes += f" {', '.join(unbounded)} {knows} no budget: PEAK is the disk that takes."
    lines += ["", *paragraph(notes, look)]
    if replay.flattens:
        text = (
            "The curve of an order flattens where it pulls at most 10% more than all layers once, "
            "which every order must:"
        )
        where = (
            (order, "nowhere" if budget is None else f"at {format_size(budget)}")
            for order, budget in replay.flattens.items()
        )
        lines += ["", *paragraph(text, look), *facts(where, look)]
    return "\n".join(lines)


def _row(result: Replayed, replay: Replay) -> Row:
    largest = replay.facts.largest_image_bytes
    over = result.peak_bytes > max(result.budget_bytes, largest) + largest
    against = ""
    if result.order != BASELINE:
        against = _against(result.pulled_bytes, replay.baseline[result.budget_bytes])
    return (
        result.order,
        format_size(result.pulled_bytes),
        against,
        str(result.stalls),
        f"{result.stalls / result.uses:.0%}",
        waited(waited_seconds(result, replay.bandwidth)),
        Cell(format_size(result.peak_bytes), "yellow" if over else ""),
    )


def _against(pulled: int, baseline: int) -> str:
    return f"{pulled / baseline - 1:+.1%}" if baseline else ""


def document_of_advice(advice: Advice, marks: Watermarks | None, bandwidth: int) -> Document:
    """The document of ``advise --json``."""
    ours, *others = advice.week
    mine = waited_seconds(ours, bandwidth)
    against = [
        {
            **fields(other, "order pulled_bytes stalls"),
            "waited_seconds": waited_seconds(other, bandwidth),
            "saved_bytes": other.pulled_bytes - ours.pulled_bytes,
            "saved_seconds": round(waited_seconds(other, bandwidth) - mine, 1),
        }
        for other in others
    ]
    return {
        "schema": SCHEMA,
        "trace": fields(advice.facts, f"name uses references layers_bytes {_TIMES}"),
        **fields(advice, "budget_bytes wanted_bytes"),
        "watermarks": None if marks is None else marks._asdict(),
        "bandwidth_bytes_per_second": bandwidth,
        "week": {
            "uses": advice.week_uses,
            **fields(ours, "pulled_bytes stalls"),
            "waited_seconds": mine,
            "against": against,
        },
    }


def advised(advice: Advice, marks: Watermarks | None, host: str, bandwidth: int, look: Look) -> str:
    """Advice as text: a budget, the watermarks that keep it, and what they do in a week."""
    told = advice.facts
    span = format_duration(told.last_use - told.first_use)
    past = f"{counted(told.uses, 'use')} of {counted(told.references, 'reference')} in {span}"
    budget = format_size(advice.budget_bytes)
    begins = ""
    if marks is not None:
        if marks.images_bytes > advice.budget_bytes:
            budget += f" unpacked, {format_size(marks.images_bytes)} of this disk,"
        begins = (
            f"a clean begins below {format_size(marks.high_free_bytes)} free and ends at "
            f"{format_size(marks.low_free_bytes)}, as long as everything else takes "
            f"{format_size(marks.other_bytes)}"
        )
    enough = f"{budget} for images: a larger budget would hardly save pulls"
    if advice.budget_bytes < advice.wanted_bytes:
        wanted = format_size(advice.wanted_bytes)
        enough = (
            f"{budget} for images: all that the disk has room for. With {wanted} hardly any image "
            "would be pulled twice"
        )
    lines = [look.paint(f"Advice for {safe(host or told.name)}", "heading")]
    lines += facts((("from", past), ("budget", enough), ("watermarks", begins)), look)
    rows = [_of_week(each, advice.week[0], bandwidth) for each in advice.week]
    lines += ["", *render_table(_WEEK, rows, look), ""]
    lines += paragraph(
        f"Of {counted(advice.week_uses, 'use')} in the last seven days, at "
        f"{format_size(bandwidth)} a second and {WAIT:.1f} s a pull; all that was before is "
        "replayed too.",
        look,
    )
    if marks is not None:
        # As the configuration has it, rounded down.
        lines += ["", "[disk]", f'high = "{marks.high_free_bytes // 1_000_000}MB free"']
    return "\n".join(lines)


def _of_week(each: LastWeek, ours: LastWeek, bandwidth: int) -> Row:
    saved = ""
    if each is not ours:
        size = each.pulled_bytes - ours.pulled_bytes
        seconds = waited_seconds(each, bandwidth) - waited_seconds(ours, bandwidth)
        saved = f"{'-' if size < 0 else ''}{format_size(abs(size))}, "
        saved += f"{'-' if seconds < 0 else ''}{waited(abs(seconds))}"
    return (
        Cell(_CALLED[each.order], "bold" if each is ours else ""),
        format_size(each.pulled_bytes),
        str(each.stalls),
        waited(waited_seconds(each, bandwidth)),
        saved,
    )
