"""``holystone refresh``: pull what the registries have anew under the tags that matter here."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, cast

from holystone.cli import exit_codes
from holystone.cli.options import (
    Parser,
    add_config,
    add_engine,
    add_output,
    configuration,
    value_of,
)
from holystone.cli.session import Failure, answer, opened, warn
from holystone.config.load import HERE, MEND_HERE
from holystone.operations.connect import Session
from holystone.operations.survey import look
from holystone.planner.units import Window, clock, parse_window
from holystone.present import terminal

if TYPE_CHECKING:
    from holystone.demo.host import DemoHost
    from holystone.operations.live_host import LiveHost
    from holystone.operations.reach import Reach
    from holystone.operations.refresh import Refreshed, Standing
    from holystone.planner.inventory import Engine
    from holystone.planner.policy import Policy
    from holystone.store.pull_speeds import Speed
    from holystone.store.store import Store

_MOST_AT_A_TIME = 16


def _parallel(text: str) -> int:
    if not (text.isdecimal() and text.isascii() and 1 <= int(text[:9]) <= _MOST_AT_A_TIME):
        raise ValueError(f"{text!r} is no number of pulls; from 1 to {_MOST_AT_A_TIME} makes sense")
    return int(text)


def parser() -> argparse.ArgumentParser:
    """The options of ``refresh``."""
    made = Parser(
        prog="holystone refresh",
        description="Ask the registries what the protected and the recently used tags mean now, "
        "and pull what is newer. The image a tag meant before stays until a clean takes it.",
        examples=[
            ("holystone refresh --dry-run", "what is newer; pulls nothing"),
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
        help="pull also what is not here: the references given, or those that [protect] names",
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
    """Choose, ask, pull, tell. Raises EngineError, Failure."""
    # What a checkout says is protection. What is pulled, and from where, is for the host's owner.
    found = configuration(options, here=False)
    if not any(place.named_by for place in found.places) and os.path.lexists(HERE):
        warn(f"{HERE} was found in the current folder: it does not say what is pulled; {MEND_HERE}")
    policy = found.policy("routine")
    window: Window | None = options.window or policy.refresh.window
    if window is not None and not options.dry_run and not window.holds(_minute()):
        return _outside(window, options)
    with opened(options) as session:
        return _refresh(session, policy, window, options)


def _reach(session: Session) -> Reach:
    from holystone.operations.reach import DemoReach, LiveReach

    if session.is_demo:
        return DemoReach(cast("DemoHost", session.host))
    return LiveReach(cast("LiveHost", session.host).client)


def _minute() -> int:
    """The minute of the day, local time."""
    now = time.localtime()
    return now.tm_hour * 60 + now.tm_min


def _outside(window: Window, options: argparse.Namespace) -> int:
    from holystone.present.report import refresh as report

    output = terminal.open_output(sys.stdout, os.environ, color=options.color)
    if options.json:
        from holystone.present import document

        told = report.document(
            [],
            {},
            dry_run=False,
            seconds=0.0,
            window=str(window),
            outside=True,
        )
        answer(output, document.dump(told, indent=output.interactive))
    else:
        answer(output, report.outside(str(window), clock(_minute())))
    return exit_codes.DONE


def _refresh(
    session: Session,
    policy: Policy,
    window: Window | None,
    options: argparse.Namespace,
) -> int:
    from holystone.operations import refresh

    host, ledger = session.host, session.ledger
    reach = _reach(session)
    inventory = look(session, policy)
    try:
        wanted = refresh.choose(
            inventory, host.usage(), policy.protect, options.references, missing=options.missing
        )
    except refresh.RefreshError as error:
        raise Failure(str(error)) from None
    key = f"{inventory.engine.id}/{inventory.engine.store}"
    standings = refresh.stand(reach.ask, wanted, inventory.engine.store, missing=options.missing)
    done = None
    if not options.dry_run:
        wanted_now = [each.wanted.reference for each in standings if each.to_pull]
        with ledger.own_pulls(key, wanted_now, reach.now):
            done = _carry_out(standings, reach, window, options)
        for standing, outcome in zip(standings, done.outcomes, strict=True):
            if standing.wanted.image and outcome.result == refresh.PULLED:
                _succeed(session, standing.wanted.image.id, outcome.image_id)
        if not session.is_demo:
            _remember(ledger, key, standings, done)
    speeds = ledger.speeds.read(key) if ledger.exists() else {}
    _tell(inventory.engine, speeds, standings, done, window, options)
    return _code(standings, done)


def _succeed(session: Session, before: str, now: str) -> None:
    """Have the use of an image count for the one that took its place."""
    if not session.is_demo:
        cast("LiveHost", session.host).uses.succeed(before, now)


def _carry_out(
    standings: Sequence[Standing],
    reach: Reach,
    window: Window | None,
    options: argparse.Namespace,
) -> Refreshed:
    from holystone.operations.refresh import carry_out
    from holystone.present.progress import PullProgress

    pulls = {place for place, standing in enumerate(standings) if standing.to_pull}
    errors = terminal.open_output(sys.stderr, os.environ, color=options.color)
    with PullProgress(pulls, errors) as line:
        return carry_out(
            standings,
            reach.puller(),
            line,
            parallel=options.parallel,
            may_begin=lambda: window is None or window.holds(_minute()),
        )


def _remember(ledger: Store, key: str, standings: Sequence[Standing], done: Refreshed) -> None:
    """Write down how fast the pulls were."""
    from holystone.operations.refresh import PULLED
    from holystone.planner.reference import parse
    from holystone.store.pull_speeds import Pulled

    pulls = [
        Pulled(parse(standing.wanted.reference).domain, outcome.size, outcome.seconds)
        for standing, outcome in zip(standings, done.outcomes, strict=True)
        if outcome.result == PULLED and outcome.size is not None and outcome.seconds is not None
    ]
    ledger.speeds.add(key, pulls)


def _tell(
    engine: Engine,
    speeds: Mapping[str, Speed],
    standings: Sequence[Standing],
    done: Refreshed | None,
    window: Window | None,
    options: argparse.Namespace,
) -> None:
    from holystone.operations.refresh import Outcome
    from holystone.present.report import refresh as report

    output = terminal.open_output(sys.stdout, os.environ, color=options.color)
    entries = []
    for place, (wanted, state, detail) in enumerate(standings):
        before = wanted.image.id if wanted.image else ""
        outcome = done.outcomes[place] if done else Outcome(image_id=before)
        told = outcome if outcome.result else outcome._replace(detail=detail)
        entries.append(report.Entry(wanted.reference, wanted.why, state, before, *told))
    seconds = done.seconds if done else 0.0
    interrupted = done.interrupted if done else ""
    if options.json:
        from holystone.present import document

        made = report.document(
            entries,
            speeds,
            dry_run=options.dry_run,
            seconds=seconds,
            window=str(window or ""),
            interrupted=interrupted,
        )
        answer(output, document.dump(made, indent=output.interactive))
        return
    text = report.render(
        engine,
        entries,
        speeds,
        output.look,
        dry_run=options.dry_run,
        seconds=seconds,
        interrupted=interrupted,
    )
    answer(output, text)


def _code(standings: Sequence[Standing], done: Refreshed | None) -> int:
    """3 where a registry gave no answer, a pull failed, or what was wanted is nowhere."""
    from holystone.operations.refresh import FAILED

    if done is not None and done.interrupted:
        return exit_codes.INTERRUPTED
    failed = any(standing.failed for standing in standings)
    if done is not None:
        failed = failed or any(outcome.result == FAILED for outcome in done.outcomes)
    return exit_codes.STEPS_FAILED if failed else exit_codes.DONE
