"""Write the answer to standard output, also if its reader has gone away."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from holystone.cli import exit_codes


def tell(write: Callable[[str], object], text: str) -> str:
    """Write text to standard output now. Returns what went wrong, empty where nothing did.

    A reader that has left (`holystone images | head`) has what it wanted: nothing is wrong, and
    later output goes nowhere. What a full disk did not take is kept for the next call.
    """
    try:
        write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        return f"cannot write to standard output: {error.strerror}"
    return ""


def say(text: str) -> int:
    """Write an answer that needs no terminal. Returns the exit code."""
    if trouble := tell(sys.stdout.write, text):
        sys.stderr.write(f"holystone: {trouble}\n")
        return exit_codes.ERROR
    return exit_codes.DONE


def open_closed() -> None:
    """Give the streams the caller has closed (`>&-`) somewhere to go.

    Else the first file or socket that is opened takes their number.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - to the end
