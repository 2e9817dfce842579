"""``holystone audit``: name every byte of the disk that the engine's data is on."""

from __future__ import annotations

import argparse

from holystone.cli import exit_codes
from holystone.cli.listing import Listing, add_listing, asks
from holystone.cli.options import Parser, add_engine, add_output
from holystone.cli.parser import value_of
from holystone.cli.session import Failure, answer, opened
from holystone.cli.streams import stdout
from holystone.operations.audit.audit import audit
from holystone.outside.text import words_of
from holystone.present import document
from holystone.present.lists.audit import TABLE, rows
from holystone.present.progress import WalkProgress
from holystone.present.report import audit as report


def parser() -> argparse.ArgumentParser:
    """The options of ``audit``."""
    made = Parser(
        prog="holystone audit",
        hints={"": "What a clean would do with one object is shown by holystone explain NAME"},
        description="Name every byte of the disk that the engine's data is on: layers, volumes, "
        "logs, what no record of the engine names, and the rest of the disk. It reads the disk "
        "once and changes nothing. Run it as root, on the engine's host.",
        examples=[
            ("holystone audit", "where the disk went, on one screen"),
            ("holystone audit --filter dark=true --all", "what no record of the engine names"),
            (
                "holystone audit --filter kind=log --sort -size",
                "the logs of containers, the largest first",
            ),
            ("holystone audit --json", "every entry, to the byte"),
        ],
    )
    made.add_argument("-a", "--all", action="store_true", help="name every entry")
    made.add_argument(
        "-n",
        "--top",
        metavar="COUNT",
        type=value_of(_count),
        help=f"how many entries each section names ({report.TOP})",
    )
    add_listing(made, "audit", short=["-f"])
    add_engine(made)
    add_output(made)
    return made


def _count(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 10**9:
        raise ValueError(f"{text!r} is not a number from 1 on")
    return int(text)


def run(options: argparse.Namespace) -> int:
    """Walk the disk, give names, show. Raises EngineError, OperationError, Failure."""
    output = stdout(options)
    if options.all and options.top is not None:
        raise Failure("--all and --top: give only one of them", exit_codes.USAGE)
    listing = Listing(options, TABLE)
    with opened(options) as session, WalkProgress(output) as progress:
        try:
            found = audit(session, progress.begin)
        except OSError as error:
            raise Failure(f"the disk cannot be read: {words_of(error)}") from None
    chosen = None
    if asks(options):
        chosen = listing.choose(rows(found))[: options.top]
    if listing.formats:
        listing.write(output, chosen or [], lambda row: row.entry.path)
    elif options.json:
        told = report.document(found, chosen)
        answer(output, document.dump(told, indent=output.interactive))
    else:
        top = None if options.all else options.top or report.TOP
        look = listing.look(output.look)
        answer(output, report.render_audit(found, look, top=top, listed=chosen))
    return exit_codes.DONE
