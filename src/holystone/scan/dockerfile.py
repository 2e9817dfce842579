"""The instructions of a Dockerfile, as BuildKit reads them (``frontend/dockerfile/parser``)."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import NamedTuple

from holystone.scan.findings import Unreadable

INSTRUCTIONS = frozenset(
    (
        "add", "arg", "cmd", "copy", "entrypoint", "env", "expose", "from", "healthcheck", "label",
        "maintainer", "onbuild", "run", "shell", "stopsignal", "user", "volume", "workdir",
    )
)  # fmt: skip
_WITH_HEREDOCS = ("add", "copy", "run")
_TEMPLATE_MARKS = ("{{", "{%", "<%", "{#", "@", "$", "%")
_DIRECTIVE = re.compile(r"#[ \t]*([A-Za-z][A-Za-z0-9]*)[ \t]*=[ \t]*(\S.*)")
_FLAG = re.compile(r"--([a-z][a-z0-9-]*)(?:=(\S*))?(?:\s+|$)")
_HEREDOC = re.compile(r"\d*<<(-?)([^<]+)")


class Instruction(NamedTuple):
    """One instruction."""

    name: str
    """In lower case."""
    flags: tuple[tuple[str, str], ...]
    """``--platform=linux/amd64`` as ``platform`` and its value."""
    text: str
    line: int


class Dockerfile(NamedTuple):
    """What a Dockerfile says."""

    instructions: tuple[Instruction, ...]
    syntax: str
    """The image that reads it; empty where it names none."""
    syntax_line: int
    escape: str


def parse(text: str, first_line: int = 1) -> Dockerfile:
    """The instructions of a text whose first line has this number. Raises Unreadable."""
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    directives, at = _directives(lines, first_line)
    escape, escape_line = directives.get("escape", ("\\", 0))
    if escape not in ("\\", "`"):
        shown = f"is {escape!r}, and" if len(escape) == 1 else "is more than one character, and"
        raise Unreadable(f"escape {shown} can only be \\ or `", escape_line)
    continued = re.compile(rf"(.*[^{re.escape(escape)}])?{re.escape(escape)}[ \t]*", re.DOTALL)
    found = []
    while at < len(lines):
        start = at
        line = lines[at].lstrip(" \t\v\f")
        at += 1
        if not line.strip() or line.startswith("#"):
            continue
        parts = []
        while match := continued.fullmatch(line):
            parts.append(match[1] or "")
            # Comments and empty lines between the parts do not end the instruction.
            while at < len(lines) and (not lines[at].strip() or lines[at].lstrip()[:1] == "#"):
                at += 1
            if at == len(lines):
                line = ""
                break
            line = lines[at]
            at += 1
        instruction = _instruction("".join([*parts, line]), first_line + start)
        if instruction is not None:
            found.append(instruction)
            at = _after_heredocs(instruction, lines, at)
    syntax, syntax_line = directives.get("syntax", ("", 0))
    return Dockerfile(tuple(found), syntax, syntax_line, escape)


def words(text: str, escape: str) -> list[str]:
    """The text split at blanks outside of quotes; quotes and escapes stay in the words."""
    found: list[str] = []
    word, quote, at = "", "", 0
    while at < len(text):
        char = text[at]
        taken = char
        if char == escape and quote != "'" and at + 1 < len(text):
            taken = text[at : at + 2]
        elif char in "'\"" and quote in ("", char):
            quote = "" if quote else char
        elif char.isspace() and not quote:
            if word:
                found.append(word)
            word, taken = "", ""
        word += taken
        at += len(taken) or 1
    return [*found, word] if word else found


def _directives(lines: list[str], first_line: int) -> tuple[dict[str, tuple[str, int]], int]:
    """``# escape=`` and its like, which stand above everything else; and where they end."""
    found: dict[str, tuple[str, int]] = {}
    for at, line in enumerate(lines):
        match = _DIRECTIVE.fullmatch(line.strip())
        if not match or match[1].lower() not in ("syntax", "escape", "check"):
            return found, at
        found.setdefault(match[1].lower(), (match[2].strip(), first_line + at))
    return found, len(lines)


def _instruction(text: str, line: int) -> Instruction | None:
    word, _, rest = text.strip().partition(" ")
    if "\t" in word:
        word, _, more = text.strip().partition("\t")
        rest = more
    name = word.lower()
    if not name:
        return None
    if name not in INSTRUCTIONS:
        if mark := next((each for each in _TEMPLATE_MARKS if word.startswith(each)), ""):
            why = f"a template, with {mark!r}: it is a Dockerfile only once it is filled in"
            raise Unreadable(why, line)
        # What may be anything else, a list of passwords too, is not quoted.
        typo = word.isalpha() and get_close_matches(name[:40], INSTRUCTIONS, 1)
        shown = repr(word) if typo else "what the line begins with"
        raise Unreadable(f"it is no Dockerfile: {shown} is no instruction", line)
    flags = []
    rest = rest.strip()
    at = 0
    while match := _FLAG.match(rest, at):
        flags.append((match[1], match[2] or ""))
        at = match.end()
    return Instruction(name, tuple(flags), rest[at:], line)


def _after_heredocs(instruction: Instruction, lines: list[str], at: int) -> int:
    """Where the file goes on behind the heredocs of an instruction. Raises Unreadable."""
    name, text = instruction.name, instruction.text
    if name == "onbuild":
        name, _, text = text.partition(" ")
    if name.lower() not in _WITH_HEREDOCS or "<<" not in text or text.startswith("["):
        return at
    for word in words(text, "\\"):
        match = _HEREDOC.fullmatch(word)
        if not match or len(end := words(match[2], "\\")) != 1:
            continue
        mark = re.sub(r"[\"'\\]", "", end[0])
        while at < len(lines):
            line = lines[at].lstrip("\t") if match[1] else lines[at]
            at += 1
            if line == mark:
                break
        else:
            raise Unreadable(f"it is no Dockerfile: <<{mark} has no end", instruction.line)
    return at
