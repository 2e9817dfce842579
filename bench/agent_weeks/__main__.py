"""``make bench-agent-weeks``: ten weeks of the shared traces against the agent's own jobs."""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

from bench.agent_weeks.report import as_json, picture, table
from bench.agent_weeks.simulation import Weeks, part, simulate
from bench.replay.report import rewritten, write
from holystone.agent.logs import set_up
from holystone.replay.trace import read

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "traces"
DOCUMENT = ROOT / "docs" / "explanation" / "eviction.md"
PICTURE = DOCUMENT.with_name("agent-weeks.svg")
RESULTS = ROOT / "bench" / "results" / "agent-weeks.json"
MARK = "agent weeks table"
GB = 10**9
WEEKS, SINCE = 10, 40
"""The part of a trace that has the most uses: 6,824 of 33,986."""
BUDGETS = {"hub": (5, 10), "dotnet": (20, 40)}
"""GB at the high mark: the budgets that are tight for these traces."""


def main() -> None:
    """Simulate the shared traces, or one of them."""
    parser = argparse.ArgumentParser(prog="python -m bench.agent_weeks", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"which of {', '.join(BUDGETS)} (default: all)")
    parser.add_argument(
        "--write", action="store_true", help="the table into the document, picture and JSON"
    )
    options = parser.parse_args()
    if unknown := set(options.names) - set(BUDGETS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    if options.write and options.names:
        parser.error("--write takes all traces")
    told: dict[str, Weeks] = {}
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        set_up(stream=nowhere)
        for name in options.names or BUDGETS:
            path = SHARED / f"{name}.jsonl.gz"
            if not path.exists():
                parser.error(f"there is no trace {path}")
            trace = part(read(str(path)), WEEKS, SINCE)
            for budget in BUDGETS[name]:
                weeks = simulate(trace, budget * GB)
                told[f"{name}, {budget} GB"] = weeks
                print(f"{name}, {budget} GB: {weeks.ratio:.4f}, {weeks.seconds:.0f} s", flush=True)
    print(f"\n{table(told)}")
    if options.write:
        write(RESULTS, as_json(told))
        write(PICTURE, picture(told))
        date = time.strftime("%Y-%m-%d", time.gmtime())
        block = (
            f"Made by `make bench-agent-weeks` on {date}.\n\n{table(told)}\n\n"
            f"![Used bytes over ten weeks, with the marks]({PICTURE.name})"
        )
        text = DOCUMENT.read_text(encoding="utf-8")
        write(DOCUMENT, rewritten(text, block, MARK))


if __name__ == "__main__":
    main()
