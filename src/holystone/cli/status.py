"""``holystone status``: show what uses the disk and what a routine clean would free."""

from __future__ import annotations

import argparse

from holystone.cli import exit_codes
from holystone.cli.options import Parser, add_engine, add_output, add_policy, path, policy_of
from holystone.cli.page_file import STDOUT, check_page, write_page
from holystone.cli.session import Failure, answer, opened
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
            ("holystone status --svg disk.svg", "the same as a picture, for a dashboard"),
        ],
    )
    made.add_argument(
        "--svg",
        metavar="FILE",
        type=path,
        nargs="?",
        const=STDOUT,
        help="write a picture into this file instead; without FILE to standard output",
    )
    add_policy(made, level=False)
    add_engine(made)
    add_output(made)
    return made


def run(options: argparse.Namespace) -> int:
    """Observe with all sizes, plan, show. Raises EngineError."""
    if options.svg is not None:
        if options.json:
            raise Failure("--svg and --json: give only one of them", exit_codes.USAGE)
        check_page(options.svg, "picture")
    output = stdout(options)
    policy = policy_of(options)
    with opened(options) as session:
        found = survey(session, policy, sizes=True, layers=True)
        beside = session.host.beside(found.inventory)
        audit = session.ledger.recall_audit(found.inventory.engine.key)
    inventory, plan = found.inventory, found.plan
    if options.svg is not None:
        # Its templates are not needed for text.
        from holystone.present.html.status_picture import status_picture

        text = status_picture(inventory, plan, policy.disk, beside)
        write_page(options.svg, text, "picture")
    elif options.json:
        told = document.status(inventory, plan, session.endpoint, policy.disk, beside, audit)
        answer(output, document.dump(told, indent=output.interactive))
    else:
        text = render(
            inventory,
            plan,
            output.look,
            endpoint=session.endpoint,
            marks=policy.disk,
            beside=beside,
            audit=audit,
        )
        answer(output, text)
    return exit_codes.DONE
