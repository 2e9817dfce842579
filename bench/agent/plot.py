"""The curves as a picture: a panel for each bench, values over seconds."""

from __future__ import annotations

from collections.abc import Sequence

from bench.agent.figure import Curve
from holystone.present import svg as draw

WIDTH, HEIGHT = 400, 240
LEFT, TOP, RIGHT, BOTTOM = 58, 62, 14, 30
_ACROSS = 2
STYLES = (draw.Style("#0072b2"), draw.Style("#d55e00"), draw.Style("#009e73"))
_MARK = draw.Style("#777777", "5 4")


def svg(curves: Sequence[Curve]) -> str:
    """The picture, two panels in a row."""
    rows = -(-len(curves) // _ACROSS)
    parts = []
    for number, curve in enumerate(curves):
        down, right = divmod(number, _ACROSS)
        parts += _panel(curve, right * WIDTH, down * (HEIGHT + 10))
    return draw.document(_ACROSS * WIDTH, rows * (HEIGHT + 10), parts)


def _panel(curve: Curve, left: int, top: int) -> list[str]:
    frame = draw.Frame(left + LEFT, left + WIDTH - RIGHT, top + HEIGHT - BOTTOM, top + TOP)
    points = [point for line in curve.lines.values() for point in line]
    last = max(at for at, _ in points)
    highest = max(*(value for _, value in points), curve.mark or 0.0)
    step = draw.round_step(highest)
    limit = step * (int(highest / step) + 1)

    def place(at: float, value: float) -> tuple[float, float]:
        return (
            frame.x0 + (frame.x1 - frame.x0) * at / last,
            frame.y0 - (frame.y0 - frame.y1) * value / limit,
        )

    parts = [f'<text x="{frame.x0}" y="{top + 22}" font-weight="bold">{curve.title}</text>']
    parts += draw.heights(frame, limit, step)
    legends = list(zip(curve.lines, STYLES, strict=False))
    if curve.mark is not None:
        parts.append(draw.line(*place(0, curve.mark), *place(last, curve.mark), _MARK))
        legends.append((curve.mark_name, _MARK))
    for (name, line), style in zip(curve.lines.items(), STYLES, strict=False):
        parts += draw.polyline(name, [place(*point) for point in line], style)
    for number, (name, style) in enumerate(legends):
        parts += draw.legend(frame.x0 + number * 120, top + 42, name, style)
    across = draw.round_step(last)
    marks = [across * number for number in range(int(last / across) + 1)]
    parts += [draw.below(frame, place(mark, 0)[0], f"{mark:g} s") for mark in marks[::2]]
    return parts
