"""Where a file has commands of sh that stand alone in their line.

Only there can one command take the place of another without a look at what is around it: nothing
takes its exit code as a condition, no other host runs it, and it is no text of something else.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from holystone.scan.yaml_nodes import events

_LARGEST_YAML = 200_000
"""Characters of YAML that is parsed: PyYAML takes seconds for more."""
_SCRIPTS = frozenset(
    {
        "script", "before_script", "after_script", "pre_get_sources_script", "run", "commands",
        "bash", "cmd", "cmds", "install", "before_install", "before_deploy", "after_deploy",
        "after_success", "after_failure",
    }
)  # fmt: skip
_MAKEFILE = re.compile(r"(GNU)?[Mm]akefile|.+\.mk|justfile")
_JENKINSFILE = re.compile(r"Jenkinsfile.*|.+\.(jenkinsfile|groovy)")
_SHELL = re.compile(r".+\.(sh|bash)")
_SHEBANG = re.compile(r"#!.*\b(?:ba|da|k|z)?sh\b")
_RECIPE = re.compile(r"^[ \t]++[@+-]*+[ \t]*+(?=\S)", re.MULTILINE)
_STEP = re.compile(
    r"(?:^|\{)[ \t]*sh(?:[ \t]+|[ \t]*\([ \t]*)(?P<quote>['\"])(?P<text>[^'\"\n\\]+)(?P=quote)"
    r"[ \t]*+\)?[ \t]*+;?[ \t]*+(?=\}|\r?$)",
    re.MULTILINE,
)
_STEPS = re.compile(
    r"^[ \t]*sh(?:[ \t]+|[ \t]*\([ \t]*)(?:script:[ \t]*)?(?P<q>'''|\"\"\")", re.MULTILINE
)
_END_OF_STEPS = re.compile(r"[ \t]*+\)?[ \t]*+;?[ \t]*+(?=\}|\r?\n|\Z)")
_SPECIAL = re.compile(r"[\\'\"`()#\n]|<<")
_HERE = re.compile(r"<<(-?)[ \t]*\\?([\"']?)([\w.-]+)\2")
_GOES_ON = re.compile(r"(?:&&|\|)[ \t\r]*$")
_CONDITION = re.compile(r"[ \t]*+(?:\w++\(\)[ \t]*+)?+\{?[ \t]*+(?:if|elif|while|until)\b")
_BODY = re.compile(r"(?:^|[;\s])(?:then|do)\b")


class Span(NamedTuple):
    """A command line of sh in the text of a file, with the lines that a backslash joins to it."""

    start: int
    end: int


def command_lines(path: str, text: str) -> list[Span]:
    """The command lines of a file that no quotes, parentheses or conditions hold."""
    return [line for part in _parts(path, text) for line in _lines(text, part.start, part.end)]


def _parts(path: str, text: str) -> Iterator[Span]:
    """The parts of a file that a shell runs."""
    name = os.path.basename(path)
    if name.endswith((".yml", ".yaml")):
        if len(text) <= _LARGEST_YAML and not text.startswith("\ufeff"):
            yield from _of_yaml(text, buildkite="/.buildkite/" in f"/{path}")
    elif _MAKEFILE.fullmatch(name):
        yield from _of_makefile(text, spaces=name == "justfile")
    elif _JENKINSFILE.fullmatch(name):
        yield from _of_jenkinsfile(text)
    elif _SHELL.fullmatch(name) or _SHEBANG.match(text):
        yield Span(0, len(text))


def _of_yaml(text: str, *, buildkite: bool) -> list[Span]:
    found: list[Span] = []
    # Of each collection around: its kind, the key it stands under, the key that waits for a value.
    around: list[list[str | None]] = []
    for event in events(text):
        what = type(event).__name__
        if what in ("MappingEndEvent", "SequenceEndEvent"):
            around.pop()
            _value_read(around)
        elif what in ("MappingStartEvent", "SequenceStartEvent"):
            kind = "map" if what == "MappingStartEvent" else "list"
            around.append([kind, around[-1][2] if around else None, None])
            if kind == "list" and len(around) > 1 and around[-2][0] == "list":
                around[-1][1] = around[-2][1]
        elif what == "AliasEvent":
            _value_read(around)
        elif what == "ScalarEvent":
            if around and around[-1][0] == "map" and around[-1][2] is None:
                around[-1][2] = event.value
                continue
            if _is_script(around, buildkite=buildkite):
                found += _of_scalar(text, event)
            _value_read(around)
    return found


def _value_read(around: list[list[str | None]]) -> None:
    if around and around[-1][0] == "map":
        around[-1][2] = None


def _is_script(around: list[list[str | None]], *, buildkite: bool) -> bool:
    if not around:
        return False
    kind, above, key = around[-1]
    named = above if kind == "list" else key
    if named in _SCRIPTS:
        return True
    if named == "command":
        return buildkite or (kind == "map" and above == "run")
    # A hidden list of GitLab, which scripts take by an anchor or !reference.
    return kind == "list" and len(around) == 2 and (named or "").startswith(".")


def _of_scalar(text: str, event: Any) -> list[Span]:
    """The text of a scalar that stands in the file as the shell gets it."""
    start, end = event.start_mark.index, event.end_mark.index
    style = event.style
    if style == "|":
        return [Span(text.find("\n", start, end) + 1 or end, end)]
    if style == ">":
        return []
    start = start if not style else text.find(style, start, end) + 1
    end -= 1 if style else 0
    written = text[start:end]
    return [] if "\n" in written or written != event.value else [Span(start, end)]


def _of_makefile(text: str, *, spaces: bool) -> Iterator[Span]:
    if ".ONESHELL" in text or "'''" in text or '"""' in text:
        return
    at = 0
    for match in _RECIPE.finditer(text):
        if match.start() < at or not (spaces or match[0].startswith("\t")):
            continue
        at = _line_end(text, match.end())
        if not text[: match.start()].endswith("\\\n"):
            yield Span(match.end(), at)


