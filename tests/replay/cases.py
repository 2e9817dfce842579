"""Golden cases of the replay: a small trace and what each order comes to, in ``cases/*.toml``.

budget = "10GB"
uses = "0m app, 5m latest=new"         time, and the image or the reference and its image
[images]  app = "base 4GB, app 3GB"    layers, bottom first
[built]   app = "10d"                  before the first use
[expect]  lru = "pulled 7GB, stalls 1, peak 7GB"
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from holystone.planner.units import parse_duration, parse_size
from holystone.replay.trace import Trace, parse, written

FOLDER = Path(__file__).parent / "cases"
START = 1_600_000_000.0


class Case(NamedTuple):
    """A trace, a budget in bytes, and what must come of them."""

    title: str
    trace: Trace
    lines: list[str]
    budget: int
    bound: int
    expected: Mapping[str, tuple[int, int, int]]
    """By order bytes pulled, stalls, and the peak in bytes."""


def read_case(path: Path) -> Case:
    """The case in this file."""
    written_down = tomllib.loads(path.read_text(encoding="utf-8"))
    images = {name: _layers(text) for name, text in written_down["images"].items()}
    built = {
        name: START - parse_duration(age) for name, age in written_down.get("built", {}).items()
    }
    lines = list(written(images, map(_use, written_down["uses"].split(",")), built))
    return Case(
        written_down["title"],
        parse([f"{line}\n".encode() for line in lines], path.name),
        lines,
        parse_size(written_down["budget"]),
        parse_size(written_down["bound"]),
        {order: _expected(text) for order, text in written_down["expect"].items()},
    )


def _layers(text: str) -> list[tuple[str, int]]:
    pairs = [part.split() for part in text.split(",")]
    return [(name, parse_size(size)) for name, size in pairs]


def _use(text: str) -> tuple[float, str, str]:
    after, what = text.split()
    reference, _, image = what.partition("=")
    return START + parse_duration(after), reference, image or reference


def _expected(text: str) -> tuple[int, int, int]:
    words = dict(part.split() for part in text.split(","))
    return parse_size(words["pulled"]), int(words["stalls"]), parse_size(words["peak"])
