"""``holystone images``: every image with what it shares, what it alone holds, and its verdict."""

from __future__ import annotations

import argparse

from holystone.cli import exit_codes
from holystone.cli.listing import Listing, add_listing, asks
from holystone.cli.options import Parser, add_engine, add_output, add_policy, policy_of
from holystone.cli.session import Failure, answer, opened
from holystone.cli.streams import stdout
from holystone.operations.survey import survey
from holystone.operations.verify import images_meant
from holystone.planner.inventory import Inventory
from holystone.planner.verdict import Plan
from holystone.present import document
from holystone.present.format import short_id
from holystone.present.lists import images
from holystone.present.lists.images import TABLE, Row
from holystone.present.report.images import render


def parser() -> argparse.ArgumentParser:
    """The options of ``images``."""
    made = Parser(
        prog="holystone images",
        description="List the images: repository, tag, size, shared, unique, last used, verdict.",
        examples=[
            ("holystone images", "every image, the largest first"),
            ("holystone images '*node*'", "those whose name contains node"),
            (
                "holystone images --filter 'unique>1GB' --sort -used",
                "those that alone hold more than 1 GB, the longest unused first",
            ),
            (
                "holystone images --format '{{.Name}} {{.UniqueSize}}'",
                "names, and what each alone holds",
            ),
        ],
    )
    made.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="only these: a tag, a repository, a pattern like 'team/*', the end of a name, a "
        "digest, or the start of an ID",
    )
    made.add_argument(
        "-a", "--all", action="store_true", help="list the steps of classic builds as well"
    )
    made.add_argument(
        "-q", "--quiet", action="store_true", help="only the IDs, each once, for xargs"
    )
    add_listing(made, "images", short=["-f"])
    add_policy(made, level=False)
    add_engine(made)
    add_output(made)
    return made


def run(options: argparse.Namespace) -> int:
    """Observe with layers, plan, show. Raises EngineError, Failure."""
    output = stdout(options)
    policy = policy_of(options)
    asked = options.names or options.quiet or asks(options)
    listing = Listing(options, TABLE) if asked else None
    with opened(options) as session:
        found = survey(session, policy, layers=True)
    inventory, plan = found.inventory, found.plan
    rows = None if listing is None else _rows(inventory, plan, options, listing)
    if rows is not None and listing is not None and listing.formats:
        whole = options.no_trunc
        listing.write(output, rows, lambda r: r.image.id if whole else short_id(r.image.id))
    elif options.json:
        told = document.images(inventory, plan)
        if rows is not None:
            listed = {entry["id"]: entry for entry in told["images"]}
            told["images"] = [listed[i] for i in dict.fromkeys(row.image.id for row in rows)]
        answer(output, document.dump(told, indent=output.interactive))
    else:
        look = output.look if listing is None else listing.look(output.look)
        answer(output, render(inventory, plan, look, every=options.all, listed=rows))
    return exit_codes.DONE


def _rows(
    inventory: Inventory, plan: Plan, options: argparse.Namespace, listing: Listing[Row]
) -> list[Row]:
    """The rows that are wanted. Raises Failure for a name that means no image."""
    rows = images.rows(inventory, plan, whole=listing.whole)
    if options.names:
        rows = images.chosen(rows, images_meant(inventory.images, options.names))
    elif not options.all:
        rows = [row for row in rows if not images.is_step(row)]
    try:
        listing.terms = images.resolved(listing.terms, inventory.images)
    except ValueError as error:
        raise Failure(f"--filter: {error}", exit_codes.USAGE) from None
    return listing.choose(rows)
