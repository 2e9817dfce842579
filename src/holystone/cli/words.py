"""The words of a command line told apart: options with their values, and all other words.

argparse takes the positional arguments of a command from one place and options only after it. Here
both may stand anywhere, and what argparse is given is in the order it understands.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

_NUMBER = re.compile(r"-\d+|-\d*\.\d+")
_FREE_TEXT = frozenset(("sort", "format", "filter"))
"""Options whose values may begin with a dash: ``--sort -size``."""

Options = Mapping[str, argparse.Action]


class Words(NamedTuple):
    """A command line, told apart."""

    options: tuple[str, ...]
    """Each option with its value in one word, as far as it has one."""
    others: tuple[str, ...]
    """What is neither an option nor the value of one, in the order given."""
    unknown: tuple[str, ...]
    """Options that are not known, without a value."""
    cut_off: bool
    """Whether the last word is an option that lacks its value."""
    first: int | None
    """Where the first of ``others`` stands; None where there is none."""


def told_apart(known: Options, words: Sequence[str]) -> Words:
    """The words of a command line, where these options are known."""
    return _Reader(known, words).read()


class _Reader:
    """One pass over the words."""

    def __init__(self, known: Options, words: Sequence[str]) -> None:
        self.known = known
        self.words = list(words)
        self.at = 0
        self.options: list[str] = []
        self.others: list[str] = []
        self.unknown: list[str] = []
        self.cut_off = False
        self.first: int | None = None

    def read(self) -> Words:
        while self.at < len(self.words):
            word = self.words[self.at]
            self.at += 1
            if word == "--":
                self._note(self.words[self.at :])
                break
            if not self._is_option(word):
                self.at -= 1
                self._note([word])
            elif word.startswith("--") or word.partition("=")[0] in self.known:
                self._long(word)
            else:
                self._cluster(word)
        return Words(
            tuple(self.options), tuple(self.others), tuple(self.unknown), self.cut_off, self.first
        )

    def _note(self, others: Sequence[str]) -> None:
        """Words that are no option, from here on."""
        if others and self.first is None:
            self.first = self.at
        self.others += others
        self.at += len(others)

    def _is_option(self, word: str) -> bool:
        if not word.startswith("-") or word == "-":
            return False
        if word.partition("=")[0] in self.known:
            return True
        return " " not in word and not _NUMBER.fullmatch(word)

    def _long(self, word: str) -> None:
        """An option that is written out, or one letter alone."""
        name, equals, value = word.partition("=")
        action = self.known.get(name)
        if action is None:
            self.unknown.append(name)
        elif equals:
            self.options.append(f"{_name(action)}={value}")
        else:
            self._valued(action)

    def _cluster(self, word: str) -> None:
        """Letters that stand together: ``-vH demo:``, ``-Hdemo:``."""
        for place, letter in enumerate(word[1:], start=2):
            action = self.known.get(f"-{letter}")
            if action is None:
                self.unknown.append(word if place == 2 else f"-{letter}")
                return
            rest = word[place:]
            if action.nargs != 0 and rest:
                self.options.append(f"{_name(action)}={rest.removeprefix('=')}")
                return
            self._valued(action)

    def _valued(self, action: argparse.Action) -> None:
        """An option, with the next word where that is its value."""
        name = _name(action)
        following = self.words[self.at] if self.at < len(self.words) else None
        if action.nargs == 0:
            self.options.append(name)
        elif action.nargs == "?":
            # Any other word is no value of it: ``clean --volumes deep``.
            if following is not None and following in (action.choices or ()):
                self.at += 1
                self.options.append(f"{name}={following}")
            else:
                self.options.append(f"{name}={action.const}")
        elif following is not None and self._is_value(action, following):
            self.at += 1
            self.options.append(f"{name}={following}")
        else:
            self.options.append(name)
            self.cut_off = following is None

    def _is_value(self, action: argparse.Action, word: str) -> bool:
        if action.dest in _FREE_TEXT:
            return word != "--" and word.partition("=")[0] not in self.known
        return not self._is_option(word) and word != "--"


def _name(action: argparse.Action) -> str:
    """The option written out, to which a value can be tied by an equals sign."""
    return next(
        (name for name in action.option_strings if name.startswith("--")), action.option_strings[0]
    )
