"""Find the command in a line that does not begin with one, or suggest what to type instead."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from holystone import __version__
from holystone.cli import exit_codes, finding
from holystone.cli.answer import say
from holystone.cli.commands import COMMANDS
from holystone.cli.help import overview
from holystone.outside.text import safe

_NAMES = tuple(COMMANDS)


def find_command(words: Sequence[str]) -> tuple[str, list[str]] | None:
    """The command and its words; None where no word is a command."""
    return finding.find_command(words, _NAMES)


def no_command(words: Sequence[str]) -> int:
    """Say that there is no command and what was meant; a request for help or version counts."""
    if not words:
        return say(overview()) or exit_codes.USAGE
    place = finding.first_word(words, _NAMES)
    if place is not None:
        said = finding.no_command(words[place:], _NAMES)
    elif unknown := finding.unknown_option(words, _NAMES):
        said = f"{unknown.rstrip('.')}."
    elif not {"-V", "--version"}.isdisjoint(words):
        return say(f"holystone {__version__}\n")
    elif not {"-h", "--help"}.isdisjoint(words):
        return say(overview())
    else:
        said = "no command given. Try: holystone plan."
    sys.stderr.write(f"holystone: {safe(said)} See holystone --help.\n")
    return exit_codes.USAGE
