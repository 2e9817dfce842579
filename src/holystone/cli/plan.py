"""``holystone plan``: what would go, what stays, and why. Removes nothing."""

from __future__ import annotations

import argparse
import os
import sys
import time

from holystone.cli import exit_codes
from holystone.cli.options import Parser, add_engine, add_output, add_policy, policy_of
from holystone.cli.session import answer, needs_untagged_alone, opened, survey, warn


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
                "what would go so that 40 GB of the disk are free",
            ),
            (
                "holystone plan deep --out deep.plan",
                "write the plan down; holystone clean --plan deep.plan carries out exactly that",
            ),
        ],
    )
    add_policy(made, level=True)
    made.add_argument("--all", action="store_true", help="list every object, kept ones too")
    made.add_argument(
        "-n",
        "--dry-run",
        action="store_true",
        help="accepted, and changes nothing: a plan never removes anything",
    )
    made.add_argument(
        "--out", metavar="FILE", help="write the plan into a file that clean --plan carries out"
    )
    made.add_argument(
        "--detailed-exitcode", action="store_true", help="end with 2 where something would go"
    )
    made.add_argument(
        "--or-demo", action="store_true", help="where no engine answers, plan for the demo host"
    )
    add_engine(made)
    add_output(made)
    return made


def run(options: argparse.Namespace) -> int:
    """Observe, plan, show. Raises EngineError."""
    began = time.time()
    policy = policy_of(options)
    every = getattr(options, "all", False)
    file = getattr(options, "out", None)
    counts_only = not (options.json or every or file or os.environ.get("GITHUB_STEP_SUMMARY"))
    untagged_do = counts_only and needs_untagged_alone(policy)
    with opened(options, sizes=policy.takes.volumes, untagged_do=untagged_do) as session:
        from holystone.present import terminal

        inventory, plan = survey(session.host, policy, every=not untagged_do)
    if file is not None:
        from holystone.cli import plan_file

        plan_file.write(file, plan, inventory, options, began)
    if os.environ.get("GITHUB_STEP_SUMMARY"):
        from holystone.present import ci

        if trouble := ci.append_summary(os.environ, ci.plan_summary(plan)):
            warn(trouble)
    output = terminal.open_output(sys.stdout, os.environ, color=options.color)
    if options.json:
        from holystone.present import document

        told = document.configured(document.plan(plan), options.configuration)
        answer(output, document.dump(told, indent=output.interactive))
    else:
        from holystone.present.report.config import sources
        from holystone.present.report.plan import render

        read = sources(options.configuration.sources)
        answer(output, render(inventory, plan, output.look, every=every, read=read))
    if getattr(options, "detailed_exitcode", False) and plan.steps:
        return exit_codes.CHANGES_PENDING
    return exit_codes.DONE
