"""``holystone lease``: reserve images for a job."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence

from holystone.cli import exit_codes
from holystone.cli.ledger import is_demo, remembered
from holystone.cli.listing import Listing, add_listing, asks, refuse_listing
from holystone.cli.options import Parser, add_engine, add_output, value_of
from holystone.cli.session import Failure, opened, warn
from holystone.cli.show import show
from holystone.cli.streams import stdout
from holystone.operations import lease
from holystone.planner.glob import has_marks
from holystone.planner.units import parse_duration
from holystone.planner.usage import Lease
from holystone.present.lists.leases import TABLE, Row
from holystone.present.report import lease as report
from holystone.store.leases import LONGEST
from holystone.store.lock import ci_job
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
        description="Reserve images for a job: until the lease ends, no clean removes them, "
        "at any level. `lease release IMAGE...` ends leases early, `lease list` "
        "shows them. (Write an image called list or release with its tag.)",
        examples=[
            (
                "holystone lease python:3.12-slim --for 2h",
                "no clean removes this image in the next two hours",
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
        "means the tags on this host; with release, the leases. release without an image: all "
        "leases of the job",
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
    made.add_argument("--all", action="store_true", help="release: the leases of all jobs")
    add_listing(made, "leases", what="list", whole="cut no name")
    add_engine(made)
    add_output(made)
    return made


def run(options: argparse.Namespace) -> int:
    """Give, end or list leases. Raises EngineError, OperationError, StoreError, Failure."""
    word, *rest = options.images or [""]
    action = word if word in (RELEASE, LIST) else ""
    images: list[str] = rest if action else options.images
    _check(action, images, options)
    if not action and any(map(has_marks, images)):
        with opened(options) as session:
            images = lease.tags_meant(session.host.observe(), images)
    elif not is_demo(options) and (given := _engine_options(options)):
        message = f"{given}: a lease holds on every engine that has this state folder; leave it out"
        raise Failure(message, exit_codes.USAGE)
    with remembered(options) as (store, host):
        _show(action, _carry_out(store, action, images, options), options)
    if host is not None and not action and not (options.state or os.environ.get("HOLYSTONE_STATE")):
        warn("nothing keeps this lease: the demo host remembers it only with --state FOLDER")
    return exit_codes.DONE


def _carry_out(
    store: Store, action: str, images: Sequence[str], options: argparse.Namespace
) -> Sequence[Lease]:
    job = ci_job(os.environ) if options.job is None else options.job
    if action == LIST:
        return store.leases.list(time.time())
    if action == RELEASE:
        if not (images or job or options.all):
            raise Failure(
                "say which leases end: name images, give --job ID, or --all for every lease there "
                "is",
                exit_codes.USAGE,
            )
        done = lease.release(store, images, job=None if options.all else job)
    else:
        done = lease.give(store, images, seconds=options.duration, job=job)
    for note in done.notes:
        warn(note)
    return done.leases


def _engine_options(options: argparse.Namespace) -> str:
    """The options that say which engine, as far as they were given."""
    names = ("host", "context", "timeout")
    usual = parser().get_default
    return " and ".join(f"--{name}" for name in names if getattr(options, name) != usual(name))


def _duration(text: str) -> float:
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


def _show(action: str, leases: Sequence[Lease], options: argparse.Namespace) -> None:
    now, whole = time.time(), False
    if asks(options):
        listing = Listing(options, TABLE)
        rows = listing.choose([Row(each, now) for each in leases])
        if listing.formats:
            listing.write(stdout(options), rows, lambda row: row.lease.reference)
            return
        leases, whole = [row.lease for row in rows], listing.whole
    texts = {
        LIST: lambda look: report.table(leases, now, look._replace(elide=look.elide and not whole)),
        RELEASE: lambda look: report.released(leases, look),
        "": lambda look: report.given(leases, now, look),
    }
    show(options, lambda: report.document(leases, released=action == RELEASE), texts[action])
