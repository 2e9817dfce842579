"""The commands of a shell script: words as they are written, with their lines.

Nothing is run and nothing filled in. What is no shell script in full, as text between ``{{ }}``,
still gives the commands around it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

DEEPEST = 20
"""Commands within ``$( )`` within ``$( )`` are read so far down."""
_BREAKS = ";&|\n()"
_QUOTED = re.compile(r"['\"\\]")
_PLAIN = re.compile(r"[^\s;&|()<>'\"\\$`]+")


class Command(NamedTuple):
    """A simple command, or one of the marks ``(`` and ``)`` of a subshell as its only word."""

    words: tuple[str, ...]
    """As they are written: quotes and variables stay in them."""
    line: int
    heredoc: str = ""
    """What follows it after ``<<EOF``."""
    heredoc_line: int = 0


def commands(text: str, first_line: int = 1, depth: int = 0) -> Iterator[Command]:
    """The commands of a script whose first line has this number, in the order of the text."""
    yield from _Lexer(text, first_line, depth).commands()


def unquoted(word: str) -> str:
    """A word without its quotes and escapes; variables stay as they are written."""
    if not _QUOTED.search(word):
        return word
    made, quote, at = [], "", 0
    while at < len(word):
        char = word[at]
        if char in "'\"" and quote in ("", char):
            quote = "" if quote else char
        elif char == "\\" and quote != "'" and at + 1 < len(word):
            at += 1
            made.append(word[at])
        else:
            made.append(char)
        at += 1
    return "".join(made)


class _Lexer:
    """Goes through one text once."""

    def __init__(self, text: str, first_line: int, depth: int) -> None:
        self.text = text
        self.at = 0
        self.line = first_line
        self.depth = depth
        self.words: list[str] = []
        self.word: list[str] | None = None
        self.word_line = first_line
        self.start = first_line
        self.inner: list[tuple[str, int]] = []
        """Commands within the one that is being read, and their lines."""
        self.heredocs: list[tuple[str, bool]] = []
        """The ends of heredocs that begin after this line, and whether tabs before them go."""
        self.redirected = False
        """Whether the next word is the file of a redirection."""

    def commands(self) -> Iterator[Command]:
        while self.at < len(self.text):
            char = self.text[self.at]
            if char in _BREAKS:
                yield from self._break(char)
            elif char in " \t\r":
                self._end_word()
                self.at += 1
            elif char == "#" and self.word is None:
                end = self.text.find("\n", self.at)
                self.at = len(self.text) if end < 0 else end
            elif char in "<>":
                self._redirect()
            else:
                self._char(char)
        yield from self._finished()

    def _break(self, char: str) -> Iterator[Command]:
        if char == "(" and self.word and not self.words and self.text.startswith("()", self.at):
            # A function: what stands in it is read as if it were run here.
            self.word = None
            self.at += 2
            return
        body, line = "", 0
        self.at += 1
        if char == "\n":
            self._end_word()
            self.line += 1
            line = self.line
            body = "".join(self._heredoc(end, tabs=tabs) for end, tabs in self.heredocs)
            self.heredocs = []
        yield from self._finished(body, line)
        if char in "()":
            yield Command((char,), self.line)

    def _finished(self, body: str = "", body_line: int = 0) -> Iterator[Command]:
        """The command that ends here, after those within it."""
        self._end_word()
        inner, self.inner = self.inner, []
        if self.depth < DEEPEST:
            for text, line in inner:
                yield Command(("(",), line)
                yield from commands(text, line, self.depth + 1)
                yield Command((")",), line)
        if self.words:
            yield Command(tuple(self.words), self.start, body, body_line)
        self.words = []
        self.redirected = False

    def _end_word(self) -> None:
        if self.word is not None and not self.redirected:
            if not self.words:
                self.start = self.word_line
            self.words.append("".join(self.word))
        if self.word is not None:
            self.redirected = False
        self.word = None

    def _put(self, text: str) -> None:
        if self.word is None:
            self.word = []
            self.word_line = self.line
        self.word.append(text)
        self.line += text.count("\n")

    def _char(self, char: str) -> None:
        if char == "\\":
            if self.text.startswith("\\\r\n", self.at):
                self.at += 3
                self.line += 1
            elif self.text.startswith("\\\n", self.at):
                self.at += 2
                self.line += 1
            else:
                self._put(self.text[self.at : self.at + 2])
                self.at += 2
        elif char == "'":
            self._until(self.text.find("'", self.at + 1))
        elif char == '"':
            self._quoted()
        elif self.text.startswith("$(", self.at) or char == "`":
            self._substituted()
        elif self.text.startswith("${", self.at):
            self._until(self.text.find("}", self.at))
        else:
            plain = _PLAIN.match(self.text, self.at)
            text = plain[0] if plain else char
            self._put(text)
            self.at += len(text)

    def _until(self, end: int) -> None:
        """Take all up to a place into the word."""
        end = len(self.text) if end < 0 else end + 1
        self._put(self.text[self.at : end])
        self.at = end

    def _quoted(self) -> None:
        self._put('"')
        self.at += 1
        while self.at < len(self.text) and self.text[self.at] != '"':
            if self.text[self.at] == "\\":
                if self.text.startswith("\\\n", self.at):
                    self.line += 1
                else:
                    self._put(self.text[self.at : self.at + 2])
                self.at += 2
            elif self.text.startswith("$(", self.at) or self.text[self.at] == "`":
                self._substituted()
            else:
                self._put(self.text[self.at])
                self.at += 1
        self._put('"')
        self.at += 1

    def _substituted(self) -> None:
        """A command whose output is part of the word: kept as ``$(…)``, and read by itself."""
        opening = 1 if self.text[self.at] == "`" else 2
        begin = self.at + opening
        end = self._backtick(begin) if opening == 1 else _closing(self.text, begin)
        inner = self.text[begin:end]
        self.inner.append((inner, self.line))
        self._put("$(…)")
        self.line += inner.count("\n")
        self.at = end + 1

    def _backtick(self, at: int) -> int:
        end = self.text.find("`", at)
        return len(self.text) if end < 0 else end

    def _redirect(self) -> None:
        if self.word is not None and "".join(self.word).isdigit():
            self.word = None  # 2>
        self._end_word()
        if self.text.startswith("<<<", self.at):
            self.at += 3
        elif self.text.startswith("<<", self.at):
            self._heredoc_begins()
            return
        else:
            self.at += 1
            while self.at < len(self.text) and self.text[self.at] in "<>|&":
                self.at += 1
        if self.text.startswith("(", self.at):
            return  # <( ) is a subshell.
        self.redirected = True

    def _heredoc_begins(self) -> None:
        self.at += 2
        tabs = self.text.startswith("-", self.at)
        self.at += tabs
        while self.text.startswith((" ", "\t"), self.at):
            self.at += 1
        begin = self.at
        while self.at < len(self.text) and self.text[self.at] not in " \t\r\n;&|()<>":
            self.at += 1
        if end := unquoted(self.text[begin : self.at]):
            self.heredocs.append((end, tabs))

    def _heredoc(self, end: str, *, tabs: bool) -> str:
        """The text up to the line that ends it; ``tabs`` may stand before that."""
        begin = at = self.at
        while at < len(self.text):
            stop = self.text.find("\n", at)
            stop = len(self.text) if stop < 0 else stop
            line = self.text[at:stop].removesuffix("\r")
            at = min(len(self.text), stop + 1)
            self.line += 1
            if (line.lstrip("\t") if tabs else line) == end:
                body = self.text[begin : max(begin, stop - len(line))]
                self.at = at
                return body
        self.at = len(self.text)
        return self.text[begin:]


def _closing(text: str, at: int) -> int:
    """Where the parenthesis closes that was opened before ``at``; the end where it does not."""
    depth, quote = 1, ""
    while at < len(text):
        char = text[at]
        if char == "\\" and quote != "'":
            at += 1
        elif char in "'\"" and quote in ("", char):
            quote = "" if quote else char
        elif not quote and char == "(":
            depth += 1
        elif not quote and char == ")":
            depth -= 1
            if not depth:
                return at
        at += 1
    return len(text)
