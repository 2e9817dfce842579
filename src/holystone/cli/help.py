"""``holystone help``: show help: options and examples of a command."""

from __future__ import annotations

import argparse
from importlib import import_module

from holystone.cli import exit_codes
from holystone.cli.commands import COMMANDS
from holystone.cli.finding import no_command
from holystone.cli.main import overview, say
from holystone.cli.options import Parser
from holystone.cli.session import Failure


def parser() -> argparse.ArgumentParser:
    """The options of ``help``."""
    made = Parser(
        prog="holystone help",
        description="List the commands, or show the options and examples of one.",
        examples=[("holystone help clean", "the options of clean; holystone clean --help is it")],
    )
    made.add_argument("command", nargs="?", metavar="COMMAND", help="the command to show")
    made.add_argument(
        "action", nargs="?", metavar="ACTION", help="an action of it, as in help lease release"
    )
    return made


ACTIONS = {
    "lease": ("list", "release"),
    "history": ("export",),
    "config": ("show", "check", "schema", "init"),
}
"""The actions that the help of their command tells about."""


def run(options: argparse.Namespace) -> int:
    """Show the help. Raises Failure for a command that there is not."""
    name: str | None = options.command
    if name is None:
        return say(overview())
    if name not in COMMANDS:
        words = [name] if options.action is None else [name, options.action]
        said = no_command(words, tuple(COMMANDS))
        raise Failure(f"{said} See holystone --help.", exit_codes.USAGE)
    if options.action is not None and options.action not in ACTIONS.get(name, ()):
        there = "".join(f" {name} {each}," for each in ACTIONS.get(name, ())).rstrip(",")
        known = f" Its actions are:{there}." if there else ""
        said = f"{name} has no action {options.action!r}.{known} See holystone help {name}."
        raise Failure(said, exit_codes.USAGE)

    made: argparse.ArgumentParser = import_module(f"holystone.cli.{name}").parser()
    return say(made.format_help())
