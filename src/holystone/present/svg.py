"""The parts of a chart as SVG, written by hand: axes, marks, lines, a legend."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

GRID = "#dddddd"


class Style(NamedTuple):
    """How one line of a chart is drawn."""

    colour: str
    dash: str = ""


class Frame(NamedTuple):
    """Where the axes are: left, right, bottom and top, in pixels from the upper left."""

    x0: float
    x1: float
    y0: float
    y1: float


def document(width: int, height: int, parts: Iterable[str]) -> str:
    """The whole picture, on white."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">\n'
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def round_step(highest: float) -> float:
    """A round distance of marks, so that there are four to eight."""
    step = 1e-3
    while highest / (step * 5) >= 8:
        step *= 10
    return next(step * factor for factor in (1, 2, 5) if highest / (step * factor) < 8)


def line(x0: float, y0: float, x1: float, y1: float, style: Style) -> str:
    """A straight line; thin where it belongs to the grid."""
    dashes = f' stroke-dasharray="{style.dash}"' if style.dash else ""
    width = 1 if style.colour == GRID else 2
    return (
        f'<line x1="{x0:.1f}" y1="{y0:.1f}" x2="{x1:.1f}" y2="{y1:.1f}" '
        f'stroke="{style.colour}" stroke-width="{width}"{dashes}/>'
    )


def heights(frame: Frame, limit: float, step: float) -> list[str]:
    """The marks of the upright axis, from 0 to its limit, each with a line across."""
    parts = []
    for mark in range(int(limit / step) + 1):
        y = frame.y0 - (frame.y0 - frame.y1) * mark * step / limit
        parts += [
            line(frame.x0, y, frame.x1, y, Style(GRID)),
            f'<text x="{frame.x0 - 6}" y="{y + 4:.1f}" text-anchor="end">{mark * step:g}</text>',
        ]
    return parts


def series(title: str, points: Sequence[tuple[float, float]], style: Style) -> list[str]:
    """One line of a chart with its points, which shows its title under the mouse."""
    return [
        *polyline(title, points, style)[:-1],
        *(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{style.colour}"/>' for x, y in points),
        "</g>",
    ]


def polyline(title: str, points: Sequence[tuple[float, float]], style: Style) -> list[str]:
    """The same without the points."""
    return [
        f"<g><title>{title}</title>",
        *(line(*one, *two, style) for one, two in pairwise(points)),
        "</g>",
    ]


def legend(x: float, y: float, title: str, style: Style) -> list[str]:
    """One entry of a legend: a piece of the line, and what it is."""
    return [line(x, y, x + 24, y, style), f'<text x="{x + 30}" y="{y + 4}">{title}</text>']


def below(frame: Frame, x: float, words: str) -> str:
    """What stands under the level axis at this place."""
    return f'<text x="{x:.1f}" y="{frame.y0 + 18}" text-anchor="middle">{words}</text>'
