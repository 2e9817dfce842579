"""The instructions of a Dockerfile as BuildKit reads them, and the images it builds on.

The rules of the text are those of ``frontend/dockerfile/parser``. Stages and ``scratch`` are no
images.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import NamedTuple

from holystone.scan.findings import (
    FRONTEND,
    SCRATCH,
    STAGE,
    VARIABLE,
    Learned,
    Place,
    Unreadable,
    template_mark,
)
from holystone.scan.variables import NoValue, Syntax, expand

INSTRUCTIONS = frozenset(
    (
        "add", "arg", "cmd", "copy", "entrypoint", "env", "expose", "from", "healthcheck", "label",
        "maintainer", "onbuild", "run", "shell", "stopsignal", "user", "volume", "workdir",
    )
)  # fmt: skip
_WITH_HEREDOCS = ("add", "copy", "run")
_OF_THE_BUILD = frozenset(
    ["TARGETSTAGE"]
    + [
        f"{of}{part}"
        for of in ("TARGET", "BUILD")
        for part in ("PLATFORM", "OS", "ARCH", "VARIANT")
    ]
)
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

    @property
    def stage(self) -> str:
        """The name that FROM gives its stage, in lower case; empty where it gives none."""
        parts = self.text.split()
        return parts[-1].lower() if len(parts) > 2 and parts[-2].lower() == "as" else ""


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
    directives: dict[str, tuple[str, int]] = {}
    at = 0
    # These stand above everything else.
    while at < len(lines) and (match := _DIRECTIVE.fullmatch(lines[at].strip())):
        if match[1].lower() not in ("syntax", "escape", "check"):
            break
        directives.setdefault(match[1].lower(), (match[2].strip(), first_line + at))
        at += 1
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
            line = lines[at] if at < len(lines) else ""
            at = min(at + 1, len(lines))
        if written := "".join([*parts, line]).strip():
            found.append(_instruction(written, first_line + start))
            at = _after_heredocs(found[-1], lines, at)
    return Dockerfile(tuple(found), *directives.get("syntax", ("", 0)), escape)


def words(text: str, escape: str) -> list[str]:
    """The text split at blanks outside of quotes; quotes and escapes stay in the words."""
    mark = re.escape(escape)
    quoted = rf"'[^']*'?|\"(?:[^\"{mark}]|{mark}.)*\"?"
    return re.findall(rf"(?:{mark}.|{quoted}|\S)+", text, re.DOTALL)


def _instruction(text: str, line: int) -> Instruction:
    word, _, rest = text.partition(" ")
    if "\t" in word:
        word, _, rest = text.partition("\t")
    name = word.lower()
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


def read_inline(
    learned: Learned,
    text: str,
    place: Place,
    arguments: Mapping[str, str],
    contexts: frozenset[str],
) -> None:
    """Learn the images of a Dockerfile that begins at a place of another file."""
    try:
        read(learned, parse(text, place.line), place.file, arguments, contexts)
    except Unreadable as fault:
        learned.unreadable(place.file, fault)


def read(
    learned: Learned,
    dockerfile: Dockerfile,
    file: str,
    arguments: Mapping[str, str],
    contexts: frozenset[str] = frozenset(),
) -> None:
    """Learn the images of a Dockerfile, built with these arguments and named contexts.

    Raises Unreadable.
    """
    if dockerfile.syntax:
        why = "reads the Dockerfile; BuildKit keeps it in the build cache"
        learned.leave(dockerfile.syntax, Place(file, dockerfile.syntax_line), FRONTEND, why)
    reader = _Reader(learned, dockerfile, arguments, contexts)
    began = False
    for instruction in dockerfile.instructions:
        place = Place(file, instruction.line)
        if instruction.name == "arg" and not began:
            reader.declare(instruction)
        elif instruction.name == "from":
            reader.base(instruction, place)
            began = True
        elif instruction.name in ("copy", "run"):
            for name, value in instruction.flags:
                if name == "from" and instruction.name == "copy":
                    reader.source(value, place)
                elif name == "mount" and instruction.name == "run":
                    fields = (field.strip("\"'").partition("=") for field in value.split(","))
                    said = (said for key, _, said in fields if key.lower() == "from")
                    # Without one it mounts from the build's own context.
                    if mounted := next(said, ""):
                        reader.source(mounted, place)


class _Reader:
    """What is known of a Dockerfile up to an instruction."""

    def __init__(
        self,
        learned: Learned,
        dockerfile: Dockerfile,
        arguments: Mapping[str, str],
        contexts: frozenset[str],
    ) -> None:
        self.learned = learned
        self.arguments = arguments
        self.contexts = contexts
        self.syntax = Syntax(escape=dockerfile.escape, quotes=True)
        self.declared: dict[str, str | NoValue | None] = {}
        """Of each ARG before the first FROM its value, why it has none, or None."""
        self.above: set[str] = set()
        """Names of the stages above."""
        self.stages = {each.stage for each in dockerfile.instructions if each.name == "from"} - {""}

    def declare(self, instruction: Instruction) -> None:
        for word in words(instruction.text, self.syntax.escape):
            name, given, default = word.partition("=")
            value: str | NoValue | None = self.arguments.get(name)
            if given and name not in self.arguments:
                try:
                    value = expand(default, self._value, self.syntax)
                except NoValue as missing:
                    value = missing
            self.declared[name] = value

    def _value(self, name: str) -> str | None:
        """What a variable stands for in FROM. Raises NoValue."""
        value = self.declared.get(name)
        if isinstance(value, NoValue):
            raise value
        if value is None and name in _OF_THE_BUILD:
            raise NoValue(f"{name} is known only to a build")
        return value

    def base(self, instruction: Instruction, place: Place) -> None:
        """The image of a FROM. Raises Unreadable."""
        parts = instruction.text.split()
        if len(parts) == 1 or (len(parts) == 3 and parts[1].lower() == "as"):
            self._from(parts[0], place)
        elif template_mark(instruction.text):
            self.learned.use(instruction.text, place)
        else:
            raise Unreadable("it is no Dockerfile: FROM takes IMAGE or IMAGE AS NAME", place.line)
        self.above |= {instruction.stage} - {""}

    def _from(self, written: str, place: Place) -> None:
        if template_mark(written):
            self.learned.use(written, place)
            return
        try:
            image = expand(written, self._value, self.syntax)
        except NoValue as missing:
            self.learned.leave(written, place, VARIABLE, str(missing))
            return
        if image == "scratch":
            self.learned.leave(image, place, SCRATCH, "the empty image")
        elif not self._is_stage(image, place, self.above):
            self.learned.use(image, place)

    def source(self, written: str, place: Place) -> None:
        """The image, stage or context that files are copied from."""
        name = written.strip("\"'")
        if "$" in name and not template_mark(name):
            self.learned.leave(name, place, VARIABLE, "docker fills in no variables here")
        elif not self._is_stage(name, place, self.stages, numbered=True) and name not in (
            "", "scratch",
        ):  # fmt: skip
            self.learned.use(name, place)

    def _is_stage(
        self, name: str, place: Place, stages: set[str], *, numbered: bool = False
    ) -> bool:
        """Whether a name is a stage or a context of the build, which is noted."""
        if name in self.contexts:
            self.learned.leave(name, place, STAGE, "a context of the build")
        elif name.lower() in stages or (numbered and name.isdecimal()):
            self.learned.leave(name, place, STAGE, "a stage of this Dockerfile")
        else:
            return False
        return True
