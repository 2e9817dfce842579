"""The figures as a table, as JSON, and as the document in docs/."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from pathlib import Path

from bench.agent.figure import Curve, Figure, Measured


def table(figures: Sequence[Figure]) -> str:
    """A row for each figure."""
    rows = [
        "| what | measured | aim | against | ratio | load |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for each in figures:
        against = f"{each.against} {_told(each, each.other)}" if each.other is not None else ""
        ratio = "" if each.ratio is None else f"{each.ratio:.2f}"
        aim = f"{each.aim:g} x" if each.aims_at_ratio else _told(each, each.aim)
        rows.append(
            f"| {each.name} | **{_told(each, each.value)}** | {aim} | {against} | {ratio} "
            f"| {each.load:g} |"
        )
    return "\n".join(rows)


def _told(figure: Figure, value: float) -> str:
    digits = 0 if value >= 100 or value == int(value) else 2 if value < 1 else 1
    return f"{value:,.{digits}f} {figure.unit}"


def notes(figures: Sequence[Figure]) -> str:
    """What has to be said beside, a line for each figure that has a note."""
    return "\n".join(f"- {each.name}: {each.note}" for each in figures if each.note)


def merged(earlier: Measured, now: Measured, order: Sequence[str]) -> Measured:
    """What was measured now, and of before what was not; in this order of keys."""
    figures = {each.key: each for each in (*earlier.figures, *now.figures)}
    curves = {each.key: each for each in (*earlier.curves, *now.curves)}

    def place(key: str) -> int:
        return order.index(key.partition("-")[0])

    return Measured(
        sorted(figures.values(), key=lambda each: place(each.key)),
        sorted(curves.values(), key=lambda each: place(each.key)),
    )


def document(measured: Measured, picture: str) -> str:
    """The whole page. ``picture`` is the name of the picture beside it."""
    template = Path(__file__).with_name("document.txt").read_text()
    dates = sorted({each.date for each in measured.figures})
    return template.format(
        cores=os.cpu_count(),
        python=platform.python_version(),
        dates=" and ".join(dict.fromkeys((dates[0], dates[-1]))),
        table=table(measured.figures),
        notes=notes(measured.figures),
        picture=picture,
    )


def write_json(measured: Measured, path: Path) -> None:
    """The figures, and the points of the picture."""
    curves = [
        {
            "key": each.key,
            "title": each.title,
            "mark": each.mark,
            "mark_name": each.mark_name,
            "lines": {
                name: [[round(at, 2), round(value, 3)] for at, value in points]
                for name, points in each.lines.items()
            },
        }
        for each in measured.curves
    ]
    told = {
        "schema": 1,
        "figures": [each.as_json() for each in measured.figures],
        "curves": curves,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(told, indent=1) + "\n")


def read_json(path: Path) -> Measured:
    """What ``write_json`` wrote."""
    told = json.loads(path.read_text())
    figures = [
        Figure(**{key: value for key, value in each.items() if key != "ratio"})
        for each in told["figures"]
    ]
    return Measured(figures, [Curve(**each) for each in told["curves"]])
