"""``holystone clean``: remove what the plan lets go, and tell what became of it."""

from __future__ import annotations

import argparse
import os

from holystone.cli import exit_codes
from holystone.cli.clean_answer import CleanAnswer
from holystone.cli.options import (
    Parser,
    add_engine,
    add_output,
    add_policy,
    path,
    policy_of,
    value_of,
)
from holystone.cli.recorded import recorded
from holystone.cli.session import Failure, opened, warn
from holystone.operations.clean import Cleaned, clean
from holystone.operations.plan_file import SavedPlan, check_level, read
from holystone.operations.workers import INTERRUPTED
from holystone.outside.writing import check
from holystone.planner.units import parse_duration
from holystone.store.lock import ci_job


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
        help="accepted because docker prune has it; changes nothing, since holystone never "
        "forces a removal. It is not --yes",
    )
    made.add_argument(
        "--report",
        metavar="FILE",
        type=path,
        help="also write the output of --json into this file, for a CI job to keep",
    )
    made.add_argument(
        "--wait",
        metavar="TIME",
        type=value_of(parse_duration),
        default=30.0,
        help="how long to wait until another run on this host ends (default 30s)",
    )
    add_engine(made)
    add_output(made)
    return made


def run(options: argparse.Namespace) -> int:
    """Clean, and tell. Raises EngineError where it fails before the first removal."""
    if options.force:
        warn(_about_force(options))
    if options.dry_run:
        if options.report is not None:
            message = "--report and --dry-run: holystone plan --json tells what would go"
            raise Failure(message, exit_codes.USAGE)
        if options.plan is not None:
            raise Failure("--plan and --dry-run: the file tells what would go", exit_codes.USAGE)
        from holystone.cli.plan import run as show_plan  # Which a clean does not need.

        return show_plan(options)
    if options.report is not None:
        _check_report(options.report)
    saved = _saved(options)
    policy = policy_of(options)
    if saved is not None:
        check_level(saved, policy)
    told = CleanAnswer(options, policy, saved)
    planned_at = None if saved is None else saved.taken_at
    wishes = (options.min_age, options.cache_budget, policy.target)
    try:
        with opened(options, planned_at=planned_at) as session, told:
            done = clean(
                session,
                policy,
                saved=saved,
                confirm=None if options.yes else told.confirm,
                report=told.event,
                wait=options.wait,
                coalesce=saved is None and all(wish is None for wish in wishes),
                whole=told.in_whole,
                job=ci_job(os.environ),
                options=recorded(parser(), options, os.environ),
            )
            told.tell(done, session)
    except KeyboardInterrupt:
        left = "`holystone plan` shows what is left" if told.begun else "nothing was removed"
        raise Failure(f"interrupted; {left}", exit_codes.INTERRUPTED) from None
    return _code(done)


def _code(done: Cleaned) -> int:
    outcome = done.outcome
    if outcome.interrupted == INTERRUPTED:
        return exit_codes.INTERRUPTED
    if outcome.failed or outcome.not_tried or outcome.unknown:
        return exit_codes.STEPS_FAILED
    if done.missed_bytes or outcome.interrupted:
        return exit_codes.TARGET_NOT_REACHED
    return exit_codes.DONE


def _saved(options: argparse.Namespace) -> SavedPlan | None:
    """The plan in the file that was named; ``options`` then have what it was made with."""
    if options.plan is None:
        if options.max_plan_age is not None:
            raise Failure("--max-plan-age goes with --plan FILE", exit_codes.USAGE)
        return None
    _refuse_beside_a_plan(options)
    age = 3600.0 if options.max_plan_age is None else options.max_plan_age
    saved = read(options.plan, age)
    vars(options).update(saved.options, level=saved.level)
    return saved


def _check_report(path: str) -> None:
    """Raise Failure for a report that cannot be written, before anything is removed."""
    try:
        check(path)
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or str(error)
        said = said[:1].lower() + said[1:]
        raise Failure(
            f"cannot write the report to {path!r}: {said}. Nothing was removed. Name another file."
        ) from None


def _about_force(options: argparse.Namespace) -> str:
    """What is said to who types -f, which removes by force or answers a question elsewhere."""
    never = "--force changes nothing: holystone never removes by force"
    if options.level != "deep":
        return f"{never}, and a clean at level {options.level} does not ask."
    if options.yes or options.dry_run:
        return f"{never}."
    return f"{never}, and a deep clean asks all the same. --yes goes ahead without asking."


def _refuse_beside_a_plan(options: argparse.Namespace) -> None:
    """A plan in a file says all that may go: refuse what would say otherwise. Raises Failure."""
    given = {
        "LEVEL": options.level != "routine",
        "--min-age": options.min_age is not None,
        "--cache-budget": options.cache_budget is not None,
        "--until-free": options.until_free is not None,
        "--until-used": options.until_used is not None,
        "--watermarks": options.watermarks,
        "--include-local": options.include_local,
        "--volumes": options.volumes is not None,
        "--check-registry": options.check_registry is True,
        "--no-check-registry": options.check_registry is False,
    }
    names = [name for name, is_given in given.items() if is_given]
    if names:
        raise Failure(
            f"--plan and {', '.join(names)}: the plan in the file says what goes; give "
            f"{names[0]} to holystone plan --out",
            exit_codes.USAGE,
        )
