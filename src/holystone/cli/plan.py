"""``holystone plan``: what would go, what stays, and why. Removes nothing."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from holystone.cli import exit_codes
from holystone.cli.listing import add_listing, asks
from holystone.cli.options import (
    Parser,
    add_engine,
    add_output,
    add_policy,
    files_read,
    path,
    policy_of,
    wishes_of,
)
from holystone.cli.session import Failure, answer, opened, warn
from holystone.cli.showing import stdout
from holystone.engine.errors import EngineError
from holystone.operations.connect import wanted

if TYPE_CHECKING:
    from holystone.cli.listing import Listing
    from holystone.operations.survey import Survey
    from holystone.present.lists.plan import Row


def parser() -> argparse.ArgumentParser:
    """The options of ``plan``."""
    made = Parser(
        prog="holystone plan",
        description="Show what a clean would remove, with the reason and the exact bytes.",
        examples=[
            ("holystone plan", "what a routine clean would remove"),
            (
                "holystone plan weekly --all",
                "every object at level weekly, kept ones too, each with its reasons",
            ),
            (
                "holystone plan --until-free 40GB",
                "what to remove so that 40 GB of the disk are free",
            ),
            (
                "holystone plan deep --out deep.plan",
                "save the plan; holystone clean --plan deep.plan carries out exactly that plan",
            ),
        ],
    )
    add_policy(made, level=True)
    made.add_argument("--all", action="store_true", help="list every object, also those that stay")
    made.add_argument(
        "-n",
        "--dry-run",
        action="store_true",
        help="accepted, without effect: a plan never removes anything",
    )
    made.add_argument(
        "--out",
        metavar="FILE",
        type=path,
        help="also write the plan into a file, which clean --plan carries out",
    )
    made.add_argument(
        "--detailed-exitcode",
        action="store_true",
        help="exit with code 2 if a clean would remove something",
    )
    made.add_argument(
        "--or-demo", action="store_true", help="if no engine answers, plan for the demo host"
    )
    add_listing(made, "plan")
    add_engine(made)
    add_output(made)
    return made


def run(options: argparse.Namespace) -> int:
    """Observe, plan, show. Raises EngineError, Failure."""
    policy = policy_of(options)
    # A dry run of a clean comes here as well.
    every, file = getattr(options, "all", False), getattr(options, "out", None)
    listing = _listing(options) if hasattr(options, "filter") and asks(options) else None
    summarises = bool(os.environ.get("GITHUB_STEP_SUMMARY"))
    whole = bool(options.json or every or file or listing or summarises)
    with opened(options, ahead=wanted(policy, whole=whole)) as session:
        # The engine works while this is imported.
        from holystone.operations.survey import survey

        found = survey(session, policy, whole=whole)
        if file is not None:
            try:
                session.keep_moment()
            except EngineError as error:
                warn(str(error))
    if file is not None:
        _write(file, found, options)
    if summarises:
        from holystone.present import ci

        if trouble := ci.append_summary(os.environ, ci.plan_summary(found.plan)):
            warn(trouble)
    _answer(found, options, listing, every=every)
    if getattr(options, "detailed_exitcode", False) and found.plan.steps:
        return exit_codes.CHANGES_PENDING
    return exit_codes.DONE


def _write(file: str, found: Survey, options: argparse.Namespace) -> None:
    """Write a plan into a file, or leave what was there as it is. Raises Failure."""
    from holystone.operations.plan_file import saved, text_of
    from holystone.outside.text import safe, words_of
    from holystone.outside.writing import write

    try:
        write(file, text_of(saved(found, wishes_of(options))))
    except (OSError, ValueError) as error:
        said = words_of(error)
        raise Failure(f"cannot write the plan to {safe(file)}: {said}") from None


def _listing(options: argparse.Namespace) -> Listing[Row]:
    """What was asked of the list. Raises Failure."""
    from holystone.cli.listing import Listing
    from holystone.present.lists.plan import TABLE

    if options.out is not None and options.filter:
        raise Failure("--out writes the whole plan: leave out --filter", exit_codes.USAGE)
    return Listing(options, TABLE)


def _rows(found: Survey, listing: Listing[Row], *, every: bool) -> list[Row]:
    """The rows that are wanted: of what goes, of all where all or a verdict was asked for."""
    from holystone.present.lists.images import resolved
    from holystone.present.lists.plan import OF_KEPT, rows

    kept_too = every or not OF_KEPT.isdisjoint(term.name for term in listing.terms)
    try:
        listing.terms = resolved(listing.terms, found.inventory.images)
    except ValueError as error:
        raise Failure(f"--filter: {error}", exit_codes.USAGE) from None
    made = rows(found.inventory, found.plan, whole=listing.whole, going=not kept_too)
    return listing.choose(made)


def _answer(
    found: Survey, options: argparse.Namespace, listing: Listing[Row] | None, *, every: bool
) -> None:
    """Show the plan, or the rows of it that were asked for. Raises Failure."""
    output, plan = stdout(options), found.plan
    rows = None if listing is None else _rows(found, listing, every=every)
    if listing is not None and rows is not None and listing.formats:
        listing.write(output, rows, lambda row: row.identifier)
        return
    if options.json:
        from holystone.present import document

        told = document.configured(document.plan(plan), options.configuration)
        if rows is not None:
            items = {(item["kind"], item["id"]): item for item in told["items"]}
            told["items"] = [items[row.verdict.kind, row.verdict.id] for row in rows]
        answer(output, document.dump(told, indent=output.interactive))
        return
    from holystone.present.report.plan import listed, render

    read = files_read(options)
    if listing is not None and rows is not None:
        look, some = listing.look(output.look), listing.selects
        answer(output, listed(rows, plan, look, selected=some, read=read))
    else:
        answer(output, render(found.inventory, plan, output.look, every=every, read=read))
