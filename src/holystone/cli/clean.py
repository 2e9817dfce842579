"""``holystone clean``: remove the objects that the plan removes, and report the result."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from holystone.cli import exit_codes
from holystone.cli.options import (
    Parser,
    add_engine,
    add_output,
    add_policy,
    add_wait,
    path,
    policy_of,
    value_of,
)
from holystone.cli.session import Failure, opened, warn
from holystone.operations.connect import wanted
from holystone.planner.units import parse_duration

if TYPE_CHECKING:
    from holystone.cli.clean_answer import CleanAnswer
    from holystone.operations.plan_file import SavedPlan


def parser() -> argparse.ArgumentParser:
    """The options of ``clean``."""
    made = Parser(
        prog="holystone clean",
        description="Remove temporary and unused objects. At level routine every tagged image "
        "stays. `holystone plan` shows first what would be removed.",
        hints={
            "-a": "everything unused goes with holystone clean deep",
            "--all": "everything unused goes with holystone clean deep",
            "--filter": "what stays is said by [protect] in holystone.toml, how old an object must "
            "be by --min-age 24h",
        },
        examples=[
            ("holystone clean", "after a job: remove temporary objects, keep every tagged image"),
            ("holystone clean weekly -n", "show what a weekly clean would remove; removes nothing"),
            ("holystone clean --until-used 70%", "until at most 70 % of the disk is used"),
            (
                "holystone clean weekly --only 'team/*'",
                "remove only images of the team, and of these what a weekly clean removes",
            ),
            (
                "holystone clean deep --volumes --yes",
                "remove everything unused and unused anonymous volumes, without asking",
            ),
        ],
    )
    add_policy(made, level=True)
    made.add_argument(
        "-n", "--dry-run", action="store_true", help="remove nothing: the same as holystone plan"
    )
    made.add_argument(
        "--plan",
        metavar="FILE",
        type=path,
        help="carry out this plan, made with holystone plan --out FILE",
    )
    made.add_argument(
        "--max-plan-age",
        metavar="TIME",
        type=value_of(parse_duration),
        help="refuse a plan that is older (default 1h)",
    )
    made.add_argument("-y", "--yes", action="store_true", help="deep: do not ask")
    made.add_argument(
        "-f",
        "--force",
        action="store_true",
        help="accepted as in docker system prune, without effect: holystone never forces a "
        "removal. It is not --yes",
    )
    made.add_argument(
        "--report",
        metavar="FILE",
        type=path,
        help="also write the output of --json into this file, for a CI job to keep",
    )
    add_wait(made)
    add_engine(made)
    add_output(made)
    return made


def run(options: argparse.Namespace) -> int:
    """Clean, and tell. Raises EngineError where it fails before the first removal."""
    if options.force:
        warn(_about_force(options))
    if options.dry_run:
        if options.report is not None:
            message = "--report and --dry-run: holystone plan --json shows what would go"
            raise Failure(message, exit_codes.USAGE)
        if options.plan is not None:
            raise Failure("--plan and --dry-run: the file lists what would go", exit_codes.USAGE)
        from holystone.cli.plan import run as show_plan  # Which a clean does not need.

        return show_plan(options)
    if options.max_plan_age is not None and options.plan is None:
        raise Failure("--max-plan-age goes with --plan FILE", exit_codes.USAGE)
    saved: SavedPlan | None = None
    if options.report is not None or options.plan is not None:
        from holystone.cli.clean_files import prepare

        saved = prepare(options)
    policy = policy_of(options)
    if saved is not None:
        saved.check_level(policy)
    whole = options.json or options.report or saved or os.environ.get("GITHUB_STEP_SUMMARY")
    told: CleanAnswer | None = None
    try:
        with opened(
            options,
            planned_at=None if saved is None else saved.taken_at,
            ahead=wanted(policy, whole=bool(whole)),
            watch=True,
        ) as session:
            # The engine works while this is imported.
            from holystone.cli.clean_answer import CleanAnswer

            told = CleanAnswer(options, policy, saved, whole=bool(whole))
            return told.carry_out(session)
    except KeyboardInterrupt:
        begun = told is not None and told.begun
        left = "`holystone plan` shows what is left" if begun else "nothing was removed"
        raise Failure(f"interrupted; {left}", exit_codes.INTERRUPTED) from None


def _about_force(options: argparse.Namespace) -> str:
    """What is said to who types -f, which removes by force or answers a question elsewhere."""
    never = "--force changes nothing: holystone never removes by force"
    if options.level != "deep":
        return f"{never}, and a clean at level {options.level} does not ask."
    if options.yes or options.dry_run:
        return f"{never}."
    return f"{never}, and a deep clean asks all the same. --yes goes ahead without asking."