def _line_end(text: str, start: int) -> int:
    """The end of a line and of those that a backslash joins to it."""
    end = text.find("\n", start)
    while end > 0 and text[end - 1 : end] == "\\":
        end = text.find("\n", end + 1)
    return len(text) if end < 0 else end


def _of_jenkinsfile(text: str) -> Iterator[Span]:
    for step in _STEP.finditer(text):
        yield Span(*step.span("text"))
    at = 0
    while match := _STEPS.search(text, at):
        end = text.find(match["q"], match.end())
        if end < 0:
            return
        at = end + 3
        if _END_OF_STEPS.match(text, at):
            yield Span(match.end(), end)


def _lines(text: str, start: int, end: int) -> Iterator[Span]:
    """The command lines that are no part of a condition."""
    condition = False
    for line in _logical(text, start, end):
        written = text[line.start : line.end]
        begins = bool(_CONDITION.match(written))
        if _BODY.search(written):
            condition = False
        elif begins:
            condition = True
        elif not condition:
            yield line


def _logical(text: str, start: int, end: int) -> Iterator[Span]:
    """Each command line as sh takes it, outside of quotes, parentheses and here documents."""
    held: list[str] = []
    here: list[str] = []
    at = began = start
    while match := _SPECIAL.search(text, at, end):
        sign, at = match[0], match.end()
        before = text[at - 2 : at - 1]
        top = held[-1] if held else ""
        if sign in ("'", '"', "`", "(", ")"):
            _hold(held, sign, before)
        elif top == "'":
            continue
        elif sign == "\\":
            at += 2 if text.startswith("\r\n", at) else 1
        elif sign == "#":
            if top != '"' and before in ("", " ", "\t", "\n", ";"):
                at = _end_of_line(text, at, end)
        elif sign == "<<":
            if not held and (word := _HERE.match(text, at - 2, end)):
                here.append(word[3])
                at = word.end()
        elif not held and not _GOES_ON.search(text[max(began, at - 20) : at - 1]):
            yield Span(began, at - 1)
            began = at = _after_documents(text, at, end, here)
    if not held and began < end:
        yield Span(began, end)


def _hold(held: list[str], sign: str, before: str) -> None:
    """Open or close quotes and parentheses."""
    top = held[-1] if held else ""
    if sign == top and sign != "(":
        held.pop()
    elif top == "'" or (top == '"' and sign == "'"):
        return
    elif sign == ")":
        if top == "(":
            held.pop()
    elif sign != "(" or top != '"' or before == "$":
        held.append(sign)


def _end_of_line(text: str, at: int, end: int) -> int:
    found = text.find("\n", at, end)
    return end if found < 0 else found


def _after_documents(text: str, at: int, end: int, words: list[str]) -> int:
    """Where the here documents end that these words close."""
    while words and at < end:
        line_end = _end_of_line(text, at, end)
        if text[at:line_end].strip() == words[0]:
            words.pop(0)
        at = min(line_end + 1, end)
    return at
