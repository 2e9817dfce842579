"""``holystone report``: where the disk went, and what a clean would do, as one HTML file."""

from __future__ import annotations

import argparse
from dataclasses import replace

from holystone.cli import exit_codes
from holystone.cli.options import (
    Parser,
    add_config,
    add_engine,
    add_limits,
    add_output,
    add_registry,
    configuration,
    path,
    wishes_of,
)
from holystone.cli.own_past import measured_bandwidth, own_trace, room_for_images
from holystone.cli.page_file import STDOUT, check_page, write_page
from holystone.cli.session import Failure, answer, opened, warn
from holystone.cli.streams import stdout
from holystone.operations.connect import Session
from holystone.operations.report import HostReport, gather
from holystone.outside.text import safe
from holystone.planner.policy import LEVELS
from holystone.planner.units import format_size
from holystone.present import document
from holystone.present.figures import stored_bytes
from holystone.present.html.page import Past, page
from holystone.replay.past import pulls_of, saved_by
from holystone.replay.trace import TraceError
from holystone.store import StoreError, use_log

FILE = "holystone-report.html"


def parser() -> argparse.ArgumentParser:
    """The options of ``report``."""
    made = Parser(
        prog="holystone report",
        description="Write one HTML file that shows where the disk went: a map of all objects, the "
        "history of the disk, what past runs freed, and what a clean would remove. The file needs "
        "no network and no JavaScript.",
        examples=[
            ("holystone report", f"write {FILE}"),
            ("holystone report -", "write the page to standard output"),
            ("holystone report --host demo:", "the same for the built-in demo host"),
        ],
    )
    made.add_argument(
        "file",
        nargs="?",
        metavar="FILE",
        type=path,
        default=FILE,
        help=f"the file to write (default: {FILE}); - is standard output",
    )
    group = made.add_argument_group("policy")
    add_config(group)
    add_limits(group)
    add_registry(group)
    add_engine(made)
    add_output(made)
    return made


def run(options: argparse.Namespace) -> int:
    """Observe, make the plans, write the file. Raises EngineError, Failure."""
    if options.json and options.file == STDOUT:
        raise Failure("--json describes the file: name one", exit_codes.USAGE)
    check_page(options.file, "report")
    found, wishes = configuration(options), wishes_of(options)
    policies = {level: replace(wishes, level=level).policy(found) for level in LEVELS}
    with opened(options, past=True) as session:
        report = gather(session, policies)
        text = page(report, _past(session, report))
    write_page(options.file, text, "report")
    if options.file != STDOUT:
        _say(options, report, len(text.encode()))
    return exit_codes.DONE


def _past(session: Session, report: HostReport) -> Past:
    """The recorded uses of this host. Where the ledger fails: none, with a warning."""
    inventory, ledger = report.inventory, session.ledger
    if session.is_demo:
        # The past of the demo host is built in, and comes into a ledger when it is asked for.
        session.host.keep_uses(inventory)
    key = inventory.engine.key
    try:
        pulls = ledger.read(lambda base: pulls_of(use_log.uses(base, key)), pulls_of(()))
        trace = own_trace(ledger, key)
    except (StoreError, TraceError) as error:
        warn(f"the report has no past: {error}")
        return Past()
    if trace is None:
        return Past(pulls)
    span = trace.use_times[-1] - trace.use_times[0]
    room = room_for_images(inventory, max(trace.image_bytes(), default=0))
    budget = room.most if room is not None else stored_bytes(inventory.images) or 0
    speeds = session.host.usage().speeds
    bandwidth = measured_bandwidth(speeds)
    saved = saved_by(trace, max(1, budget), bandwidth)
    return Past(pulls, saved, bandwidth, bool(speeds), span)


def _say(options: argparse.Namespace, report: HostReport, size: int) -> None:
    output = stdout(options)
    if options.json:
        told = document.report(report.inventory, report.plans, options.file, size)
        answer(output, document.dump(told, indent=output.interactive))
    else:
        answer(output, f"Wrote {safe(options.file)} ({format_size(size)}).")
