"""``holystone verify``: find damaged images, and repair them from a registry."""

from __future__ import annotations

import argparse
import os

from holystone.cli import exit_codes
from holystone.cli.options import Parser, add_engine, add_output
from holystone.cli.session import Failure, opened
from holystone.cli.show import show
from holystone.cli.streams import agreed, can_ask, stderr
from holystone.operations.errors import LockHeld
from holystone.operations.verify import Verification, verify
from holystone.present.progress import VerifyProgress
from holystone.present.report import verify as report
from holystone.store.lock import ci_job


def parser() -> argparse.ArgumentParser:
    """The options of ``verify``."""
    made = Parser(
        prog="holystone verify",
        description="Export images from the engine and compare every layer and config with its "
        "digest. Nothing is changed without --repair.",
        examples=[
            ("holystone verify", "every image"),
            (
                "holystone verify python:3.12-slim --repair",
                "one image; if it is damaged, pull it again",
            ),
        ],
    )
    made.add_argument(
        "references",
        nargs="*",
        default=[],
        metavar="REFERENCE",
        help="only these: a tag, a repository, a pattern like 'team/*', the end of a name, a "
        "digest, or the start of an ID (default: all)",
    )
    made.add_argument(
        "--repair",
        action="store_true",
        help="remove a damaged image, never by force, and pull it again by digest, if its "
        "registry has all of it and no container uses it",
    )
    made.add_argument(
        "--with-cache",
        action="store_true",
        help="repair: also remove the build cache records that hold a damaged layer (default: "
        "ask on a terminal, else leave both)",
    )
    add_engine(made)
    add_output(made)
    return made


def run(options: argparse.Namespace) -> int:
    """Verify, repair where asked, tell. Raises EngineError, OperationError, Failure."""
    if options.with_cache and not options.repair:
        raise Failure("--with-cache: only a repair takes it; add --repair", exit_codes.USAGE)

    def may_take_cache(records: int, size: int) -> bool:
        if options.with_cache:
            return True
        return can_ask(options) and agreed(report.cache_question(records, size))

    try:
        with opened(options) as session:
            done = verify(
                session,
                options.references,
                repair=options.repair,
                may_take_cache=may_take_cache,
                job=ci_job(os.environ),
                options=("--with-cache",) if options.with_cache else (),
                progress=lambda images, size: VerifyProgress(images, size, stderr(options)),
            )
    except LockHeld as error:
        raise Failure(f"{error}. Wait until it has ended.", exit_codes.LOCKED) from None
    every = options.verbose or bool(options.references)
    show(
        options,
        lambda: report.document(done),
        lambda look: report.render(done, look, every=every),
    )
    return _code(done)


def _code(done: Verification) -> int:
    """1 where damage is left, 3 where a repair failed or something could not be checked."""
    if done.interrupted:
        return exit_codes.INTERRUPTED
    if any(entry.repair == "failed" for entry in done.entries):
        return exit_codes.STEPS_FAILED
    if any(entry.result == "damaged" and entry.repair != "repaired" for entry in done.entries):
        return exit_codes.ERROR
    unchecked = any(entry.result == "unchecked" for entry in done.entries)
    return exit_codes.STEPS_FAILED if unchecked else exit_codes.DONE
