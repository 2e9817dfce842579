"""``make bench-replay``: replay recorded traces under every order; tables, JSON and pictures."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from bench.replay.alone import measure
from bench.replay.example import example, with_example
from bench.replay.report import BASELINE, Told, as_json, rewritten, table, write
from holystone.present.replay_picture import picture
from holystone.replay.bound import Bound
from holystone.replay.budgets import between, flattening, sweep, usual
from holystone.replay.orders import KEPT, ORDERS
from holystone.replay.result import facts_of
from holystone.replay.running import Replays, cores, jobs_of
from holystone.replay.trace import read

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "traces"
DOCUMENT = ROOT / "docs" / "explanation" / "eviction.md"
MARK = "replay table"
EXAMPLE = ROOT / "docs" / "explanation" / "replay.md"
EXAMPLE_TRACE = SHARED / "hub.jsonl.gz"
RESULTS = ROOT / "bench" / "results" / "replay.json"
GB = 10**9
TIGHT = {"hub": (5, 10, 20), "dotnet": (20, 40, 80)}
"""GB, of the traces whose tight budgets are known; of others the usual ones are taken."""
COMPARED = 24
"""Budgets, from a tenth of the working set to all layers, at which orders are compared with lru."""


def main() -> None:
    """Replay the traces that were named, or the shared ones."""
    parser = argparse.ArgumentParser(prog="python -m bench.replay", description=__doc__)
    parser.add_argument("traces", nargs="*", help="files of recorded use (../shared/traces/*.gz)")
    parser.add_argument(
        "--write", action="store_true", help="the table into the document, pictures and JSON"
    )
    options = parser.parse_args()
    paths = options.traces or sorted(map(str, SHARED.glob("*.jsonl.gz")), reverse=True)
    if not paths:
        parser.error(f"there is no trace in {SHARED}; name one")
    told = []
    pictures = {}
    for path in paths:
        one, drawn = _replayed(path)
        told.append(one)
        pictures[one.facts.name] = drawn
        print(f"\n{table(one)}", flush=True)
    if not options.write:
        return
    write(RESULTS, as_json(told))
    block = [
        f"Made by `make bench-replay` on {time.strftime('%Y-%m-%d', time.gmtime())}.",
        *map(table, told),
    ]
    for name, drawn in pictures.items():
        write(DOCUMENT.with_name(f"replay-{name}.svg"), drawn)
        block.append(f"![Bytes pulled against budget, {name}](replay-{name}.svg)")
    text = DOCUMENT.read_text(encoding="utf-8")
    write(DOCUMENT, rewritten(text, "\n\n".join(block), MARK))
    if EXAMPLE_TRACE.exists():
        text = EXAMPLE.read_text(encoding="utf-8")
        write(EXAMPLE, with_example(text, example(EXAMPLE_TRACE)))


def _replayed(path: str) -> tuple[Told, str]:
    """What a trace came to, and its picture."""
    trace = read(path)
    name = Path(path).name.partition(".")[0]
    facts = facts_of(trace)._replace(name=name)
    budgets = [size * GB for size in TIGHT.get(name, ())] or usual(facts)
    orders = list(ORDERS)
    bound = Bound(trace)
    with Replays(trace, cores()) as replays:
        flattens = flattening(facts, orders, replays.run)
        drawn = picture(name, replays, orders, sorted({*sweep(facts), *budgets}), flattens)
        compared = between(facts.working_set_bytes // 10, facts.layers_bytes, COMPARED)
        worst = _worst(replays, compared)
    measured = {job: measure(path, job) for job in jobs_of(orders, budgets)}
    bounds = {budget: bound.pulled_bytes(budget) for budget in budgets}
    return Told(facts, budgets, measured, bounds, worst, flattens), drawn


def _worst(replays: Replays, budgets: Sequence[int]) -> dict[str, tuple[int, float]]:
    """Of each order that keeps a budget: where it compares worst with lru, and how.

    Bytes pulled and stalls are held against those of lru each; the worse one counts.
    """
    lru = replays.run(jobs_of([BASELINE], budgets))
    worst = {}
    for order, kind in ORDERS.items():
        if kind.budget != KEPT or order == BASELINE:
            continue
        results = replays.run(jobs_of([order], budgets))
        ratios = [
            max(result.pulled_bytes / base.pulled_bytes, result.stalls / base.stalls)
            for result, base in zip(results, lru, strict=True)
        ]
        at = max(range(len(ratios)), key=ratios.__getitem__)
        worst[order] = (budgets[at], ratios[at])
    return worst


if __name__ == "__main__":
    main()
