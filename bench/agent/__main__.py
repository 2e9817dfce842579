"""``make bench-agent``: what the agent costs and how quick it is; its page, picture and JSON."""

from __future__ import annotations

import argparse
import compileall
import sysconfig
from collections.abc import Callable, Iterable
from pathlib import Path

import holystone
from bench.agent import events, idle, level, planning
from bench.agent.figure import Measured
from bench.agent.plot import svg
from bench.agent.report import document, merged, notes, read_json, table, write_json
from holystone.planner.units import parse_duration, parse_size

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "explanation" / "agent-figures.md"
PICTURE = DOCUMENT.with_suffix(".svg")
RESULTS = ROOT / "bench" / "results" / "agent.json"
BENCHES: dict[str, Callable[[argparse.Namespace], Iterable[Measured]]] = {
    "idle": lambda told: [idle.measure(told.idle)],
    "events": lambda told: events.measure(told.kinds or events.KINDS, told.rate, told.events),
    "level": lambda told: level.measure(told.kinds or level.KINDS, told.free, told.rounds),
    "plan": lambda told: [planning.measure(told.images)],
}
ORDER = ("memory", "cpu", "idle", "events", "plan", "level")
"""Of the keys of figures and curves, up to their first hyphen."""


def parser() -> argparse.ArgumentParser:
    """The options."""
    top = argparse.ArgumentParser(prog="python -m bench.agent", description=__doc__)
    top.add_argument("names", nargs="*", help=f"which: {', '.join(BENCHES)} (default: all)")
    top.add_argument(
        "--idle", type=parse_duration, default="5m", help="how long an idle agent is watched (5m)"
    )
    top.add_argument(
        *("--kind", "-k"), dest="kinds", action="append", metavar="KIND",
        help="of engine, for events (default: docker20) and level (docker20 and docker28c)",
    )  # fmt: skip
    top.add_argument("--rate", type=int, default=1000, help="of events, a second (1000)")
    top.add_argument(
        "--events", type=parse_duration, default="1m", help="how long events come (1m)"
    )
    top.add_argument(
        "--free", type=parse_size, default="10GB", help="what is to be freed at once (10GB)"
    )
    top.add_argument(
        "--rounds", type=int, default=2, help="of freeing, with the agent and without (2)"
    )
    top.add_argument("--images", type=int, default=1000, help="for a plan (1000)")
    top.add_argument(
        "--write",
        action="store_true",
        help="the document, the picture and the JSON; what is not measured now stays in them",
    )
    return top


def main() -> None:
    """Run the benches that were named, or all."""
    told = parser()
    options = told.parse_args()
    if unknown := set(options.names) - set(BENCHES):
        told.error(f"unknown: {', '.join(sorted(unknown))}")
    # As an installer leaves it: a process that compiles what it imports holds 5 MB more.
    for folder in (holystone.__path__[0], sysconfig.get_path("purelib")):
        compileall.compile_dir(folder, quiet=2)
    for name in options.names or BENCHES:
        for measured in BENCHES[name](options):
            _tell(measured, write=options.write)


def _tell(measured: Measured, *, write: bool) -> None:
    print(f"\n{table(measured.figures)}\n\n{notes(measured.figures)}", flush=True)
    missed = [each.name for each in measured.figures if not each.reached]
    if missed:
        print(f"Misses its aim: {'; '.join(missed)}", flush=True)
    if write:
        earlier = read_json(RESULTS) if RESULTS.exists() else Measured(())
        whole = merged(earlier, measured, ORDER)
        write_json(whole, RESULTS)
        PICTURE.write_text(svg(whole.curves))
        DOCUMENT.write_text(document(whole, PICTURE.name))


if __name__ == "__main__":
    main()
