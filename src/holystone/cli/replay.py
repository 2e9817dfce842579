"""``holystone replay``: simulate eviction policies on recorded usage."""

from __future__ import annotations

import argparse
from difflib import get_close_matches
from typing import NamedTuple

from holystone.cli import exit_codes
from holystone.cli.options import Parser, add_output, path, value_of
from holystone.cli.session import Failure
from holystone.cli.show import show
from holystone.cli.streams import stderr
from holystone.outside.text import safe, words_of
from holystone.outside.writing import write
from holystone.planner.units import parse_rate, parse_size
from holystone.present.progress import ReplayProgress
from holystone.present.replay_picture import picture as picture_of
from holystone.present.report import replay as report
from holystone.present.report.replay import BASELINE, Replay
from holystone.replay.bound import Bound
from holystone.replay.budgets import SHARES, flattening, rounds, sweep, usual
from holystone.replay.orders import DEFAULT, ORDERS, UNKNOWN
from holystone.replay.result import facts_of
from holystone.replay.running import ReplayFailed, Replays, cores, jobs_of
from holystone.replay.trace import TraceError, read

_MOST_WORKERS = 256


class _Budget(NamedTuple):
    """How much disk the images may take: bytes, or a share (0 to 1) of all layers."""

    size: int = 0
    share: float = 0.0

    def of(self, layers: int) -> int:
        """Bytes, where all layers have so many."""
        return self.size or max(1, int(layers * self.share))


def parser() -> argparse.ArgumentParser:
    """The options of ``replay``."""
    made = Parser(
        prog="holystone replay",
        description="Replay the recorded use of a host on a simulated one: how many bytes would "
        "have been pulled, and how many jobs would have waited, with other disk budgets and "
        "eviction policies.",
        examples=[
            (
                "holystone replay uses.jsonl.gz --budget 20GB,40GB",
                "what other disk budgets would have cost",
            ),
        ],
    )
    made.add_argument(
        "trace",
        metavar="TRACE",
        type=path,
        help="a file of recorded use, plain or .gz; - is standard input",
    )
    made.add_argument(
        "--budget",
        dest="budgets",
        metavar="SIZES",
        type=value_of(_budgets),
        help="how much disk the images may take, like 5GB,10GB or 25%% of all layers (default: a "
        "quarter, a half and all of the working set)",
    )
    made.add_argument(
        "--order",
        dest="orders",
        metavar="ORDERS",
        type=value_of(_orders),
        default=list(DEFAULT),
        help=f"eviction policies, separated by commas, or all: {', '.join(ORDERS)} (default: "
        f"{','.join(DEFAULT)})",
    )
    made.add_argument(
        "--bandwidth",
        metavar="RATE",
        type=value_of(parse_rate),
        default="100Mbit/s",
        help="how fast images come, like 12MB/s (default 100Mbit/s)",
    )
    made.add_argument(
        "--plot",
        metavar="FILE",
        type=path,
        help="write an SVG picture: bytes pulled against budget, a line for each order",
    )
    made.add_argument(
        "--parallel",
        metavar="N",
        type=value_of(_workers),
        help="how many replays at a time (default: one for each core)",
    )
    add_output(made)
    return made


def run(options: argparse.Namespace) -> int:
    """Read the trace, replay it, tell. Raises Failure."""
    try:
        trace = read(options.trace)
        # At a time there are no more than these, but for a picture.
        useful = len(options.orders) * len(options.budgets or SHARES)
        workers = options.parallel or cores()
        workers = workers if options.plot is not None else min(workers, useful)
        with Replays(trace, workers) as replays:
            replay, picture = _replayed(replays, options)
    except (TraceError, ReplayFailed) as error:
        raise Failure(str(error)) from None
    show(options, lambda: report.document(replay), lambda look: report.render(replay, look))
    if options.plot is not None:
        try:
            write(options.plot, picture)
        except (OSError, ValueError) as error:
            said = words_of(error)
            raise Failure(f"cannot write the picture to {safe(options.plot)}: {said}") from None
    return exit_codes.DONE


def _replayed(replays: Replays, options: argparse.Namespace) -> tuple[Replay, str]:
    """The whole output, and the picture, empty if none was requested."""
    facts = facts_of(replays.trace)
    asked = options.budgets and [budget.of(facts.layers_bytes) for budget in options.budgets]
    budgets = list(dict.fromkeys(asked or usual(facts)))
    swept = sorted({*sweep(facts), *budgets}) if options.plot is not None else []
    # Where a program asks for certain budgets it gets these, and waits for nothing else.
    whole = options.plot is not None or not (asked and options.json)
    orders: list[str] = options.orders
    jobs = jobs_of(orders, budgets)
    baseline = [] if options.json else jobs_of([BASELINE], budgets)
    everything = {*jobs, *baseline, *jobs_of(orders, swept)}
    count = len(everything) + (rounds(facts, orders) if whole else 0)
    with ReplayProgress(count, facts.uses, replays.uses_done, stderr(options)):
        # A small budget takes longest: what runs last should not be what all wait for.
        replays.run(sorted(everything, key=lambda job: job.budget_bytes))
        flattens = flattening(facts, orders, replays.run) if whole else None
    bound = Bound(replays.trace)
    told = Replay(
        facts,
        replays.run(jobs),
        {result.budget_bytes: result.pulled_bytes for result in replays.run(baseline)},
        {budget: bound.pulled_bytes(budget) for budget in budgets},
        [name for name, kind in ORDERS.items() if kind.budget == UNKNOWN],
        flattens,
        options.bandwidth,
    )
    return told, picture_of(facts.name, replays, orders, swept, flattens or {}) if swept else ""


def _budgets(text: str) -> list[_Budget]:
    return [_budget(part.strip()) for part in text.split(",")]


def _budget(text: str) -> _Budget:
    if text.endswith("%"):
        try:
            share = float(text[:-1]) / 100
        except ValueError:
            share = 0.0
        if not 0 < share <= 1:
            raise ValueError(f"{text!r} is not a share of all layers; write it like 25%")
        return _Budget(share=share)
    size = parse_size(text)
    if not size or text[-1].isdigit():
        raise ValueError(f"{text!r} is not a budget; write it like 500MB, 40GB or 25%")
    return _Budget(size)


def _orders(text: str) -> list[str]:
    if text.strip() == "all":
        return list(ORDERS)
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in ORDERS:
            near = get_close_matches(name, ORDERS, 1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(ORDERS)}"
            raise ValueError(f"there is no order {name!r}; {hint}")
    return list(dict.fromkeys(names))


def _workers(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) <= _MOST_WORKERS:
        raise ValueError(f"{text!r} is not a number from 1 to {_MOST_WORKERS}")
    return int(text)
