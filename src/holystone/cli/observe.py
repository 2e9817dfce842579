"""``holystone observe``: remember which images were used since the last look."""

from __future__ import annotations

import argparse
import os
import sys

from holystone.cli import exit_codes
from holystone.cli.options import Parser, add_engine, add_output
from holystone.cli.session import answer, opened
from holystone.present import terminal


def parser() -> argparse.ArgumentParser:
    """The options of ``observe``."""
    made = Parser(
        prog="holystone observe",
        description="Remember which images were used since the last look, by the engine's past "
        "events, its containers and its builds. Every command does so as it looks; this one does "
        "nothing else, for a timer or a runner's hook.",
        examples=[
            ("holystone observe", "for a timer: remember what was used since the last look"),
        ],
    )
    add_engine(made)
    add_output(made)
    return made


def run(options: argparse.Namespace) -> int:
    """Look, remember, tell. Raises EngineError."""
    output = terminal.open_output(sys.stdout, os.environ, color=options.color)
    with opened(options) as session:
        from holystone.present.report import observe as report

        inventory = session.host.observe()
        observed = session.host.keep_uses(inventory)
        usage = session.host.usage()
        if options.json:
            from holystone.present import document

            told = report.document(inventory, observed, usage)
            text = document.dump(told, indent=output.interactive)
        else:
            text = report.render(inventory, observed, usage, output.look)
    answer(output, text)
    return exit_codes.DONE if observed.kept else exit_codes.ERROR
