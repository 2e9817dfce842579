"""``holystone replay``: a table for each budget, and where each curve flattens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from holystone.planner.ranking import WAIT
from holystone.planner.units import format_duration, format_size
from holystone.present.document import SCHEMA, Document
from holystone.present.format import counted, safe, timestamp, waited
from holystone.present.table import Cell, Column, Row, facts, paragraph
from holystone.present.table import render as render_table
from holystone.present.terminal import Look
from holystone.replay.result import Replayed, TraceFacts, waited_seconds

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
    told = replay.facts
    return {
        "schema": SCHEMA,
        "trace": {
            "name": told.name,
            "uses": told.uses,
            "references": told.references,
            "images": told.images,
            "layers_bytes": told.layers_bytes,
            "largest_image_bytes": told.largest_image_bytes,
            "working_set_bytes": told.working_set_bytes,
            "first_use_at": timestamp(told.first_use),
            "last_use_at": timestamp(told.last_use),
        },
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
    lines = [look.paint(f"Replay of {safe(told.name)}", "heading")]
    sizes = f"{format_size(told.layers_bytes)} of layers"
    largest = f"the largest image {format_size(told.largest_image_bytes)}"
    working_set = format_size(told.working_set_bytes)
    lines += facts(
        (
            ("uses", f"{told.uses} in {span}, of {counted(told.references, 'reference')}"),
            ("images", f"{told.images}, {sizes}, {largest}"),
            ("working set", f"{working_set}, the most that had been used and would be used again"),
        ),
        look,
    )
    for budget, results in groupby(replay.results, attrgetter("budget_bytes")):
        share = f"{budget / max(1, told.layers_bytes):.0%} of all layers"
        heading = look.paint(f"Budget {format_size(budget)}", "heading")
        lines += ["", f"{heading}  {look.paint(share, 'dim')}"]
        rows = [_row(result, replay) for result in results]
        lines += render_table(_COLUMNS, [*rows, _bound(budget, replay)], look)
    lines += ["", *paragraph(_notes(replay), look)]
    if replay.flattens:
        lines += ["", *_flattening(replay.flattens, look)]
    return "\n".join(lines)


def _row(result: Replayed, replay: Replay) -> Row:
    largest = replay.facts.largest_image_bytes
    over = result.peak_bytes > max(result.budget_bytes, largest) + largest
    return (
        result.order,
        format_size(result.pulled_bytes),
        ""
        if result.order == BASELINE
        else _against(result.pulled_bytes, replay.baseline[result.budget_bytes]),
        str(result.stalls),
        f"{result.stalls / result.uses:.0%}",
        waited(waited_seconds(result, replay.bandwidth)),
        Cell(format_size(result.peak_bytes), "yellow" if over else ""),
    )


def _bound(budget: int, replay: Replay) -> Row:
    pulled = replay.bounds[budget]
    cells = (
        "lower bound",
        format_size(pulled),
        _against(pulled, replay.baseline[budget]),
        "",
        "",
        "",
        "",
    )
    return [Cell(cell, "dim") for cell in cells]


def _against(pulled: int, baseline: int) -> str:
    return f"{pulled / baseline - 1:+.1%}" if baseline else ""


def _notes(replay: Replay) -> str:
    rate = format_size(replay.bandwidth)
    said = f"TIME LOST is what jobs wait for pulls, at {rate} a second (--bandwidth) and "
    said += f"{WAIT:.1f} s a pull."
    unbounded = [o for o in dict.fromkeys(r.order for r in replay.results) if o in replay.unbounded]
    if unbounded:
        knows = "knows" if len(unbounded) == 1 else "know"
        said += f" {', '.join(unbounded)} {knows} no budget: PEAK is the disk that takes."
    return said


def _flattening(flattens: Mapping[str, int | None], look: Look) -> list[str]:
    lines = paragraph(
        "The curve of an order flattens where it pulls at most 10% more than all layers once, "
        "which every order must:",
        look,
    )
    return lines + facts(
        (
            (order, "nowhere" if budget is None else f"at {format_size(budget)}")
            for order, budget in flattens.items()
        ),
        look,
    )
