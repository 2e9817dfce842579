"""The runs as a picture: seconds and disk, one panel each for every setting."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bench.pipeline.jobs import Run
from bench.pipeline.report import Setting
from holystone.present import svg as draw

WIDTH, HEIGHT = 380, 230
LEFT, TOP, RIGHT, BOTTOM = 58, 40, 14, 30
STYLES = (
    draw.Style("#d55e00"),
    draw.Style("#e69f00"),
    draw.Style("#0072b2"),
    draw.Style("#777777", "5 4"),
)
"""Told apart by the colour-blind as well; the same order as the policies."""


def svg(settings: Sequence[Setting]) -> str:
    """The picture: a row for each setting."""
    height = 34 + len(settings) * (HEIGHT + 10)
    parts = []
    for number, policy in enumerate(settings[0].runs):
        parts += draw.legend(LEFT + number * 160, 20, policy, STYLES[number])
    for number, setting in enumerate(settings):
        top = 34 + number * (HEIGHT + 10)
        parts += _panel(setting, "seconds a run", 0, top, lambda run: run.seconds)
        parts += _panel(setting, "disk after it, GB", WIDTH, top, lambda run: run.disk / 1e9)
    return draw.document(2 * WIDTH, height, parts)


def _panel(
    setting: Setting, unit: str, left: int, top: int, value: Callable[[Run], float]
) -> list[str]:
    frame = draw.Frame(left + LEFT, left + WIDTH - RIGHT, top + HEIGHT - BOTTOM, top + TOP)
    count = max(len(runs) for runs in setting.runs.values())
    highest = max(value(run) for runs in setting.runs.values() for run in runs)
    step = draw.round_step(highest)
    limit = step * (int(highest / step) + 1)

    def across(number: int) -> float:
        return frame.x0 + 12 + (frame.x1 - frame.x0 - 24) * number / max(1, count - 1)

    def up(run: Run) -> float:
        return frame.y0 - (frame.y0 - frame.y1) * value(run) / limit

    title = f"{setting.title}: {unit}"
    parts = [f'<text x="{frame.x0}" y="{top + 26}" font-weight="bold">{title}</text>']
    parts += draw.heights(frame, limit, step)
    for (policy, runs), style in zip(setting.runs.items(), STYLES, strict=True):
        points = [(across(number), up(run)) for number, run in enumerate(runs)]
        parts += draw.series(policy, points, style)
    parts += [draw.below(frame, across(number), f"run {number + 1}") for number in range(count)]
    return parts
