"""What was measured, as a document with tables, and as JSON."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from bench.pipeline.jobs import BLUNT, BUILDERS, JOBS, NONE, OURS, PRUNES, Run, configuration


class Setting(NamedTuple):
    """An engine, a builder, and the runs under each policy."""

    kind: str
    builder: str
    runs: Mapping[str, Sequence[Run]]
    date: str
    """When it was measured: YYYY-MM-DD."""

    @property
    def title(self) -> str:
        """The engine and the builder in words."""
        return f"{self.kind}, {BUILDERS[self.builder].title}"


class Later(NamedTuple):
    """The runs after the first, added up: seconds, those of the cleaning, bytes pulled."""

    seconds: float
    cleaning: float
    pulled: int


class Sizes(NamedTuple):
    """What the bench was run with.

    Sizes in bytes, those of the bases and what the cached step of each build
    downloads; ``rate`` in
    bytes a second; ``work`` is the seconds that each job's container works.
    """

    python: int
    node: int
    ml: int
    rate: int
    runs: int
    packages: int
    work: float


def later(runs: Sequence[Run]) -> Later:
    """The runs after the first, added up."""
    rest = runs[1:]
    return Later(
        sum(run.seconds for run in rest),
        sum(run.cleaning for run in rest),
        sum(run.pulled for run in rest),
    )


def table(setting: Setting) -> str:
    """A row for each policy; a column of seconds for each run."""
    count = len(setting.runs[OURS])
    numbers = "".join(f" run {n} |" for n in range(1, count + 1))
    head = (
        f"| after each job |{numbers} 2-{count} | cleaning | pulled, run 1 "
        f"| pulled, 2-{count} | disk after 2 | disk after {count} |"
    )
    rows = [
        head,
        "|---|" + "---:|" * (count + 6),
    ]
    for policy, runs in setting.runs.items():
        total = later(runs)
        each = " | ".join(f"{run.seconds:.1f} s" for run in runs)
        rows.append(
            f"| {policy} | {each} | **{total.seconds:.1f} s** | {total.cleaning:.1f} s "
            f"| {_mb(runs[0].pulled)} | **{_mb(total.pulled)}** "
            f"| {_mb(runs[1].disk)} | {_mb(runs[-1].disk)} |"
        )
    return "\n".join(rows)


def ratios(setting: Setting) -> str:
    """What holystone comes to against the others, against the aims."""
    ours, blunt, prunes, none = (
        later(setting.runs[policy]) for policy in (OURS, BLUNT, PRUNES, NONE)
    )
    disk = setting.runs[OURS]
    less = 1 - ours.seconds / blunt.seconds
    against_prunes = ours.seconds / prunes.seconds - 1
    more = ours.seconds / none.seconds - 1
    grown = disk[-1].disk / disk[1].disk - 1
    return "\n".join(
        [
            "| holystone, runs after the first | measured | aim |",
            "|---|---:|---:|",
            f"| time, against `docker system prune -af` | {-less:+.0%} | -70% or less |",
            f"| time, against three prunes | {against_prunes:+.0%} | |",
            f"| time, against no cleaning | {more:+.1%} | +5% at most |",
            f"| bytes pulled | {_mb(ours.pulled)} | 0 MB |",
            f"| disk after the last run, against the second | {grown:+.1%} | flat |",
        ]
    )


def document(settings: Sequence[Setting], sizes: Sizes, plot: str) -> str:
    """The whole of docs/explanation/pipeline.md. ``plot`` is the name of the picture beside it."""
    template = Path(__file__).with_name("document.txt").read_text()
    return template.format(
        cores=os.cpu_count(),
        python=platform.python_version(),
        rate=f"{sizes.rate * 8 / 1e6:.0f}",
        small_budget=_mb(4 * sizes.packages),
        work=f"{sizes.work:g} s",
        packages=_mb(sizes.packages),
        plot=plot,
        jobs="\n".join(
            f"- `{job}` builds on `{base}`, {_mb(_size(base, sizes))}" for job, base in JOBS.items()
        ),
        tables="\n".join(
            f"## {each.title}\n\nMeasured on {each.date}.\n\n{table(each)}\n\n{ratios(each)}\n"
            for each in settings
        ),
        config=configuration(sizes.packages, "buildkit").strip(),
        staged_config=configuration(sizes.packages, "stages").strip().rpartition("\n\n")[2],
    )


def read_json(path: Path) -> list[Setting]:
    """The settings that ``write_json`` wrote."""
    return [
        Setting(
            found["engine"],
            found["builder"],
            {policy: [Run(**run) for run in runs] for policy, runs in found["policies"].items()},
            found["date"],
        )
        for found in json.loads(path.read_text())["settings"]
    ]


def today() -> str:
    """The date, UTC."""
    return time.strftime("%Y-%m-%d", time.gmtime())


def _size(base: str, sizes: Sizes) -> int:
    named = {"python": sizes.python, "node": sizes.node, "ml/train": sizes.ml}
    return named[base.partition(":")[0]]


def _mb(count: int) -> str:
    return f"{count / 1e6:.0f} MB" if count >= 1e6 else f"{count / 1e3:.0f} kB"


def write_json(settings: Sequence[Setting], sizes: Sizes, path: Path) -> None:
    """Every run as JSON, sizes in bytes and times in seconds."""
    found = [
        {
            "engine": setting.kind,
            "builder": setting.builder,
            "date": setting.date,
            "policies": {
                policy: [
                    {
                        **run._asdict(),
                        "seconds": round(run.seconds, 2),
                        "cleaning": round(run.cleaning, 2),
                    }
                    for run in runs
                ]
                for policy, runs in setting.runs.items()
            },
        }
        for setting in settings
    ]
    whole = {"schema": 1, "options": sizes._asdict(), "settings": found}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(whole, indent=2) + "\n")
