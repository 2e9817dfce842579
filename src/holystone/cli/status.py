"""``holystone status``: show what uses the disk and what a routine clean would free."""

from __future__ import annotations

import argparse

from holystone.cli import exit_codes
from holystone.cli.options import Parser, add_engine, add_output, add_policy, policy_of
from holystone.cli.session import answer, opened
from holystone.cli.streams import stdout
from holystone.operations.survey import survey
from holystone.present import document
from holystone.present.report.status import render


def parser() -> argparse.ArgumentParser:
    """The options of ``status``."""
    made = Parser(
        prog="holystone status",
        hints={"": "One image is shown by holystone explain NAME"},
        description="Show what uses the disk and what a routine clean would free, on one screen.",
        examples=[
            ("holystone status", "what uses the disk"),
            ("holystone status --host demo:", "the same for the built-in demo host"),
        ],
    )
    add_policy(made, level=False)
    add_engine(made)
    add_output(made)
    return made


def run(options: argparse.Namespace) -> int:
    """Observe with all sizes, plan, show. Raises EngineError."""
    output = stdout(options)
    policy = policy_of(options)
    with opened(options) as session:
        found = survey(session, policy, sizes=True, layers=True)
        beside = session.host.beside(found.inventory)
    inventory, plan = found.inventory, found.plan
    if options.json:
        told = document.status(inventory, plan, session.endpoint, policy.disk, beside)
        answer(output, document.dump(told, indent=output.interactive))
    else:
        text = render(
            inventory,
            plan,
            output.look,
            endpoint=session.endpoint,
            marks=policy.disk,
            beside=beside,
        )
        answer(output, text)
    return exit_codes.DONE
