"""Write a page or picture into the file that was asked for, or to standard output."""

from __future__ import annotations

import sys

from holystone.cli import exit_codes
from holystone.cli.answer import tell
from holystone.cli.session import Failure
from holystone.outside.text import safe, words_of
from holystone.outside.writing import check, write
from holystone.planner.policy import LEVELS

STDOUT = "-"


def check_page(file: str, what: str) -> None:
    """Raise Failure for a file that cannot be written, before the engine is asked.

    Nor is the name of a level taken for a file: more likely a level was meant.
    """
    if file == STDOUT:
        return
    if file in LEVELS:
        said = f"{file!r} is a level of clean, and the {what} has no level: to write a file of this"
        raise Failure(f"{said} name, give ./{file}", exit_codes.USAGE)
    try:
        check(file)
    except (OSError, ValueError) as error:
        raise _refused(file, what, error) from None


def write_page(file: str, text: str, what: str) -> None:
    """Write the text as UTF-8, also where the stream has another encoding. Raises Failure."""
    if file == STDOUT:
        if trouble := tell(_to_stdout, text):
            raise Failure(trouble)
        return
    try:
        write(file, text)
    except (OSError, ValueError) as error:
        raise _refused(file, what, error) from None


def _to_stdout(text: str) -> None:
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode())


def _refused(file: str, what: str, error: Exception) -> Failure:
    said = words_of(error)
    return Failure(f"cannot write the {what} to {safe(file)}: {said[:1].lower()}{said[1:]}")
