"""``holystone advise``: the budget and watermarks that this host's own use recommends."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from holystone.cli import exit_codes
from holystone.cli.options import Parser, add_engine, add_output, path, value_of
from holystone.cli.own_past import measured_bandwidth, own_trace, room_for_images
from holystone.cli.session import Failure, answer, opened
from holystone.cli.streams import stderr, stdout
from holystone.planner.units import parse_rate
from holystone.present import document
from holystone.present.progress import ReplayProgress
from holystone.present.report import replay as report
from holystone.replay.advice import OURS, advise
from holystone.replay.budgets import rounds
from holystone.replay.result import Advice, Watermarks, facts_of
from holystone.replay.running import ReplayFailed, Replays
from holystone.replay.trace import Trace, TraceError, read
from holystone.store import StoreError
from holystone.store.store import Store


def parser() -> argparse.ArgumentParser:
    """The options of ``advise``."""
    made = Parser(
        prog="holystone advise",
        description="Simulate this host's recorded usage. Recommend how much disk its images "
        "should have and which watermarks keep them to it, and show what that "
        "would have cost and saved in the last week. With a trace: the same for "
        "the host it was recorded on, without watermarks.",
        examples=[
            ("holystone advise", "the budget and watermarks for this host"),
            ("holystone advise uses.jsonl.gz", "the same of a recorded trace"),
        ],
    )
    made.add_argument(
        "trace",
        metavar="TRACE",
        type=path,
        nargs="?",
        help="a file of recorded use, plain or .gz, in place of this host's own; - is standard "
        "input",
    )
    made.add_argument(
        "--bandwidth",
        metavar="RATE",
        type=value_of(parse_rate),
        help="how fast images come, like 12MB/s (default: as measured by refresh, else 100Mbit/s)",
    )
    add_engine(made)
    add_output(made)
    return made


def run(options: argparse.Namespace) -> int:
    """Read the past, replay it, tell. Raises EngineError, Failure."""
    if options.trace is not None:
        try:
            trace = read(options.trace)
        except TraceError as error:
            raise Failure(str(error)) from None
        _tell(_advised(trace, None, options), None, "", _bandwidth({}, options), options)
        return exit_codes.DONE
    with opened(options) as session:
        inventory = session.host.weigh(session.host.observe())
        if session.is_demo:
            # The past of the demo host is built in, and comes into a ledger when it is asked for.
            session.host.keep_uses(inventory)
        speeds = session.host.usage().speeds
        trace = _own_trace(session.ledger, inventory.engine.key)
    room = room_for_images(inventory, max(trace.image_bytes(), default=0))
    advice = _advised(trace, None if room is None else room.most, options)
    marks = None if room is None else room.watermarks(advice.budget_bytes)
    _tell(advice, marks, inventory.engine.name, _bandwidth(speeds, options), options)
    return exit_codes.DONE


def _own_trace(ledger: Store, key: str) -> Trace:
    """What is remembered of this host's uses. Raises Failure."""
    try:
        trace = own_trace(ledger, key)
    except (StoreError, TraceError) as error:
        raise Failure(str(error)) from None
    if trace is None:
        known = "no use of this host is known yet: holystone observe remembers it"
        raise Failure(f"{known}, and so does every clean")
    return trace


def _advised(trace: Trace, most: int | None, options: argparse.Namespace) -> Advice:
    """The advice, with progress on a terminal. Raises Failure."""
    facts = facts_of(trace)
    errors = stderr(options)
    try:
        with Replays(trace, 1) as replays:
            count = rounds(facts, [OURS])
            with ReplayProgress(count, facts.uses, replays.uses_done, errors):
                return advise(replays, most)
    except ReplayFailed as error:
        raise Failure(str(error)) from None


def _bandwidth(speeds: Mapping[str, float], options: argparse.Namespace) -> int:
    """Bytes a second: as asked, else as measured."""
    return measured_bandwidth(speeds) if options.bandwidth is None else int(options.bandwidth)


def _tell(
    advice: Advice,
    marks: Watermarks | None,
    host: str,
    bandwidth: int,
    options: argparse.Namespace,
) -> None:
    output = stdout(options)
    if options.json:
        told = report.document_of_advice(advice, marks, bandwidth)
        answer(output, document.dump(told, indent=output.interactive))
    else:
        answer(output, report.advised(advice, marks, host, bandwidth, output.look))
