"""``holystone lease``: say which images a job will need, so that no clean takes them meanwhile."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING

from holystone.cli import exit_codes, lease_names
from holystone.cli.listing import Listing, add_listing, asks, refuse_listing
from holystone.cli.options import Parser, add_engine, add_output, value_of
from holystone.cli.session import Failure, answer, open_ledger, warn
from holystone.planner.glob import has_marks
from holystone.planner.units import parse_duration
from holystone.present import terminal

if TYPE_CHECKING:
    from holystone.planner.usage import Lease
    from holystone.store.leases import Leases
    from holystone.store.store import Store

RELEASE = "release"
LIST = "list"
"""First words that are no image; an image of this name is written with its tag."""
_ACTIONS_ELSEWHERE = {
    **dict.fromkeys(("ls", "ps", "show"), LIST),
    **dict.fromkeys(("rm", "remove", "delete", "del", "end", "unlock", "drop"), RELEASE),
}
"""What other programs call these."""


def parser() -> argparse.ArgumentParser:
    """The options of ``lease``."""
    made = Parser(
        prog="holystone lease",
        description="Keep images for a job that will need them: until the lease ends no clean "
        "takes them, at any level. `lease release IMAGE...` ends leases before their time, "
        "`lease list` shows them. (An image called list or release is written with its tag.)",
        examples=[
            (
                "holystone lease python:3.12-slim --for 2h",
                "no clean takes this image in the next two hours",
            ),
            ("holystone lease list", "every lease"),
            ("holystone lease list --sort job --filter 'left<1h'", "those that end within an hour"),
            ("holystone lease release --job 4711", "end the leases of a job"),
        ],
    )
    made.add_argument(
        "images",
        nargs="*",
        metavar="IMAGE",
        help="a reference or an image ID; the image need not be here yet. A pattern like 'team/*' "
        "means the tags on this host, of release the leases. release without any: all leases of "
        "the job",
    )
    made.add_argument(
        "--for",
        dest="duration",
        metavar="TIME",
        type=value_of(_duration),
        help="how long from now on: 90s, 2h, at most 30d",
    )
    made.add_argument(
        "--job",
        metavar="ID",
        help="whose leases (default: that of the CI job: CI_JOB_ID, GITHUB_RUN_ID, BUILD_TAG)",
    )
    made.add_argument("--all", action="store_true", help="release: whosever leases they are")
    add_listing(made, "leases", what="list", whole="cut no name")
    add_engine(made)
    add_output(made)
    return made


def run(options: argparse.Namespace) -> int:
    """Give, end or show leases. Raises Failure."""
    word, *rest = options.images or [""]
    asked = word in (RELEASE, LIST)
    images: list[str] = rest if asked else options.images
    _check(word if asked else "", images, options)
    is_demo = _is_demo(options)
    if not asked and any(map(has_marks, images)):
        images = lease_names.expanded(images, options)
    elif not is_demo and (given := _engine_options(options)):
        message = f"{given}: a lease holds on every engine that has this state folder; leave it out"
        raise Failure(message, exit_codes.USAGE)
    if not is_demo:
        with closing(open_ledger(options)) as ledger:
            return _carry_out(ledger, word, images, options)
    from holystone.cli import demo

    with demo.opened(options) as (_, ledger):
        code = _carry_out(ledger, word, images, options)
    if not asked and demo.folder_of(options) is None:
        warn("nothing keeps this lease: the demo host remembers it only with --state FOLDER")
    return code


def _carry_out(ledger: Store, word: str, images: Sequence[str], options: argparse.Namespace) -> int:
    from holystone.planner.reference import InvalidReference
    from holystone.store.folder import StoreError
    from holystone.store.lock import ci_job

    job = ci_job(os.environ) if options.job is None else options.job
    now = time.time()
    try:
        if word == LIST:
            leases = ledger.leases.list(now)
        elif word == RELEASE:
            leases = _release(ledger.leases, images, job, now, everyone=options.all)
        else:
            leases = ledger.leases.add(images, until=now + options.duration, job=job, now=now)
            for note in lease_names.unlike_known(ledger, images):
                warn(note)
    except InvalidReference as fault:
        raise Failure(str(fault), exit_codes.USAGE) from None
    except StoreError as error:
        raise Failure(str(error)) from None
    _show(word, leases, now, options)
    return exit_codes.DONE


def _engine_options(options: argparse.Namespace) -> str:
    """The options that say which engine, as far as they were given."""
    usual = parser().get_default("timeout")
    given = {
        "--host": options.host is not None,
        "--context": options.context is not None,
        "--timeout": options.timeout != usual,
    }
    return " and ".join(name for name, is_given in given.items() if is_given)


def _is_demo(options: argparse.Namespace) -> bool:
    """Whether the demo host is meant. Raises EngineError."""
    if options.host is None:
        return False
    from holystone.engine.transport.endpoint import resolve

    return resolve(options.host, None, os.environ).scheme == "demo"


def _duration(text: str) -> float:
    from holystone.store.leases import LONGEST

    seconds = parse_duration(text)
    if not 0 < seconds <= LONGEST:
        raise ValueError(f"{text!r}: a lease lasts from 1s to 30d")
    return seconds


def _check(action: str, images: Sequence[str], options: argparse.Namespace) -> None:
    """Refuse what makes no sense together. Raises Failure."""
    wrong = ""
    if action == LIST and (images or options.duration or options.job is not None):
        wrong = "lease list takes no image, no --for and no --job: it lists every lease"
    elif options.all and action != RELEASE:
        wrong = "--all goes with lease release"
    elif action == RELEASE and options.duration:
        wrong = "--for makes no sense with lease release: it ends leases now"
    elif action == RELEASE and options.all and options.job is not None:
        wrong = "--all and --job: give only one of them"
    elif not action and not images:
        wrong = "name an image: holystone lease IMAGE... --for TIME"
    elif not action and not options.duration:
        wrong = "say for how long: --for 2h"
        if meant := _ACTIONS_ELSEWHERE.get(images[0]):
            wrong = (
                f"did you mean holystone lease {meant}? To lease an image called {images[0]}, "
                "say for how long: --for 2h"
            )
    if wrong:
        raise Failure(f"{wrong}. See holystone lease --help.", exit_codes.USAGE)
    if action != LIST:
        refuse_listing(options, "these are for lease list")


def _release(
    leases: Leases, images: Sequence[str], job: str, now: float, *, everyone: bool
) -> Sequence[Lease]:
    if not images and not job and not everyone:
        raise Failure(
            "say which leases end: name images, give --job ID, or --all for every lease there is",
            exit_codes.USAGE,
        )
    every = leases.list(now)
    meant = lease_names.leased(every, images)
    ended = leases.release(meant, job=None if everyone else job, now=now)
    if not ended and (near := lease_names.near(every, images)):
        warn(f"nothing was released.{near}")
    return ended


def _show(word: str, leases: Sequence[Lease], now: float, options: argparse.Namespace) -> None:
    from holystone.present.report import lease as report

    output = terminal.open_output(sys.stdout, os.environ, color=options.color)
    look = output.look
    if asks(options):
        from holystone.present.lists.leases import TABLE, Row

        listing = Listing(options, TABLE)
        rows = listing.choose([Row(lease, now) for lease in leases])
        if listing.formats:
            listing.write(output, rows, lambda row: row.lease.reference)
            return
        leases, look = [row.lease for row in rows], listing.look(look)
    if options.json:
        from holystone.present import document

        told = report.document(leases, released=word == RELEASE)
        answer(output, document.dump(told, indent=output.interactive))
    elif word == LIST:
        answer(output, report.table(leases, now, look))
    elif word == RELEASE:
        answer(output, report.released(leases, output.look))
    else:
        answer(output, report.given(leases, now, output.look))
