"""``holystone clean``: remove what the plan lets go, and tell what became of it."""

from __future__ import annotations

import argparse

from holystone.cli import exit_codes
from holystone.cli.options import Parser, add_engine, add_output, add_policy
from holystone.cli.session import Failure, opened


def parser() -> argparse.ArgumentParser:
    """The options of ``clean``."""
    made = Parser(
        prog="holystone clean",
        description="Remove what is temporary and unused; every tagged image stays. "
        "`holystone plan` shows beforehand what would go.",
    )
    add_policy(made, level=True)
    made.add_argument(
        "-n", "--dry-run", action="store_true", help="remove nothing: the same as holystone plan"
    )
    add_engine(made)
    add_output(made)
    return made


def run(options: argparse.Namespace) -> int:
    """Observe, plan, remove, tell. Raises EngineError where it fails before the first removal."""
    if options.dry_run:
        from holystone.cli import plan

        return plan.run(options)
    try:
        with opened(options, watch=True) as host:
            from holystone.cli.cleaning import clean

            return clean(host, options)
    except KeyboardInterrupt:
        raise Failure("interrupted; nothing was removed", exit_codes.INTERRUPTED) from None
