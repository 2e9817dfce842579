"""``holystone refresh``: pull newer versions of important tags."""

from __future__ import annotations

import argparse
import os

from holystone.cli import exit_codes
from holystone.cli.options import (
    Parser,
    add_config,
    add_engine,
    add_output,
    configuration,
    value_of,
)
from holystone.cli.session import opened, warn
from holystone.cli.show import show
from holystone.cli.streams import stderr
from holystone.config.load import HERE, MEND_HERE
from holystone.operations.refresh import Refresh, minute_of_the_day, refresh
from holystone.planner.units import Window, parse_window
from holystone.present.progress import PullProgress
from holystone.present.report import refresh as report

_MOST_AT_A_TIME = 16


def _parallel(text: str) -> int:
    if not (text.isdecimal() and text.isascii() and 1 <= int(text[:9]) <= _MOST_AT_A_TIME):
        raise ValueError(f"{text!r} is no number of pulls; from 1 to {_MOST_AT_A_TIME} makes sense")
    return int(text)


def parser() -> argparse.ArgumentParser:
    """The options of ``refresh``."""
    made = Parser(
        prog="holystone refresh",
        description="Ask the registries which images the protected and the recently used tags mean "
        "now, and pull newer ones. The old image of a tag stays until a clean removes it.",
        examples=[
            ("holystone refresh --dry-run", "which tags are newer; pulls nothing"),
            ("holystone refresh 'python:*-slim'", "only these tags"),
        ],
    )
    made.add_argument(
        "references",
        nargs="*",
        metavar="REFERENCE",
        help="only these: a tag, a repository, or a pattern of them such as 'python:*-slim'; an "
        "image that was built here is then replaced too",
    )
    made.add_argument(
        "-n", "--dry-run", action="store_true", help="ask the registries, but pull nothing"
    )
    made.add_argument(
        "--missing",
        action="store_true",
        help="also pull images that are not here: the references given, or those in [protect]",
    )
    made.add_argument(
        "--parallel",
        metavar="N",
        type=value_of(_parallel),
        default=2,
        help="how many images to pull at a time (default 2)",
    )
    made.add_argument(
        "--window",
        metavar="FROM-TO",
        type=value_of(parse_window),
        help="pull only in this part of the day, local time: 22:00-06:00; else do nothing",
    )
    group = made.add_argument_group("policy")
    add_config(group)
    add_engine(made)
    add_output(made)
    return made


def run(options: argparse.Namespace) -> int:
    """Refresh, and tell. Raises EngineError, OperationError, Failure."""
    # What a checkout says is protection. What is pulled, and from where, is for the host's owner.
    found = configuration(options, here=False)
    if not any(place.named_by for place in found.places) and os.path.lexists(HERE):
        warn(f"{HERE} was found in the current folder: it does not say what is pulled; {MEND_HERE}")
    policy = found.policy("routine")
    window: Window | None = options.window or policy.refresh.window
    if window is not None and not options.dry_run and not window.holds(minute_of_the_day()):
        done = Refresh(None, window=str(window), outside=True)
    else:
        with opened(options) as session:
            done = refresh(
                session,
                policy,
                options.references,
                missing=options.missing,
                dry_run=options.dry_run,
                parallel=options.parallel,
                window=window,
                watch=lambda pulls: PullProgress(pulls, stderr(options)),
            )
    show(options, lambda: report.document(done), lambda look: report.render(done, look))
    if done.interrupted:
        return exit_codes.INTERRUPTED
    return exit_codes.STEPS_FAILED if done.failed else exit_codes.DONE
