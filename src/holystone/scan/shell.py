"""The commands of a shell script: words as they are written, with their lines.

Nothing is run and no variable is filled in. If parts are not shell, such as text between ``{{ }}``,
the commands around them are still found.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

DEEPEST = 20
"""Commands within ``$( )`` within ``$( )`` are read so far down."""
_PLAIN = re.compile(r"[^\s;&|()<>'\"\\$`]+")
_PLAIN_QUOTED = re.compile(r"[^\"\\$`]+")
_QUOTES = re.compile(r"'([^']*)'?|\"((?:[^\"\\]|\\.)*)\"?|\\(.)", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_PARENTHESES = re.compile(rf"{_QUOTES.pattern}|[()]", re.DOTALL)


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
    return _QUOTES.sub(lambda each: each[1] or each[3] or _ESCAPED.sub(r"\1", each[2] or ""), word)


class _Lexer:
    """Goes through one text once."""

    def __init__(self, text: str, first_line: int, depth: int) -> None:
        self.text = text
        self.at = 0
        self.line = first_line
        self.depth = depth
        self.words: list[str] = []
        self.start = first_line
        self.word: list[str] | None = None
        self.word_line = first_line
        self.inner: list[tuple[str, int]] = []
        """Commands within the one that is being read, and their lines."""
        self.heredocs: list[tuple[str, bool]] = []
        """The ends of heredocs that begin after this line, and whether tabs before them go."""
        self.redirected = False
        """Whether the next word is the file of a redirection."""

    def commands(self) -> Iterator[Command]:
        while self.at < len(self.text):
            char = self.text[self.at]
            if char in ";&|\n()":
                yield from self._break(char)
            elif char in " \t\r":
                self._end_word()
                self.at += 1
            elif char == "#" and self.word is None:
                self.at = self._find("\n", self.at)
            elif char in "<>":
                self._redirect()
            elif char == '"':
                self._take(self.at + 1)
                while self.at < len(self.text) and self.text[self.at] != '"':
                    self._part(_PLAIN_QUOTED, quoted=True)
                self._put('"')
                self.at += 1
            else:
                self._part(_PLAIN, quoted=False)
        yield from self._finished()

    def _find(self, mark: str, at: int) -> int:
        found = self.text.find(mark, at)
        return len(self.text) if found < 0 else found

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
        for text, line in inner if self.depth < DEEPEST else ():
            yield Command(("(",), line)
            yield from commands(text, line, self.depth + 1)
            yield Command((")",), line)
        if self.words:
            yield Command(tuple(self.words), self.start, body, body_line)
        self.words = []
        self.redirected = False

    def _end_word(self) -> None:
        if self.word is None:
            return
        if not self.redirected:
            if not self.words:
                self.start = self.word_line
            self.words.append("".join(self.word))
        self.redirected = False
        self.word = None

    def _put(self, text: str) -> None:
        if self.word is None:
            self.word = []
            self.word_line = self.line
        self.word.append(text)
        self.line += text.count("\n")

    def _take(self, end: int) -> None:
        """Take all up to a place into the word."""
        self._put(self.text[self.at : end])
        self.at = end

    def _part(self, plain: re.Pattern[str], *, quoted: bool) -> None:
        """Take the next part of a word; ``quoted``: it is in double quotes."""
        text, at = self.text, self.at
        if text.startswith("\\\n", at) or (not quoted and text.startswith("\\\r\n", at)):
            self.at = text.index("\n", at) + 1
            self.line += 1
        elif text[at] == "\\":
            self._take(at + 2)
        elif text.startswith(("$(", "`"), at):
            self._substituted()
        elif text[at] == "'" and not quoted:
            self._take(self._find("'", at + 1) + 1)
        elif text.startswith("${", at) and not quoted:
            self._take(self._find("}", at) + 1)
        else:
            found = plain.match(text, at)
            self._take(found.end() if found else at + 1)

    def _substituted(self) -> None:
        """A command whose output is part of the word: kept as ``$(…)``, and read by itself."""
        is_old = self.text[self.at] == "`"
        begin = self.at + (1 if is_old else 2)
        end = self._find("`", begin) if is_old else _closing(self.text, begin)
        inner = self.text[begin:end]
        self.inner.append((inner, self.line))
        self._put("$(…)")
        self.line += inner.count("\n")
        self.at = end + 1

    def _redirect(self) -> None:
        if self.word is not None and "".join(self.word).isdigit():
            self.word = None  # 2>
        self._end_word()
        text = self.text
        if text.startswith("<<", self.at) and not text.startswith("<<<", self.at):
            self.at += 2
            tabs = text.startswith("-", self.at)
            self.at += tabs
            while text.startswith((" ", "\t"), self.at):
                self.at += 1
            begin = self.at
            while self.at < len(text) and text[self.at] not in " \t\r\n;&|()<>":
                self.at += 1
            if end := unquoted(text[begin : self.at]):
                self.heredocs.append((end, tabs))
            return
        if text.startswith("<<<", self.at):
            self.at += 3
        else:
            self.at += 1
            while self.at < len(text) and text[self.at] in "<>|&":
                self.at += 1
        # <( ) is a subshell.
        self.redirected |= not text.startswith("(", self.at)

    def _heredoc(self, end: str, *, tabs: bool) -> str:
        """The text up to the line that ends it; ``tabs`` may stand before that."""
        begin = self.at
        while self.at < len(self.text):
            stop = self._find("\n", self.at)
            line = self.text[self.at : stop].removesuffix("\r")
            self.at = min(len(self.text), stop + 1)
            self.line += 1
            if (line.lstrip("\t") if tabs else line) == end:
                return self.text[begin : max(begin, stop - len(line))]
        return self.text[begin:]


def _closing(text: str, at: int) -> int:
    """Where the parenthesis closes that was opened before ``at``; the end where it does not."""
    depth = 1
    for mark in _PARENTHESES.finditer(text, at):
        depth += {"(": 1, ")": -1}.get(mark[0], 0)
        if not depth:
            return mark.start()
    return len(text)
