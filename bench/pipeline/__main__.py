"""``make bench-pipeline``: measure the pipeline; write its page, its plot and its JSON."""

from __future__ import annotations

import argparse
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.pipeline.jobs import BUILDERS
from bench.pipeline.measuring import filled_registry, measure
from bench.pipeline.plot import svg
from bench.pipeline.report import Sizes, document, ratios, read_json, table, write_json
from holystone.planner.units import parse_duration, parse_rate, parse_size

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "explanation" / "pipeline.md"
PLOT = ROOT / "docs" / "explanation" / "pipeline.svg"
RESULTS = ROOT / "bench" / "results" / "pipeline.json"


SIZES = (
    ("python", "120MB", "size of the Python base"),
    ("node", "180MB", "size of the Node base"),
    ("ml", "1GB", "size of the ML image"),
    ("packages", "40MB", "what the cached step of each build downloads"),
)


def parser() -> argparse.ArgumentParser:
    """The options."""
    top = argparse.ArgumentParser(prog="python -m bench.pipeline", description=__doc__)
    for name, default, what in SIZES:
        top.add_argument(f"--{name}", type=parse_size, default=default, help=f"{what} ({default})")
    top.add_argument(
        "--rate", type=parse_rate, default="100Mbit", help="of each engine's link (100Mbit)"
    )
    top.add_argument("--runs", type=int, default=5, help="of the pipeline (5, at least 2)")
    top.add_argument("--work", type=parse_duration, default="5s", help="of each container (5s)")
    top.add_argument("--kinds", default="docker20", help="of engine, by commas (docker20)")
    top.add_argument("--builders", default="classic,buildkit", help=f"of {','.join(BUILDERS)}")
    top.add_argument(
        "--write",
        action="store_true",
        help="the document, the plot and the JSON; what is not measured now stays in them",
    )
    return top


def main() -> None:
    """Measure every setting, all at the same time, and tell."""
    options = parser().parse_args()
    sizes = Sizes(
        options.python, options.node, options.ml, options.rate, options.runs,
        options.packages, options.work,
    )  # fmt: skip
    wanted = [
        (kind, builder)
        for kind in options.kinds.split(",")
        for builder in options.builders.split(",")
    ]
    with filled_registry(sizes) as filled, ThreadPoolExecutor(len(wanted)) as pool:
        settings = list(pool.map(lambda each: measure(*filled, each[0], each[1], sizes), wanted))
    for setting in settings:
        print(f"\n{setting.title}\n\n{table(setting)}\n\n{ratios(setting)}")
    if options.write:
        measured = {(setting.kind, setting.builder) for setting in settings}
        earlier = read_json(RESULTS) if RESULTS.exists() else []
        settings = [each for each in earlier if each[:2] not in measured] + settings
        write_json(settings, sizes, RESULTS)
        PLOT.write_text(svg(settings))
        DOCUMENT.write_text(document(settings, sizes, PLOT.name))


if __name__ == "__main__":
    main()
