"""``holystone observe``: record which images were used since the last look."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from holystone.cli import exit_codes
from holystone.cli.listing import Listing, add_listing, asks
from holystone.cli.options import Parser, add_engine, add_output
from holystone.cli.session import answer, opened
from holystone.present import terminal

if TYPE_CHECKING:
    from holystone.present.lists.uses import Row


def parser() -> argparse.ArgumentParser:
    """The options of ``observe``."""
    made = Parser(
        prog="holystone observe",
        description="Remember which images were used since the last look, by the engine's past "
        "events, its containers and its builds. Every command does so as it looks; this one does "
        "nothing else, for a timer or a runner's hook.",
        examples=[
            ("holystone observe", "for a timer: remember what was used since the last look"),
            ("holystone observe --sort -ever", "the most often used first"),
        ],
    )
    add_listing(made, "uses")
    add_engine(made)
    add_output(made)
    return made


def run(options: argparse.Namespace) -> int:
    """Look, remember, tell. Raises EngineError."""
    output = terminal.open_output(sys.stdout, os.environ, color=options.color)
    listing = _listing(options)
    with opened(options) as session:
        from holystone.present.report import observe as report

        inventory = session.host.observe()
        observed = session.host.keep_uses(inventory)
        usage = session.host.usage()
        chosen, look = None, output.look
        if listing is not None:
            rows = report.rows(inventory, observed, usage, whole=listing.whole)
            chosen, look = listing.choose(rows), listing.look(look)
        if options.json:
            from holystone.present import document

            told = report.document(inventory, observed, usage, chosen)
            text = document.dump(told, indent=output.interactive)
        else:
            text = report.render(inventory, observed, usage, look, chosen)
    if listing is not None and chosen is not None and listing.formats:
        listing.write(output, chosen, lambda row: row.image_id)
    else:
        answer(output, text)
    return exit_codes.DONE if observed.kept else exit_codes.ERROR


def _listing(options: argparse.Namespace) -> Listing[Row] | None:
    """What was asked of the list; None where it is wanted as it is. Raises Failure."""
    if not asks(options):
        return None
    from holystone.present.lists.uses import TABLE

    return Listing(options, TABLE)
