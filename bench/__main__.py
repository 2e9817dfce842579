"""``make bench``: run every benchmark, print the table, write it to docs/ and JSON to bench/."""

from __future__ import annotations

import argparse
import compileall
import platform
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import holystone
from bench import alone, cleaning, history, walking
from bench.measure import Result, table, write_json

ROOT = Path(__file__).parent
DOCUMENT = ROOT.parent / "docs" / "explanation" / "benchmarks.md"

BENCHES: dict[str, Callable[[], Iterator[Result]]] = {
    "startup": alone.startup,
    "planner": alone.planner,
    "pressure": alone.pressure,
    "configuration": alone.configuration,
    "history": history.long_history,
    "walk": walking.million,
    "idle20": lambda: cleaning.nothing_to_do("docker20"),
    "idle28c": lambda: cleaning.nothing_to_do("docker28c"),
    "young28c": lambda: cleaning.nothing_to_do("docker28c", images=100, young=True),
    "idlepodman5": lambda: cleaning.podman_nothing_to_do("podman5"),
    "untagged20": lambda: cleaning.untagged("docker20", 1.0),
    "untagged28c": lambda: cleaning.untagged("docker28c", 0.6),
    "cache20": lambda: cleaning.build_cache("docker20"),
    "cache28c": lambda: cleaning.build_cache("docker28c"),
    "cache20restarted": lambda: cleaning.build_cache("docker20", restarted=True),
    "cache28crestarted": lambda: cleaning.build_cache("docker28c", restarted=True),
    "plan20": lambda: cleaning.second_plan("docker20"),
}

PREFACE = """\
# Benchmarks

Made by `make bench` on {date} ({cores} cores, Python {python}). Each row compares holystone with a
named alternative, run in turn on the same private engine; the times are medians. Compare by the
ratio: below 1 holystone is faster. `docker20` is engine 20.10 (overlay2), `docker28c` engine 28.5
with the containerd image store; the docker command is a current one. A clean of untagged images
sees them for the first time: it shows the exact bytes before it removes anything, so it needs every
layer of every image. Build cache is removed by one call to BuildKit that names each record, after
one list of them; both ways leave none.

The containerd store needs about 8 ms an image for its list of images. A routine clean lists only
the untagged images, and the others too once it removes one, or once a day.

"""


def main() -> None:
    """Run the benches that were named, or all."""
    parser = argparse.ArgumentParser(prog="make bench ARGS=", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"which: {', '.join(BENCHES)} (default: all)")
    names = parser.parse_args().names
    if unknown := set(names) - set(BENCHES):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    # As an installer leaves it: with a byte code that need not be made at each start.
    compileall.compile_dir(holystone.__path__[0], quiet=1)
    results = []
    for name in names or BENCHES:
        for result in BENCHES[name]():
            results.append(result)
            print(f"{result.name}: {result.ratio:.2f} (aim {result.aim:g})", flush=True)
    print(f"\n{table(results)}")
    if not names:
        import os

        write_json(results, ROOT / "results" / "cleaning.json")
        date = time.strftime("%Y-%m-%d", time.gmtime())
        preface = PREFACE.format(date=date, cores=os.cpu_count(), python=platform.python_version())
        DOCUMENT.write_text(preface + table(results) + "\n")


if __name__ == "__main__":
    main()
