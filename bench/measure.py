"""Timing two ways of doing a thing in turn, so that a noisy machine is noisy for both."""

from __future__ import annotations

import json
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple


class Result(NamedTuple):
    """One comparison: medians in seconds, and the ratio that is aimed at."""

    name: str
    ours: str
    theirs: str
    our_seconds: float
    their_seconds: float
    aim: float
    runs: int

    @property
    def ratio(self) -> float:
        """Our time over theirs: below one is faster."""
        return self.our_seconds / self.their_seconds


def seconds(action: Callable[[], object]) -> float:
    """How long an action takes."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def in_turn(
    ours: Callable[[], float], theirs: Callable[[], float], runs: int
) -> tuple[float, float]:
    """The medians of both, run alternately; each answers its own seconds."""
    times: list[tuple[float, float]] = []
    for number in range(runs):
        if number % 2:
            other = theirs()
            times.append((ours(), other))
        else:
            times.append((ours(), theirs()))
    return (
        statistics.median(mine for mine, _ in times),
        statistics.median(other for _, other in times),
    )


def run(command: Sequence[str], environment: dict[str, str]) -> float:
    """How long a command takes; its output is thrown away. Raises where it fails."""

    def action() -> None:
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)

    return seconds(action)


def table(results: Sequence[Result]) -> str:
    """The results as a Markdown table."""
    lines = [
        "| what | holystone | against | ratio | aim |",
        "|---|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {r.name} | `{r.ours}` {r.our_seconds * 1000:.0f} ms "
        f"| {r.theirs} {r.their_seconds * 1000:.0f} ms | **{r.ratio:.2f}** | {r.aim:g} |"
        for r in results
    ]
    return "\n".join(lines)


def write_json(results: Sequence[Result], path: Path) -> None:
    """The results as JSON, one object a comparison."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [{**r._asdict(), "ratio": round(r.ratio, 3)} for r in results]
    path.write_text(json.dumps({"schema": 1, "results": rows}, indent=2) + "\n")
