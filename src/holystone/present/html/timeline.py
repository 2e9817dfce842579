"""Lay out the past of the disk: used bytes over time, the watermarks, a mark for each run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from holystone.operations.report import HostReport
from holystone.planner.units import format_size
from holystone.present.format import run_name
from holystone.present.svg import Frame, round_step
from holystone.store.records import DONE, RUNNING, RunSummary
from holystone.store.samples import HOUR

WIDTH, HEIGHT = 1060, 280
FRAME = Frame(66, WIDTH - 92, HEIGHT - 34, 14)
_PLACES = 450
"""Places across: of each the lowest and the highest figure is drawn."""
_DAY = 86400.0
_APART = 3 * HOUR
"""Seconds without a sample over which no line is drawn."""
_MOST_RUNS = 200
_SHORTEST = 600.0
"""Seconds that the chart spans at least."""

_Point = tuple[float, float]


class Tick(NamedTuple):
    """A place on an axis, in pixels, with its words."""

    at: float
    words: str


class Mark(NamedTuple):
    """A watermark: where its line is, and what it is."""

    y: float
    words: str


class Flag(NamedTuple):
    """A run: where it is on the time axis, and what it did."""

    x: float
    title: str
    number: int
    failed: bool
    """Whether it ended early or could not remove something."""


class Timeline(NamedTuple):
    """The whole chart, in pixels."""

    lines: Sequence[Sequence[_Point]]
    across: Sequence[Tick]
    up: Sequence[Tick]
    marks: Sequence[Mark]
    flags: Sequence[Flag]
    summary: str
    """What the chart shows, in words."""


def timeline(report: HostReport) -> Timeline | None:
    """The chart; None where nothing of the past is recorded, or the disk is not in sight."""
    inventory = report.inventory
    total, free, now = inventory.disk.total_bytes, inventory.disk.free_bytes, inventory.taken_at
    if total is None or free is None or not total:
        return None
    points = [point for point in _of_samples(report, total) if point[0] < now]
    stepped = not points
    if stepped:
        points = _steps([point for point in _of_runs(report, total) if point[0] < now], now)
    if not points:
        return None
    points.append((now, total - free))
    first = min(points[0][0], now - _SHORTEST)
    highest = max(total, *(used for _, used in points))

    def x(moment: float) -> float:
        return FRAME.x0 + (moment - first) / (now - first) * (FRAME.x1 - FRAME.x0)

    def y(used: float) -> float:
        return FRAME.y0 - used / highest * (FRAME.y0 - FRAME.y1)

    thin = _thinned(points)
    parts = [thin] if stepped else _unbroken(thin)
    lines = [[(x(at), y(used)) for at, used in part] for part in parts]
    step = round_step(highest / 1e9) * 1e9
    ticks = [Tick(y(n * step), format_size(int(n * step))) for n in range(int(highest / step) + 1)]
    marks = []
    for name, mark in (("high", report.marks.high), ("critical", report.marks.critical)):
        least = mark.least_free(total)
        if least is not None and 0 <= least <= total:
            marks.append(Mark(y(total - least), f"{name} {(total - least) / total:.0%}"))
    flags = [
        Flag(x(run.started), _told(run), run.id, _failed(run))
        for run in report.runs[:_MOST_RUNS]
        if first <= run.started <= now
    ]
    lowest = min(used for _, used in points)
    most = max(used for _, used in points)
    summary = (
        f"From {_date(first)} to {_date(now)} between {format_size(int(lowest))} and "
        f"{format_size(int(most))} of {format_size(total)} were in use; now "
        f"{format_size(total - free)} are."
    )
    if stepped:
        summary += " Only runs are recorded: between them the line stays where the last one ended."
    return Timeline(lines, _moments(first, now, x), ticks, marks, flags, summary)


def _of_samples(report: HostReport, total: int) -> list[_Point]:
    """Used bytes at the moments of the samples, in order of time."""
    return sorted(
        (each.at, max(0.0, (total if each.total is None else each.total) - each.free))
        for each in report.samples
        if each.free is not None
    )


def _of_runs(report: HostReport, total: int) -> list[_Point]:
    """Used bytes as the runs noted them before and after, in order of time."""
    points: list[_Point] = []
    # Stable, for runs that began and ended within one tick of the clock.
    for run in sorted(report.runs, key=lambda run: (run.started, run.id)):
        if run.free_before is not None:
            points.append((run.started, max(0.0, total - run.free_before)))
        if run.free_after is not None and run.ended is not None:
            points.append((run.ended, max(0.0, total - run.free_after)))
    return sorted(points, key=lambda point: point[0])


def _steps(points: Sequence[_Point], now: float) -> list[_Point]:
    """These points with each figure held until the next moment: a line of steps."""
    made: list[_Point] = []
    for number, (at, used) in enumerate(points, 1):
        until = points[number][0] if number < len(points) else now
        made += [(at, used), (until, used)]
    return made


def _thinned(points: Sequence[_Point]) -> list[_Point]:
    """The points, or of each place across only the lowest and the highest, and the last of all."""
    if len(points) <= 2 * _PLACES:
        return list(points)
    first, last = points[0][0], points[-1][0]
    places: dict[int, list[_Point]] = {}
    for point in points:
        places.setdefault(int((point[0] - first) / (last - first) * _PLACES), []).append(point)
    thin = [
        point
        for there in places.values()
        for point in sorted({min(there, key=_used), max(there, key=_used)})
    ]
    return thin if thin[-1] == points[-1] else [*thin, points[-1]]


def _used(point: _Point) -> float:
    return point[1]


def _unbroken(points: Iterable[_Point]) -> list[list[_Point]]:
    """The points in parts between which nothing is known of a long time."""
    points = list(points)
    usual = max(_APART, 3 * (points[-1][0] - points[0][0]) / _PLACES)
    parts: list[list[_Point]] = [[]]
    for point in points:
        if parts[-1] and point[0] - parts[-1][-1][0] > usual and len(points) > 20:
            parts.append([])
        parts[-1].append(point)
    return parts


def _moments(first: float, last: float, x: Callable[[float], float]) -> list[Tick]:
    """Five or so round moments for the time axis."""
    span = last - first
    steps = (600, 3600, 3 * 3600, 6 * 3600, _DAY, 2 * _DAY, 7 * _DAY, 30 * _DAY, 90 * _DAY)
    step = next((each for each in steps if span / each <= 8), 180 * _DAY)
    form = "%H:%M" if step < _DAY else "%d %b"
    at = -(-first // step) * step
    ticks = []
    while at <= last:
        ticks.append(Tick(x(at), time.strftime(form, time.gmtime(at))))
        at += step
    return ticks


def _failed(run: RunSummary) -> bool:
    return bool(run.interrupted or run.failed) or run.state not in (DONE, RUNNING)


def _told(run: RunSummary) -> str:
    freed = f"{format_size(run.freed_bytes)} freed, {run.removed} removed"
    trouble = ""
    if run.interrupted or run.state not in (DONE, RUNNING):
        trouble = f"; {run.interrupted or run.state}"
    if run.failed:
        trouble += f"; {run.failed} could not be removed"
    return f"Run {run.id}, {run_name(run.level)}, {_date(run.started)}: {freed}{trouble}"


def _date(moment: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(moment))
