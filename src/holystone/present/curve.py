"""Bytes pulled against budget as a picture: a line for each order, and the lower bound."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from holystone.planner.units import format_size
from holystone.present import svg as draw
from holystone.present.format import safe

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


class Curve(NamedTuple):
    """What one order pulls. All sizes in bytes."""

    order: str
    points: Sequence[tuple[int, int]]
    """Budget and bytes pulled, the smallest budget first."""
    flattens: int | None = None
    """The budget from which more disk gains little, which is one of the points."""
    level: bool = False
    """The same under every budget: drawn across, where it is not above everything else."""


def svg(title: str, curves: Sequence[Curve], bound: Sequence[tuple[int, int]]) -> str:
    """The picture. ``bound`` has points like those of a curve, and at least one."""
    sloping = [pulled for curve in curves if not curve.level for _, pulled in curve.points]
    level = [pulled for curve in curves if curve.level for _, pulled in curve.points]
    highest = max(*(sloping or level), *(pulled for _, pulled in bound), 1)
    scale, unit = _unit(highest)
    step = draw.round_step(highest / scale)
    limit = step * (int(highest / scale / step) + 1)
    budgets = [budget for budget, _ in bound]
    axes = _Axes(min(budgets), max(*budgets, min(budgets) + 1), limit * scale)
    parts = [
        f'<text x="{_FRAME.x0}" y="24" font-weight="bold">{_escaped(title)}</text>',
        f'<text x="{_FRAME.x0}" y="44">{unit} pulled, against the budget</text>',
        *draw.heights(_FRAME, limit, step),
        *_budgets(axes),
    ]
    at = _FRAME.y1 + 4
    for number, curve in enumerate(curves):
        style = _STYLES.get(curve.order, _OTHERS[number % len(_OTHERS)])
        shown = axes.shown(curve)
        parts += draw.legend(_LEGEND, at, _entry(curve, bool(shown)), style)
        parts += _drawn(curve, shown, axes, style)
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

    def shown(self, curve: Curve) -> list[tuple[int, int]]:
        """The points of a curve that are within the frame; of a level one both ends."""
        points = curve.points
        if curve.level:
            points = [(budget, points[0][1]) for budget in (self.least, self.most)]
        return [
            (budget, pulled)
            for budget, pulled in points
            if self.least <= budget <= self.most and pulled <= self.limit
        ]


def _drawn(
    curve: Curve, shown: Sequence[tuple[int, int]], axes: _Axes, style: draw.Style
) -> list[str]:
    if not shown:
        return []
    places = [axes.place(*point) for point in shown]
    if curve.level:
        return draw.polyline(curve.order, places, style)
    flat = [axes.place(*point) for point in shown if point[0] == curve.flattens]
    return draw.series(curve.order, places, style) + [_ring(x, y) for x, y in flat]


def _ring(x: float, y: float) -> str:
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="6" fill="none" stroke="#333333"/>'


def _entry(curve: Curve, shown: bool) -> str:  # noqa: FBT001 - one place calls it
    if curve.level:
        amount = format_size(curve.points[0][1])
        return f"{curve.order}: {amount}" if shown else f"{curve.order}: {amount}, above"
    if curve.flattens is not None:
        return f"{curve.order}: flat from {format_size(curve.flattens)}"
    return curve.order


def _budgets(axes: _Axes) -> list[str]:
    """Round budgets along the level axis."""
    marks = [
        factor * 10**power
        for power in range(len(str(axes.most)))
        for factor in (1, 2, 5)
        if axes.least <= factor * 10**power <= axes.most
    ]
    parts = []
    for mark in marks:
        x, _ = axes.place(mark, 0)
        parts.append(draw.line(x, _FRAME.y0, x, _FRAME.y1, draw.Style(draw.GRID)))
        scale, unit = _unit(mark)
        parts.append(draw.below(_FRAME, x, f"{mark / scale:g} {unit}"))
    return parts


def _unit(size: float) -> tuple[float, str]:
    """The unit to write a size of this order in; TB only where GB would have five figures."""
    for scale, unit, least in ((1e12, "TB", 1e13), (1e9, "GB", 1e9), (1e6, "MB", 1e6)):
        if size >= least:
            return scale, unit
    return 1.0, "B"


def _escaped(text: str) -> str:
    """The text as XML, on one line."""
    return safe(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
