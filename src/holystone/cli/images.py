"""``holystone images``: every image with what it shares, what it alone holds, and its verdict."""

from __future__ import annotations

import argparse
import os
import sys

from holystone.cli import exit_codes
from holystone.cli.options import Parser, add_engine, add_output, add_policy, policy_of
from holystone.cli.session import answer, opened, survey
from holystone.present import terminal


def parser() -> argparse.ArgumentParser:
    """The options of ``images``."""
    made = Parser(
        prog="holystone images",
        description="List the images: repository, tag, size, shared, unique, last used, verdict.",
        examples=[
            ("holystone images", "every image, the largest first"),
        ],
    )
    made.add_argument(
        "-a", "--all", action="store_true", help="list the steps of classic builds as well"
    )
    add_policy(made, level=False)
    add_engine(made)
    add_output(made)
    return made


def run(options: argparse.Namespace) -> int:
    """Observe with layers, plan, show. Raises EngineError."""
    output = terminal.open_output(sys.stdout, os.environ, color=options.color)
    policy = policy_of(options)
    with opened(options) as session:
        inventory, plan = survey(session.host, policy, layers=True)
    if options.json:
        from holystone.present import document

        answer(output, document.dump(document.images(inventory, plan), indent=output.interactive))
    else:
        from holystone.present.report.images import render

        answer(output, render(inventory, plan, output.look, every=options.all))
    return exit_codes.DONE
