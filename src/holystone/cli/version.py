"""``holystone version``: show the version."""

from __future__ import annotations

import argparse
import sys

from holystone import __version__
from holystone.cli import exit_codes
from holystone.cli.options import Parser, add_output
from holystone.cli.session import answer
from holystone.cli.streams import stdout
from holystone.present import document


def parser() -> argparse.ArgumentParser:
    """The options of ``version``."""
    made = Parser(
        prog="holystone version",
        description="Show the version of holystone. Needs no engine; `holystone status` shows the "
        "version of the engine.",
        examples=[("holystone version", "the same as holystone --version")],
    )
    add_output(made)
    return made


def run(options: argparse.Namespace) -> int:
    """Show the version."""
    output = stdout(options)
    text = f"holystone {__version__}"
    if options.json:
        python = ".".join(map(str, sys.version_info[:3]))
        told = {"schema": document.SCHEMA, "version": __version__, "python": python}
        text = document.dump(told, indent=output.interactive)
    answer(output, text)
    return exit_codes.DONE
