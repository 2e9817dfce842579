"""The runs as a picture: seconds and disk, one panel each for every setting."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from bench.pipeline.jobs import Run
from bench.pipeline.report import Setting

WIDTH, HEIGHT = 380, 230
LEFT, TOP, RIGHT, BOTTOM = 58, 40, 14, 30
COLOURS = ("#d55e00", "#e69f00", "#0072b2", "#777777")
"""Told apart by the colour-blind as well; the same order as the policies."""
DASHES = ("", "", "", "5 4")


def svg(settings: Sequence[Setting]) -> str:
    """The picture: a row for each setting."""
    height = 34 + len(settings) * (HEIGHT + 10)
    opening = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{2 * WIDTH}" height="{height}" '
        f'viewBox="0 0 {2 * WIDTH} {height}" font-family="sans-serif" font-size="12">'
    )
    parts = [
        opening,
        f'<rect width="{2 * WIDTH}" height="{height}" fill="#ffffff"/>',
        *_legend(list(settings[0].runs)),
    ]
    for number, setting in enumerate(settings):
        top = 34 + number * (HEIGHT + 10)
        parts += _panel(setting, "seconds a run", 0, top, lambda run: run.seconds)
        parts += _panel(setting, "disk after it, GB", WIDTH, top, lambda run: run.disk / 1e9)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _legend(policies: list[str]) -> list[str]:
    parts = []
    for number, policy in enumerate(policies):
        x = LEFT + number * 160
        parts += [
            _line(x, 20, x + 24, 20, COLOURS[number], DASHES[number]),
            f'<text x="{x + 30}" y="24">{policy}</text>',
        ]
    return parts


def _panel(
    setting: Setting, unit: str, left: int, top: int, value: Callable[[Run], float]
) -> list[str]:
    x0, x1 = left + LEFT, left + WIDTH - RIGHT
    y0, y1 = top + HEIGHT - BOTTOM, top + TOP
    count = max(len(runs) for runs in setting.runs.values())
    highest = max(value(run) for runs in setting.runs.values() for run in runs)
    step = _step(highest)
    limit = step * (int(highest / step) + 1)

    def at(number: int, run: Run) -> tuple[float, float]:
        across = (x1 - x0 - 24) * number / max(1, count - 1)
        return x0 + 12 + across, y0 - (y0 - y1) * value(run) / limit

    parts = [f'<text x="{x0}" y="{top + 26}" font-weight="bold">{setting.title}: {unit}</text>']
    for mark in range(int(limit / step) + 1):
        y = y0 - (y0 - y1) * mark * step / limit
        parts += [
            _line(x0, y, x1, y, "#dddddd"),
            f'<text x="{x0 - 6}" y="{y + 4:.1f}" text-anchor="end">{mark * step:g}</text>',
        ]
    for policy, (runs, colour, dash) in zip(
        setting.runs, zip(setting.runs.values(), COLOURS, DASHES, strict=True), strict=True
    ):
        points = [at(number, run) for number, run in enumerate(runs)]
        parts.append(f"<g><title>{policy}</title>")
        parts += [_line(*one, *two, colour, dash) for one, two in pairwise(points)]
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points]
        parts.append("</g>")
    for number in range(count):
        x = x0 + 12 + (x1 - x0 - 24) * number / max(1, count - 1)
        parts.append(
            f'<text x="{x:.1f}" y="{y0 + 18}" text-anchor="middle">run {number + 1}</text>'
        )
    return parts


def _step(highest: float) -> float:
    """A round distance of marks, so that there are four to eight."""
    step = 1e-3
    while True:
        for factor in (1, 2, 5):
            if highest / (step * factor) < 8:
                return step * factor
        step *= 10


def _line(x0: float, y0: float, x1: float, y1: float, colour: str, dash: str = "") -> str:
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    width = 1 if colour == "#dddddd" else 2
    return (
        f'<line x1="{x0:.1f}" y1="{y0:.1f}" x2="{x1:.1f}" y2="{y1:.1f}" '
        f'stroke="{colour}" stroke-width="{width}"{dashes}/>'
    )
