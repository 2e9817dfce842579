"""``holystone observe``: record which images were used since the last look."""

from __future__ import annotations

import argparse

from holystone.cli import exit_codes
from holystone.cli.listing import Listing, add_listing, asks
from holystone.cli.options import Parser, add_engine, add_output
from holystone.cli.session import opened
from holystone.cli.show import show
from holystone.cli.streams import stdout
from holystone.operations.observe import observe
from holystone.present.lists.uses import TABLE
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
    listing = Listing(options, TABLE) if asks(options) else None
    with opened(options) as session:
        found = observe(session)
    seen = (found.inventory, found.observed, found.usage)
    rows = None
    if listing is not None:
        rows = listing.choose(report.rows(*seen, whole=listing.whole))
    if listing is not None and rows is not None and listing.formats:
        listing.write(stdout(options), rows, lambda row: row.image_id)
    else:
        show(
            options,
            lambda: report.document(*seen, rows),
            lambda look: report.render(*seen, listing.look(look) if listing else look, rows),
        )
    return exit_codes.DONE if found.observed.kept else exit_codes.ERROR
