"""The work of ``holystone clean``, imported while the engine makes its lists."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from holystone.cli import exit_codes
from holystone.cli.answer import tell
from holystone.cli.options import policy_of
from holystone.cli.session import Failure, answer, survey, warn
from holystone.engine.crew import INTERRUPTED
from holystone.engine.execute import Outcome, execute
from holystone.present import terminal
from holystone.present.report import clean as report

if TYPE_CHECKING:
    from holystone.core.decision import Plan
    from holystone.core.inventory import Disk, Inventory
    from holystone.engine.host import Host


def clean(host: Host, options: argparse.Namespace) -> int:
    """Clean a host and tell what became of it; answers the exit code. Raises EngineError."""
    output = terminal.open_output(sys.stdout, os.environ, color=options.color)
    if not options.json:
        # What a full disk does not take before the clean comes with the rest after it.
        tell(output.write, report.opening(options.level))
    inventory, plan = survey(host, policy_of(options))
    try:
        return _carry_out(plan, inventory, host, options, output)
    except KeyboardInterrupt:
        # Not while steps are made: then the outcome tells it.
        message = "interrupted; `holystone plan` shows what was not removed"
        raise Failure(message, exit_codes.INTERRUPTED) from None


def _carry_out(
    plan: Plan,
    inventory: Inventory,
    host: Host,
    options: argparse.Namespace,
    output: terminal.Output,
) -> int:
    outcome = _execute(plan, inventory, host, options)
    disk = host.disk() if plan.steps else inventory.disk
    if os.environ.get("GITHUB_STEP_SUMMARY"):
        _summarise(plan, outcome, disk)
    if options.json:
        from holystone.present import document

        told = document.clean(plan, outcome, disk_after=disk)
        answer(output, document.dump(told, indent=output.interactive))
    else:
        _tell(plan, outcome, disk, output, listed=options.verbose)
    if outcome.interrupted == INTERRUPTED:
        return exit_codes.INTERRUPTED
    return exit_codes.STEPS_FAILED if outcome.failed else exit_codes.DONE


def _execute(plan: Plan, inventory: Inventory, host: Host, options: argparse.Namespace) -> Outcome:
    if not plan.steps:
        return Outcome({}, {}, 0, 0.0)
    from holystone.present.progress import Progress

    errors = terminal.open_output(sys.stderr, os.environ, color=options.color)
    with Progress(plan, errors) as progress:
        return execute(plan, inventory.images, host, progress.step_done)


def _tell(
    plan: Plan, outcome: Outcome, disk: Disk, output: terminal.Output, *, listed: bool
) -> None:
    """The result; with every object that went where that was asked for, or a CI log folds it."""
    if outcome.removed:
        import time

        from holystone.present import ci

        provider = ci.detect(os.environ)
        if provider or listed:
            went = report.removals(plan, outcome, output.look, every=True)
            title = f"What went ({outcome.removed})"
            answer(output, ci.fold(provider, "holystone_removed", title, went, time.time()))
    answer(output, report.render(plan, outcome, output.look, disk_after=disk))
    answer(output, report.closing(plan, outcome))


def _summarise(plan: Plan, outcome: Outcome, disk: Disk) -> None:
    from holystone.present import ci

    summary = ci.clean_summary(plan, outcome, disk_after=disk)
    if trouble := ci.append_summary(os.environ, summary):
        warn(trouble)
