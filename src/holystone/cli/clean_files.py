"""The files that ``holystone clean`` was given: the saved plan, and the report to write."""

from __future__ import annotations

import argparse

from holystone.cli import exit_codes
from holystone.cli.session import Failure
from holystone.operations.plan_file import SavedPlan, read
from holystone.outside.text import words_of
from holystone.outside.writing import check


def prepare(options: argparse.Namespace) -> SavedPlan | None:
    """The saved plan, None without one; ``options`` then have the options of the plan.

    Raises Failure, also for a report that cannot be written, and PlanFileError.
    """
    if options.report is not None:
        _check_report(options.report)
    if options.plan is None:
        return None
    _refuse_beside_a_plan(options)
    saved = read(options.plan, 3600.0 if options.max_plan_age is None else options.max_plan_age)
    vars(options).update(saved.options, level=saved.level)
    return saved


def _check_report(path: str) -> None:
    """Raise Failure for a report that cannot be written, before anything is removed."""
    try:
        check(path)
    except (OSError, ValueError) as error:
        said = words_of(error)
        said = said[:1].lower() + said[1:]
        raise Failure(
            f"cannot write the report to {path!r}: {said}. Nothing was removed. Name another file."
        ) from None


def _refuse_beside_a_plan(options: argparse.Namespace) -> None:
    """A plan in a file says all that may go: refuse what would say otherwise. Raises Failure."""
    given = {
        "LEVEL": options.level != "routine",
        "--min-age": options.min_age is not None,
        "--cache-budget": options.cache_budget is not None,
        "--until-free": options.until_free is not None,
        "--until-used": options.until_used is not None,
        "--watermarks": options.watermarks,
        "--only": options.only is not None,
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
