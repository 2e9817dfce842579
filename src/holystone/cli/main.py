"""Entry point: which command, its options, and how errors end it.

Only the module of the command that runs is imported: the command line has to start fast.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from holystone import __version__
from holystone.cli import exit_codes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

COMMANDS = {
    "status": "what is on the disk and what a clean would free",
    "plan": "what would go, what stays, and why",
    "clean": "remove what the plan lets go",
    "explain": "one object: its verdict and every reason",
    "images": "the image table: size, shared, unique, verdict",
    "config": "what is configured, by which file; check it; begin one",
    "lease": "say which images a job will need, so that no clean takes them",
    "history": "past runs, and what each removed and freed; past uses as a trace",
    "observe": "remember which images were used since the last look",
    "restore": "bring back what a run removed",
    "verify": "find corrupted images, and pull them again",
    "init": "make it part of a CI system, of make, docker or systemd",
    "protect": "learn which images a repository is built on, and protect them",
    "refresh": "pull what registries have anew under the tags that matter",
    "replay": "recorded use under other budgets and orders",
    "advise": "the disk budget and watermarks that this host's use recommends",
}


def entry() -> None:
    """The command itself.

    Leaves without tearing the interpreter down, which for thousands of records takes as long as
    planning with them.
    """
    if sys.__stdout__ is None or sys.__stderr__ is None:
        from holystone.cli.answer import open_closed

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
    if arguments[:1] in (["--version"], ["-V"]):
        return _say(f"holystone {__version__}\n")
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        return _say(_help()) if arguments else _say(_help()) or exit_codes.USAGE
    name = arguments[0]
    if name not in COMMANDS:
        sys.stderr.write(f"holystone: {_unknown(name)}\n")
        return exit_codes.USAGE
    import gc

    from holystone.cli.session import run

    gc.disable()  # One short run: what it makes it needs until the end.
    return run(name, arguments[1:])


def _say(text: str) -> int:
    from holystone.cli.answer import tell

    if trouble := tell(sys.stdout.write, text):
        sys.stderr.write(f"holystone: {trouble}\n")
        return exit_codes.ERROR
    return exit_codes.DONE


def _help() -> str:
    width = max(map(len, COMMANDS))
    commands = "\n".join(f"  {name:<{width}}  {text}" for name, text in COMMANDS.items())
    return (
        "usage: holystone COMMAND [OPTIONS]\n\n"
        "Keeps the disk of a Docker host in order: removes what is temporary, keeps\n"
        "what the next build needs, and says why.\n\n"
        f"commands:\n{commands}\n\n"
        "  holystone COMMAND --help   the options of a command\n"
        "  holystone --version        the version\n\n"
        "exit codes: 0 done, 1 error, 2 changes pending (plan --detailed-exitcode),\n"
        "3 some steps failed, 4 target not reached, 10 engine unreachable,\n"
        "11 another run holds the lock, 64 usage, 130 interrupted\n"
    )


def _unknown(name: str) -> str:
    from difflib import get_close_matches

    if name.startswith("-"):
        return f"options come after the command: holystone COMMAND {name}. See holystone --help."
    near = get_close_matches(name, COMMANDS, 1)
    hint = f" Did you mean {near[0]}?" if near else ""
    return f"there is no command {name!r}.{hint} See holystone --help."
