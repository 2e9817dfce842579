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
    path,
    policy_of,
)
from holystone.cli.session import opened
from holystone.operations.connect import wanted
from holystone.operations.errors import BeyondAgent

if TYPE_CHECKING:
    from holystone.cli.plan_answer import PlanAnswer
    from holystone.cli.plan_listing import PlanListing


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
                "holystone plan deep --only 'team/*'",
                "of what a deep clean would remove, only the images of the team",
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
    listing: PlanListing | None = None
    if hasattr(options, "filter") and asks(options):
        from holystone.cli.plan_listing import PlanListing

        listing = PlanListing(options)
    summarises = bool(os.environ.get("GITHUB_STEP_SUMMARY"))
    whole = bool(options.json or every or file or listing or summarises)

    def look(*, agent: bool) -> PlanAnswer:
        ahead = wanted(policy, whole=whole)
        with opened(options, ahead=ahead, watch=not whole, agent=agent) as session:
            # The engine works while this is imported.
            from holystone.cli.plan_answer import PlanAnswer

            return PlanAnswer(options, session, policy, listing, whole=whole)

    try:
        told = look(agent=True)
    except BeyondAgent:
        told = look(agent=False)
    if file is not None:
        told.write(file)
    if summarises:
        told.summarise()
    told.tell(every=every)
    if getattr(options, "detailed_exitcode", False) and told.found.plan.steps:
        return exit_codes.CHANGES_PENDING
    return exit_codes.DONE
