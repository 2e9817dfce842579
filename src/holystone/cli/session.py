"""One run of a command: its options, its host, its terminal; and how errors end it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING

from holystone.cli import exit_codes
from holystone.cli.answer import tell
from holystone.operations import errors
from holystone.operations.connect import Session, Wanted, connect
from holystone.outside.text import safe_lines, safe_message

if TYPE_CHECKING:
    from holystone.present.terminal import Output


class Failure(Exception):
    """Ends the command with a message for the user and an exit code."""

    def __init__(self, message: str, code: int = exit_codes.ERROR) -> None:
        super().__init__(message)
        self.code = code


def run(name: str, arguments: Sequence[str]) -> int:
    """Run the command of this name. Returns the exit code."""
    command = import_module(f"holystone.cli.{name}")
    parser = command.parser()
    try:
        options = parser.parse_args(arguments)
        options.parser = parser
    except SystemExit as leaving:
        tell(sys.stdout.write, "")  # The help is on its way.
        return int(leaving.code or exit_codes.DONE)
    try:
        code: int = command.run(options)
    except KeyboardInterrupt:
        warn("interrupted")
        return exit_codes.INTERRUPTED
    except Exception as error:  # noqa: BLE001 - a user has no use for a traceback
        message, code = _ended_by(error)
        if getattr(options, "verbose", False) and code != exit_codes.INTERRUPTED:
            import traceback

            with suppress(OSError):
                sys.stderr.write(safe_lines(traceback.format_exc()))
        warn(message)
    return code


def _ended_by(error: Exception) -> tuple[str, int]:
    """The message of an error that ended a command, and the exit code."""
    if isinstance(error, Failure):
        return str(error), error.code
    wait = ". Wait until it has ended, or give it more time with --wait."
    # The first class that fits counts.
    for kind, code, mend in (
        (errors.EngineUnreachable, exit_codes.ENGINE_UNREACHABLE, ""),
        (errors.RequestError, exit_codes.USAGE, ""),
        (errors.LeasesUnread, exit_codes.LEASES_UNREAD, ""),
        (errors.LockHeld, exit_codes.LOCKED, wait),
        (errors.EngineError, exit_codes.ERROR, ""),
        (errors.OperationError, exit_codes.ERROR, ""),
        (errors.StoreError, exit_codes.ERROR, ""),
    ):
        if isinstance(error, kind):
            return f"{error}{mend}", code
    fault = f"an error in holystone itself, {type(error).__name__}: {error}."
    return f"{fault} Please report it with what -v shows.", exit_codes.ERROR


def warn(message: str) -> None:
    """A note on standard error that does not end the run, made safe."""
    with suppress(OSError):
        sys.stderr.write(f"{safe_message(f'holystone: {message}')}\n")


def answer(output: Output, text: str, *, marked: bool = False) -> None:
    """Write what the command was asked for. Raises Failure where nothing takes it.

    ``marked``: it is safe, and has marks for a CI system's log.
    """
    if trouble := tell(output.write_marked if marked else output.write, text):
        raise Failure(trouble)


def opened(
    options: argparse.Namespace,
    *,
    past: bool = False,
    planned_at: float | None = None,
    ahead: Wanted | None = None,
    watch: bool = False,
    agent: bool = False,
) -> Session:
    """The host the options and the environment name; see ``connect``. Raises EngineError."""

    def reach(host: str | None) -> Session:
        return connect(
            host,
            context=options.context,
            timeout=options.timeout,
            state=options.state,
            warn=warn,
            slow=_say_slow if sys.stderr and sys.stderr.isatty() else None,
            past=past,
            planned_at=planned_at,
            ahead=ahead,
            watch=watch,
            agent=agent,
        )

    try:
        return reach(options.host)
    except errors.EngineUnreachable as error:
        if not getattr(options, "or_demo", False):
            raise
        warn(f"{error}\nThis is the built-in demo host instead; nothing of it is real.")
        options.context = None
        return reach("demo:")


def _say_slow() -> None:
    warn("waiting for the engine to answer (Ctrl-C ends it) ...")
