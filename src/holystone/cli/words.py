"""Separate the options of a command line, with their values, from all other words.

argparse takes the positional arguments of a command from one place and options only after it. Here
both may stand anywhere; this module puts them into the order that argparse understands.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping, Sequence

_NUMBER = re.compile(r"-\d+|-\d*\.\d+")
_FREE_TEXT = frozenset(("sort", "format", "filter"))
"""Options whose values may begin with a dash: ``--sort -size``."""

Options = Mapping[str, argparse.Action]


class Words:
    """The words of a command line, told apart by the options that are known."""

    def __init__(self, known: Options, words: Sequence[str]) -> None:
        self.known = known
        self.options: list[str] = []
        """Each option with its value in one word, as far as it has one."""
        self.others: list[str] = []
        """What is neither an option nor the value of one, in the order given."""
        self.unknown: list[str] = []
        """Options that are not known, without a value."""
        self.cut_off = False
        """Whether the last word is an option that lacks its value."""
        self.first: int | None = None
        """Where the first of ``others`` stands; None where there is none."""
        self._words, self._at = words, 0
        while self._at < len(words):
            word = words[self._at]
            if not self._is_option(word) or word == "--":
                begin = self._at + (word == "--")
                end = len(words) if word == "--" else begin + 1
                if self.first is None and begin < end:
                    self.first = begin
                self.others += words[begin:end]
                self._at = end
                continue
            self._at += 1
            if word.startswith("--") or word.partition("=")[0] in known:
                self._long(word)
            else:
                self._cluster(word)

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
            self.options.append(f"{long_name(action)}={value}")
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
                self.options.append(f"{long_name(action)}={rest.removeprefix('=')}")
                return
            self._valued(action)

    def _valued(self, action: argparse.Action) -> None:
        """An option, with the next word where that is its value."""
        name = long_name(action)
        following = self._words[self._at] if self._at < len(self._words) else None
        if action.nargs == 0:
            self.options.append(name)
        elif following is not None and self._is_value(action, following):
            self._at += 1
            self.options.append(f"{name}={following}")
        elif action.nargs == "?":
            self.options.append(f"{name}={action.const}")
        else:
            self.options.append(name)
            self.cut_off = following is None

    def _is_value(self, action: argparse.Action, word: str) -> bool:
        if action.dest in _FREE_TEXT:
            return word != "--" and word.partition("=")[0] not in self.known
        if action.nargs == "?" and action.choices:
            # Any other word is no value of it: ``clean --volumes deep``.
            return word in action.choices
        return not self._is_option(word) and word != "--"


def long_name(action: argparse.Action) -> str:
    """The option written out, to which a value can be tied by an equals sign."""
    return next((n for n in action.option_strings if n.startswith("--")), action.option_strings[0])
