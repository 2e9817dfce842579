"""What the weeks came to, as a table, as JSON and as a picture."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from bench.agent_weeks.simulation import WEEK, Level, Weeks
from holystone.planner.units import format_size
from holystone.present import svg as draw

WIDTH, HEIGHT = 820, 260
_PIXELS = 700
_COLUMNS = 350
_USED, _HIGH, _CRITICAL = draw.Style("#0072b2"), draw.Style("#e69f00"), draw.Style("#d55e00", "6 3")

_HEAD = (
    "trace", "high mark", "most used", "critical mark", "mean", "spread", "pulled", "by `replay`",
    "ratio", "cleans", "mark missed", "seconds",
)  # fmt: skip


class Flatness(NamedTuple):
    """The used bytes since the high mark was first crossed, each by how long it lasted."""

    mean: float
    spread: float
    """The standard deviation."""


def flatness(weeks: Weeks) -> Flatness:
    """How flat the disk was kept."""
    levels = weeks.levels
    first = next((n for n, each in enumerate(levels) if each.used_bytes > weeks.high_bytes), 0)
    parts = [(two.at - one.at, one.used_bytes) for one, two in pairwise(levels[first:])]
    lasted = sum(seconds for seconds, _ in parts) or 1.0
    mean = sum(seconds * used for seconds, used in parts) / lasted
    square = sum(seconds * (used - mean) ** 2 for seconds, used in parts) / lasted
    return Flatness(mean, square**0.5)


def table(told: Mapping[str, Weeks]) -> str:
    """A row for each trace and budget."""
    rows = [
        f"| {' | '.join(_HEAD)} |",
        "|---|" + "---:|" * (len(_HEAD) - 1),
    ]
    for name, weeks in told.items():
        flat = flatness(weeks)
        high = weeks.high_bytes
        cells = (
            name,
            format_size(high),
            f"{most_used(weeks) / high:.1%} of high",
            f"{weeks.critical_bytes / high:.1%} of high",
            f"{flat.mean / high:.1%} of high",
            f"{flat.spread / high:.1%}",
            f"{weeks.pulled_bytes / 1e9:.1f} GB",
            f"{weeks.replayed_bytes / 1e9:.1f} GB",
            f"**{weeks.ratio:.3f}**",
            str(weeks.cleans),
            str(weeks.missed),
            f"{weeks.seconds:.0f}",
        )
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def most_used(weeks: Weeks) -> int:
    """The most bytes that were used at any moment."""
    return max(each.used_bytes for each in weeks.levels)


def as_json(told: Mapping[str, Weeks]) -> str:
    """Everything but the single levels, sizes in bytes."""
    rows = [
        {
            "trace": name,
            **{key: value for key, value in weeks._asdict().items() if key != "levels"},
            "most_used_bytes": most_used(weeks),
            "mean_used_bytes": round(flatness(weeks).mean),
            "spread_bytes": round(flatness(weeks).spread),
            "ratio": round(weeks.ratio, 4),
        }
        for name, weeks in told.items()
    ]
    return json.dumps({"schema": 1, "weeks": rows}, indent=2) + "\n"


def picture(told: Mapping[str, Weeks]) -> str:
    """The used bytes over time, with the marks: a panel for each trace and budget."""
    parts: list[str] = []
    legend = (("used", _USED), ("high mark", _HIGH), ("critical mark", _CRITICAL))
    for number, (words, style) in enumerate(legend):
        parts += draw.legend(66 + number * 160, 20, words, style)
    for number, (name, weeks) in enumerate(told.items()):
        parts += _panel(name, weeks, 30 + number * HEIGHT)
    return draw.document(WIDTH, 40 + len(told) * HEIGHT, parts)


def _panel(name: str, weeks: Weeks, top: int) -> list[str]:
    frame = draw.Frame(66, 66 + _PIXELS, top + HEIGHT - 40, top + 36)
    begin, end = weeks.levels[0].at, weeks.levels[-1].at
    step = draw.round_step(weeks.total_bytes / 1e9)
    limit = step * (int(weeks.total_bytes / 1e9 / step) + 1)

    def up(size: float) -> float:
        return frame.y0 - (frame.y0 - frame.y1) * size / 1e9 / limit

    title = f"{name}, high mark at {format_size(weeks.high_bytes)}: GB used"
    parts = [f'<text x="{frame.x0}" y="{top + 24}" font-weight="bold">{title}</text>']
    parts += draw.heights(frame, limit, step)
    for mark, style in ((weeks.high_bytes, _HIGH), (weeks.critical_bytes, _CRITICAL)):
        parts.append(draw.line(frame.x0, up(mark), frame.x1, up(mark), style))
    columns = _columns(weeks.levels)
    points = []
    for column, (least, most) in enumerate(columns):
        x = frame.x0 + column * _PIXELS / _COLUMNS
        points += [(x, up(each)) for each in dict.fromkeys((least, most))]
    parts += draw.polyline("used", points, _USED)
    for week in range(0, int((end - begin) / WEEK) + 1, 2):
        x = frame.x0 + (frame.x1 - frame.x0) * week * WEEK / (end - begin)
        parts.append(draw.below(frame, x, f"week {week}"))
    return parts


def _columns(levels: Sequence[Level]) -> list[tuple[int, int]]:
    """The least and the most used bytes within each column's time."""
    begin, span = levels[0].at, levels[-1].at - levels[0].at
    columns: list[tuple[int, int]] = []
    before = 0
    for at, used in levels:
        column = int(_COLUMNS * (at - begin) / span)
        while len(columns) <= column:
            columns.append((before, before))
        least, most = columns[column]
        columns[column] = (min(least, used), max(most, used))
        before = used
    return columns
