"""Variables and the current folder of a shell script at one place in it."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterator, Sequence

from holystone.scan.shell import unquoted
from holystone.scan.variables import Lookup, NoValue, Syntax, expand

_SHELL = Syntax(escape="\\", quotes=True)
_MOST_ALTERNATIVES = 100
_MOST_VARIABLES = 1_000
_MOST_TEXT = 10_000_000
"""Characters of all that the words of a pipeline's scripts come to."""
ASSIGNED = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(\+?=)")
_NAMED = re.compile(r"\$\{?([A-Za-z_][A-Za-z0-9_]*)")
_WHOLE = re.compile(r"\$\{?([A-Za-z_][A-Za-z0-9_]*)\}?")
_ARGUMENT = re.compile(r"\$\{?[0-9@*#?!-]")
_OPTIONS = re.compile(r"OPT|ARG|FLAG|PARAM", re.IGNORECASE)
"""In the name of a variable that holds options."""
_PROJECT = ("CI_PROJECT_DIR", "GITHUB_WORKSPACE", "WORKSPACE", "PWD")
"""Variables with the folder that a job's script begins in."""


class Scope:
    """Variables and the folder, as the commands up to here leave them."""

    def __init__(self, root: str, lookup: Lookup, spent: list[int]) -> None:
        """``root`` is the folder of the repository, ``lookup`` has the variables of the job.

        ``spent`` counts the characters that words came to.
        """
        self.spent = spent
        self.root = root
        self.outer = lookup
        self.folder: str | None = root
        """None where that is not known."""
        self.values: dict[str, list[str | NoValue]] = {}
        """All the values that a variable may have, NoValue for one that only a run can tell."""

    def copy(self) -> Scope:
        """What a subshell begins with."""
        made = Scope(self.root, self.outer, self.spent)
        made.folder = self.folder
        made.values = dict(self.values)
        return made

    def loop(self, words: Sequence[str]) -> None:
        """``for NAME in …``: its variable has all these values."""
        if len(words) > 2 and words[2] == "in":
            self._set(words[1], [v for word in words[3:] for v in self._values(word, split=True)])

    def assign(self, word: str, *, certain: bool) -> None:
        """``NAME=VALUE``; not ``certain``: the variable may keep what it had."""
        match = ASSIGNED.match(word)
        if not match:
            return
        values = self._values(word[match.end() :], split=False)
        if match[2] == "+=":
            values = [NoValue(f"{match[1]} is put together step by step")]
        if not certain:
            before = self.values.get(match[1], [])
            known = set(map(repr, before))  # Of equal reasons one.
            values = [*before, *(each for each in values if repr(each) not in known)]
        self._set(match[1], values)

    def _values(self, word: str, *, split: bool) -> list[str | NoValue]:
        values: list[str | NoValue] = []
        try:
            values += self.texts(word, split=split)
        except NoValue as missing:
            values = [*(values if split else ()), missing]
        return values

    def _set(self, name: str, values: list[str | NoValue]) -> None:
        if name in self.values or len(self.values) < _MOST_VARIABLES:
            self.values[name] = values[:_MOST_ALTERNATIVES]

    def options_filled_in(self, words: Sequence[str]) -> list[str]:
        """The words, with those in the place of variables that hold options or nothing."""
        made: list[str] = []
        for word in words:
            match = _WHOLE.fullmatch(word)
            if not match:
                made.append(word)
                continue
            try:
                texts = list(self.texts(word, split=True))
            except NoValue:
                # Its value would be options, and what follows is the image.
                texts = [] if _OPTIONS.search(match[1]) else [word]
            is_plain = len(self.values.get(match[1], ())) < 2
            made += texts if is_plain and (not texts or texts[0][:1] == "-") else [word]
        return made

    def texts(self, word: str, *, split: bool = False) -> Iterator[str]:
        """What a word may come to. Raises NoValue."""
        if "$(" in word:
            raise NoValue("the output of a command gives it")
        if _ARGUMENT.search(word):
            raise NoValue("an argument of the script gives it")
        names = [n for n in dict.fromkeys(_NAMED.findall(word)) if len(self.values.get(n, ())) > 1]
        ways = itertools.product(*(self.values[name] for name in names))
        for way in itertools.islice(ways, _MOST_ALTERNATIVES):
            chosen = dict(zip(names, way, strict=True))

            def lookup(name: str, chosen: dict[str, str | NoValue] = chosen) -> str | None:
                if name not in self.values:
                    return self.outer(name)
                value = chosen[name] if name in chosen else next(iter(self.values[name]), "")
                if isinstance(value, NoValue):
                    raise value
                return value

            text = expand(word, lookup, _SHELL)
            self.spent[0] += len(text)
            if self.spent[0] > _MOST_TEXT:
                raise NoValue("the scripts come to far too much text")
            yield from text.split() if split and '"' not in word else (text,)

    def path(self, word: str) -> Iterator[str]:
        """The paths a word may come to, from the folder of the job. Raises NoValue."""
        if self.folder is None:
            raise NoValue("in a folder that only a run can tell")
        for name in _PROJECT:
            for written in (f"${{{name}}}", f"${name}"):
                bare = word.lstrip('"')
                if bare.startswith(written) and not bare[len(written) :][:1].isalnum():
                    rest = unquoted(bare[len(written) :]).lstrip("/")
                    top = self.folder if name == "PWD" else self.root
                    word = os.path.join(top, rest)
        for text in self.texts(word):
            yield os.path.normpath(os.path.join(self.folder, text)) if text else self.folder
