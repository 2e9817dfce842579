"""Entry point: which command, its options, and how errors end it.

Only the module of the command that runs is imported: the command line has to start fast.
"""

from __future__ import annotations

import os
import re
import signal
import sys
from contextlib import suppress
from textwrap import wrap
from typing import TYPE_CHECKING

from holystone import __version__
from holystone.cli import exit_codes, finding
from holystone.cli.answer import open_closed, tell
from holystone.cli.commands import COMMANDS
from holystone.cli.parser import columns
from holystone.outside.text import safe

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType


def entry() -> None:
    """The command itself.

    Leaves without tearing the interpreter down, which for thousands of records takes as long as
    planning with them.
    """
    if sys.__stdout__ is None or sys.__stderr__ is None:
        open_closed()
    for number in (signal.SIGTERM, signal.SIGHUP):
        # Whoever ignores one, as nohup does, has holystone go on too.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _end)
    try:
        code = main()
    except KeyboardInterrupt:
        with suppress(OSError):  # The terminal may be gone.
            sys.stderr.write("holystone: interrupted\n")
        code = exit_codes.INTERRUPTED
    try:
        with suppress(OSError):
            sys.stderr.flush()
    finally:
        os._exit(code)


def _end(number: int, frame: FrameType | None) -> None:
    """End a run as the first Ctrl-C does: the steps under way are waited for.

    A CI job is cancelled and a service stopped by SIGTERM, a terminal that closes sends SIGHUP.
    Further ones change nothing: a shell and the terminal both send SIGHUP, and systemd sends it
    right after SIGTERM. Only Ctrl-C again waits for nothing any more.
    """
    for each in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    signal.default_int_handler(number, frame)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; answers its exit code. Never raises but for Ctrl-C."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments:
        return say(overview()) or exit_codes.USAGE
    name, rest = arguments[0], arguments[1:]
    if name not in COMMANDS:
        if arguments in (["--version"], ["-V"]):
            name, rest = "version", []
        elif arguments in (["--help"], ["-h"]):
            name, rest = "help", []
        elif name.startswith("-"):
            found = finding.find_command(arguments, tuple(COMMANDS))
            if found is None:
                return _no_command(arguments)
            name, rest = found
        else:
            return _no_command(arguments)
    import gc

    from holystone.cli.session import run

    gc.disable()  # One short run: what it makes it needs until the end.
    return run(name, rest)


def say(text: str) -> int:
    """Write an answer that needs no terminal; answers the exit code."""
    if trouble := tell(sys.stdout.write, text):
        sys.stderr.write(f"holystone: {trouble}\n")
        return exit_codes.ERROR
    return exit_codes.DONE


def overview() -> str:
    """What ``holystone --help`` says, as wide as the terminal at most."""
    width = max(map(len, COMMANDS))
    commands = "\n".join(f"  {name:<{width}}  {text}" for name, text in COMMANDS.items())
    return _fitted(
        "usage: holystone COMMAND [OPTIONS]\n\n"
        "Keeps the disk of a Docker host in order: removes what is temporary, keeps "
        "what the next build needs, and says why.\n\n"
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


def _no_command(words: Sequence[str]) -> int:
    """Say that there is no command, and what was meant; a plea for help or version is heard."""
    names = tuple(COMMANDS)
    place = finding.first_word(words, names)
    if place is not None:
        said = finding.no_command(words[place:], names)
    elif unknown := finding.unknown_option(words, names):
        said = f"{unknown.rstrip('.')}."
    elif not {"-V", "--version"}.isdisjoint(words):
        return say(f"holystone {__version__}\n")
    elif not {"-h", "--help"}.isdisjoint(words):
        return say(overview())
    else:
        said = "no command given. Try: holystone plan."
    sys.stderr.write(f"holystone: {safe(said)} See holystone --help.\n")
    return exit_codes.USAGE
