"""Draw bytes pulled against budget: a line for each eviction policy, and the lower bound."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from holystone.planner.units import format_size
from holystone.present import svg as draw
from holystone.present.format import safe
from holystone.replay.bound import Bound
from holystone.replay.budgets import between
from holystone.replay.orders import ORDERS, UNKNOWN
from holystone.replay.running import Replays, jobs_of

WIDTH, HEIGHT = 820, 420
_FRAME = draw.Frame(66, 590, HEIGHT - 34, 56)
_LEGEND = 612
_PITCH = 24
_OTHERS = (draw.Style("#56b4e9"), draw.Style("#f0e442"), draw.Style("#000000", "6 3"))
_STYLES = {
    "ours": draw.Style("#0072b2"),
    "lru": draw.Style("#d55e00"),
    "docuum": draw.Style("#d55e00", "2 4"),
    "kubelet": draw.Style("#e69f00"),
    "drone-gc": draw.Style("#009e73"),
    "oracle": draw.Style("#777777"),
    "prune-all": draw.Style("#cc79a7"),
    "prune-daily": draw.Style("#cc79a7", "6 3"),
    "until-created": draw.Style("#cc79a7", "2 3"),
}
"""Told apart by the colour-blind as well, and the same in every picture."""
_BOUND = draw.Style("#000000", "2 3")
_Points = Sequence[tuple[int, int]]
"""Budget and bytes pulled, the smallest budget first."""


def picture(
    title: str,
    replays: Replays,
    orders: Sequence[str],
    budgets: Collection[int],
    flattens: Mapping[str, int | None],
) -> str:
    """An SVG with a line for each order, from the smallest of the budgets to the largest.

    ``flattens`` has where the curves do, for a ring there. Raises ReplayFailed.
    """
    replays.run(jobs_of(orders, budgets))
    curves = [
        _Curve(order, replays.curve(order), flattens.get(order), ORDERS[order].budget == UNKNOWN)
        for order in orders
    ]
    lowest = Bound(replays.trace)
    shown = between(min(budgets), max(budgets), 100)
    return _svg(title, curves, [(budget, lowest.pulled_bytes(budget)) for budget in shown])


class _Curve(NamedTuple):
    """What one order pulls."""

    order: str
    points: _Points
    flattens: int | None
    """The budget from which more disk gains little, which is one of the points."""
    level: bool
    """The same under every budget: drawn across, where it is not above everything else."""


class _Axes(NamedTuple):
    """From sizes to pixels: budgets by their logarithm, bytes pulled as they are."""

    least: int
    most: int
    limit: float

    def place(self, budget: int, pulled: int) -> tuple[float, float]:
        across = math.log(budget / self.least) / math.log(self.most / self.least)
        return (
            _FRAME.x0 + (_FRAME.x1 - _FRAME.x0) * across,
            _FRAME.y0 - (_FRAME.y0 - _FRAME.y1) * pulled / self.limit,
        )

    def shown(self, curve: _Curve) -> _Points:
        """The points of a curve that are within the frame; of a level one both ends."""
        points = curve.points
        if curve.level:
            points = [(budget, points[0][1]) for budget in (self.least, self.most)]
        return [
            (budget, pulled)
            for budget, pulled in points
            if self.least <= budget <= self.most and pulled <= self.limit
        ]


def _svg(title: str, curves: Sequence[_Curve], bound: _Points) -> str:
    sloping = [pulled for curve in curves if not curve.level for _, pulled in curve.points]
    level = [pulled for curve in curves if curve.level for _, pulled in curve.points]
    highest = max(*(sloping or level), *(pulled for _, pulled in bound), 1)
    scale, unit = _unit(highest)
    step = draw.round_step(highest / scale)
    limit = step * (int(highest / scale / step) + 1)
    budgets = [budget for budget, _ in bound]
    axes = _Axes(min(budgets), max(*budgets, min(budgets) + 1), limit * scale)
    escaped = safe(title).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    parts = [
        f'<text x="{_FRAME.x0}" y="24" font-weight="bold">{escaped}</text>',
        f'<text x="{_FRAME.x0}" y="44">{unit} pulled, against the budget</text>',
        *draw.heights(_FRAME, limit, step),
        *_budgets(axes),
    ]
    at = _FRAME.y1 + 4
    for number, curve in enumerate(curves):
        style = _STYLES.get(curve.order, _OTHERS[number % len(_OTHERS)])
        shown = axes.shown(curve)
        parts += draw.legend(_LEGEND, at, _entry(curve, "" if shown else ", above"), style)
        places = [axes.place(*point) for point in shown]
        if shown and curve.level:
            parts += draw.polyline(curve.order, places, style)
        elif shown:
            flat = [axes.place(*point) for point in shown if point[0] == curve.flattens]
            parts += draw.series(curve.order, places, style) + [_ring(*each) for each in flat]
        at += _PITCH
    parts += draw.legend(_LEGEND, at, "lower bound", _BOUND)
    parts += draw.polyline("lower bound", [axes.place(*point) for point in bound], _BOUND)
    if any(curve.flattens is not None for curve in curves):
        at += _PITCH
        parts += [
            _ring(_LEGEND + 12, at),
            f'<text x="{_LEGEND + 30}" y="{at + 4}">flattens here</text>',
        ]
    return draw.document(WIDTH, HEIGHT, parts)


def _ring(x: float, y: float) -> str:
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="6" fill="none" stroke="#333333"/>'


def _entry(curve: _Curve, where: str) -> str:
    if curve.level:
        return f"{curve.order}: {format_size(curve.points[0][1])}{where}"
    if curve.flattens is not None:
        return f"{curve.order}: flat from {format_size(curve.flattens)}"
    return curve.order


def _budgets(axes: _Axes) -> list[str]:
    """Round budgets along the level axis."""
    parts = []
    for power in range(len(str(axes.most))):
        for mark in (10**power, 2 * 10**power, 5 * 10**power):
            if axes.least <= mark <= axes.most:
                x, _ = axes.place(mark, 0)
                scale, unit = _unit(mark)
                parts += [
                    draw.line(x, _FRAME.y0, x, _FRAME.y1, draw.Style(draw.GRID)),
                    draw.below(_FRAME, x, f"{mark / scale:g} {unit}"),
                ]
    return parts


def _unit(size: float) -> tuple[float, str]:
    """The unit to write a size of this order in; TB only where GB would have five figures."""
    for scale, unit, least in ((1e12, "TB", 1e13), (1e9, "GB", 1e9), (1e6, "MB", 1e6)):
        if size >= least:
            return scale, unit
    return 1.0, "B"
