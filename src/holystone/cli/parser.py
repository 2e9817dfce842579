"""The parser of a command's options: holystone's errors, examples, and options in any place."""

from __future__ import annotations

import argparse
import os
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from shlex import quote
from textwrap import wrap
from typing import Any, NoReturn, TypeVar

from holystone import __version__
from holystone.cli import exit_codes
from holystone.cli.words import Options, Words
from holystone.outside.text import safe

T = TypeVar("T")
Examples = Sequence[tuple[str, str]]
"""Command lines, and what each does in a few words."""


class _Help(argparse.HelpFormatter):
    """Help as wide as the terminal.

    argparse makes one of these for each option, and asks for the width by way of a
    module that takes as long to import as all of argparse.
    """

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=28, width=columns() - 2)


def columns() -> int:
    """How wide a help text may be: as the terminal, within bounds."""
    columns = os.environ.get("COLUMNS", "")
    try:
        width = int(columns) if columns.isdecimal() else os.get_terminal_size().columns
    except OSError:
        width = 100
    return max(40, min(width, 110))


class Parser(argparse.ArgumentParser):
    """The options of a command. They stand in any place; errors end with holystone's usage code."""

    def __init__(
        self,
        prog: str,
        description: str,
        *,
        examples: Examples = (),
        hints: Mapping[str, str] | None = None,
    ) -> None:
        """``hints`` say what to type in place of options that other programs have.

        That of the empty name is for arguments, where the command takes none.
        """
        # An abbreviation in a script would break with the next option that begins like it.
        super().__init__(
            prog=prog, description=description, formatter_class=_Help, allow_abbrev=False
        )
        self.examples = examples
        self.hints = hints or {}
        self.add_argument(
            "-V",
            "--version",
            action="version",
            version=f"holystone {__version__}",
            help="show the version and exit",
        )

    @property
    def known(self) -> Options:
        """The options by name."""
        return self._option_string_actions

    def parse_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> argparse.Namespace:
        """The options; an unknown one is named first, before its value is taken for a level."""
        words = Words(self.known, args or ())
        if words.unknown:
            self.error(self._unknown(words.unknown[0]))
        if words.others and not any(not each.option_strings for each in self._actions):
            hint = f". {self._about_arguments(words.others[0])}" if "" in self.hints else ""
            told = " ".join(repr(each) if each[-1:] in ".?" else each for each in words.others)
            self.error(f"unrecognized arguments: {told}{hint}")
        dashed = any(word.startswith("-") and word != "-" for word in words.others)
        mark = ("--",) if dashed else ()
        return super().parse_args([*words.options, *mark, *words.others], namespace)

    def _unknown(self, option: str) -> str:
        from holystone.cli.finding import commands_with, nearest  # Only where a word was wrong.

        for name in (option, *_meant(option)):
            if hint := self.hints.get(name):
                return f"there is no option {name}: {hint}"

        if others := commands_with(option):
            return f"there is no option {option}: it is an option of {_listed(others)}"
        near = nearest(option, self.known, 1)
        return f"there is no option {option}" + (f" (did you mean {near[0]}?)" if near else "")

    def _about_arguments(self, word: str) -> str:
        """The hint for a command without arguments; a path that was given stands in it."""
        return self.hints[""].replace("PATH", quote(word) if os.path.exists(word) else "PATH")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Name the closest choice as well."""
        try:
            super()._check_value(action, value)
        except argparse.ArgumentError as fault:
            from holystone.cli.finding import nearest

            near = nearest(str(value), map(str, action.choices or ()), 1)
            if not near:
                raise
            message = f"{fault.message}; did you mean {near[0]}?"
            raise argparse.ArgumentError(action, message) from None

    def format_help(self) -> str:
        """The options, then the examples."""
        text = super().format_help()
        if not self.examples:
            return text

        lines = ["", "examples:"]
        for command, told in self.examples:
            lines += [f"  {command}"]
            lines += [f"      {line}" for line in wrap(told, columns() - 8)]
        return text + "\n".join([*lines, ""])

    def error(self, message: str) -> NoReturn:
        """Say what is wrong with the arguments and leave with code 64."""
        if message.startswith("the following arguments are required"):
            for action in self._actions:
                if action.choices and action.required and not action.option_strings:
                    choices = ", ".join(map(str, action.choices))
                    message += f". {action.metavar} is one of {choices}"
        message = safe(message)
        ending = "" if message.endswith(("?", ".")) else "."
        self.exit(exit_codes.USAGE, f"{self.prog}: {message}{ending} See {self.prog} --help.\n")
        raise AssertionError("unreachable: exit leaves")


def _meant(option: str) -> list[str]:
    """What a word with one dash may mean: ``--all`` for ``-all``, ``-a`` and ``-f`` for ``-af``."""
    if option.startswith("--"):
        return []
    return [f"-{option}", *(f"-{letter}" for letter in option[1:])]


def _listed(names: Iterable[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


_NOT_IN_PATHS = ("Cc", "Zl", "Zp")
"""Control characters, and what separates lines and paragraphs."""
_TURNS = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""What turns the direction of the text behind it."""


def path(text: str) -> str:
    """A path that was given; for an argument's ``type``.

    An empty one is what a variable leaves that is not set. One with a line break or the like is
    refused: every message that names it could be taken for several lines.
    """
    if not text:
        raise argparse.ArgumentTypeError(
            "it is empty, as a variable is that is not set. Name a path, or leave the option out"
        )
    if any(unicodedata.category(each) in _NOT_IN_PATHS or each in _TURNS for each in text):
        raise argparse.ArgumentTypeError(
            f"{text!a} has a control character in it. Rename the file or folder"
        )
    return text


def value_of(read: Callable[[str], T]) -> Callable[[str], T]:
    """A reader whose ValueError text becomes the argument's error."""

    def convert(text: str) -> T:
        try:
            return read(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return convert
