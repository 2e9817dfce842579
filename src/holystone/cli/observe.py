"""``holystone observe``: record which images were used since the last look."""

from __future__ import annotations

import argparse

from holystone.cli import exit_codes
from holystone.cli.listing import Listing, add_listing, asks
from holystone.cli.options import Parser, add_engine, add_output
from holystone.cli.session import answer, opened
from holystone.cli.showing import stdout
from holystone.operations.observe import observe
from holystone.present import document
from holystone.present.lists.uses import TABLE, Row
from holystone.present.report import observe as report


def parser() -> argparse.ArgumentParser:
    """The options of ``observe``."""
    made = Parser(
        prog="holystone observe",
        description="Record which images were used since the last look, from the engine's "
        "events, containers and builds. Every command does that when it looks at "
        "a host. This command does nothing else: use it in a timer or a runner's "
        "hook.",
        examples=[
            ("holystone observe", "for a timer: record what was used since the last look"),
            ("holystone observe --sort -ever", "the most often used first"),
        ],
    )
    add_listing(made, "uses")
    add_engine(made)
    add_output(made)
    return made


def run(options: argparse.Namespace) -> int:
    """Look, remember, tell. Raises EngineError."""
    output = stdout(options)
    listing = _listing(options)
    with opened(options) as session:
        found = observe(session)
    seen = (found.inventory, found.observed, found.usage)
    chosen, look = None, output.look
    if listing is not None:
        chosen = listing.choose(report.rows(*seen, whole=listing.whole))
        look = listing.look(look)
    if options.json:
        text = document.dump(report.document(*seen, chosen), indent=output.interactive)
    else:
        text = report.render(*seen, look, chosen)
    if listing is not None and chosen is not None and listing.formats:
        listing.write(output, chosen, lambda row: row.image_id)
    else:
        answer(output, text)
    return exit_codes.DONE if found.observed.kept else exit_codes.ERROR


def _listing(options: argparse.Namespace) -> Listing[Row] | None:
    """What was asked of the list; None where it is wanted as it is. Raises Failure."""
    if not asks(options):
        return None
    return Listing(options, TABLE)
