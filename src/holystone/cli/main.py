"""Entry point: which command, its options, and how errors end it.

Only the modules that the run needs are imported: the command line has to start fast.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from holystone import __version__
from holystone.cli import exit_codes
from holystone.cli.answer import open_closed, say
from holystone.cli.commands import COMMANDS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType


def entry() -> None:
    """Run the command and exit the process.

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
    """Run one command. Returns its exit code, and raises nothing but KeyboardInterrupt."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words in (["--version"], ["-V"]):
        return say(f"holystone {__version__}\n")
    name, rest = (words[0], words[1:]) if words else ("", [])
    if words in (["--help"], ["-h"]):
        name, rest = "help", []
    if name not in COMMANDS:
        # The parsers of all commands: only a line that does not begin with a command needs them.
        from holystone.cli import unnamed

        found = unnamed.find_command(words) if name[:1] == "-" else None
        if found is None:
            return unnamed.no_command(words)
        name, rest = found
    from holystone.cli.session import run

    gc.disable()  # One short run: what it makes it needs until the end.
    return run(name, rest)
