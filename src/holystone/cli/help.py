"""``holystone help``: show help: options and examples of a command."""

from __future__ import annotations

import argparse
import re
from importlib import import_module
from textwrap import wrap

from holystone.cli import exit_codes
from holystone.cli.answer import say
from holystone.cli.commands import COMMANDS
from holystone.cli.finding import no_command
from holystone.cli.parser import Parser, columns
from holystone.cli.session import Failure

ACTIONS = {
    "lease": ("list", "release"),
    "history": ("export",),
    "config": ("show", "check", "schema", "init"),
}
"""The actions that the help of their command tells about."""


def parser() -> argparse.ArgumentParser:
    """The options of ``help``."""
    made = Parser(
        prog="holystone help",
        description="List the commands, or show the options and examples of one.",
        examples=[("holystone help clean", "the same as holystone clean --help")],
    )
    made.add_argument("command", nargs="?", metavar="COMMAND", help="the command to show")
    made.add_argument(
        "action", nargs="?", metavar="ACTION", help="an action of it, as in help lease release"
    )
    return made


def run(options: argparse.Namespace) -> int:
    """Show the help. Raises Failure for a command that does not exist."""
    name: str | None = options.command
    if name is None:
        return say(overview())
    if name not in COMMANDS:
        words = [name] if options.action is None else [name, options.action]
        said = no_command(words, tuple(COMMANDS))
        raise Failure(f"{said} See holystone --help.", exit_codes.USAGE)
    actions = ACTIONS.get(name, ())
    if options.action is not None and options.action not in actions:
        known = f" Its actions are: {', '.join(f'{name} {a}' for a in actions)}." if actions else ""
        said = f"{name} has no action {options.action!r}.{known} See holystone help {name}."
        raise Failure(said, exit_codes.USAGE)

    made: argparse.ArgumentParser = import_module(f"holystone.cli.{name}").parser()
    return say(made.format_help())


def overview() -> str:
    """What ``holystone --help`` says, at most as wide as the terminal."""
    width = max(map(len, COMMANDS))
    commands = "\n".join(f"  {name:<{width}}  {text}" for name, text in COMMANDS.items())
    return _fitted(
        "usage: holystone COMMAND [OPTIONS]\n\n"
        "Keeps the disk of a Docker host in order: removes temporary objects, keeps what the "
        "next build needs, and gives the reason for each object.\n\n"
        f"commands:\n{commands}\n\n"
        "  holystone help COMMAND     the options of a command, with examples\n"
        "  holystone --version        the version\n\n"
        "Options stand before or after the command.\n\n"
        "examples:\n"
        "  holystone plan             show what a clean would remove, and why\n"
        "  holystone clean            remove it\n"
        "  holystone -H demo: plan    the same on the built-in demo host\n\n"
        "exit codes: 0 done, 1 error, 2 changes pending (plan --detailed-exitcode), "
        "3 some steps failed, 4 target not reached, 10 engine unreachable, "
        "11 another run holds the lock, 12 leases cannot be read (deep, a target), "
        "64 usage, 130 interrupted\n"
    )


_WIDEST = 80
_COLUMN = re.compile(r" {2}\S.*? {2,}(?=\S)")
"""The first column of a line that has two."""


def _fitted(text: str) -> str:
    """The lines broken at the terminal's width, the second column below itself."""
    width, lines = min(columns(), _WIDEST), []
    # An exit code stays with the first word of its meaning.
    for line in re.sub(r", (\d+) ", ", \\1\N{NO-BREAK SPACE}", text).split("\n"):
        first = _COLUMN.match(line)
        hanging = " " * (first.end() if first else 0)
        lines += wrap(
            line, width, subsequent_indent=hanging, break_on_hyphens=False, drop_whitespace=True
        ) or [""]
    return "\n".join(lines).replace("\N{NO-BREAK SPACE}", " ")
