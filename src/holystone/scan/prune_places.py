"""Find commands of sh that stand alone on their line in a file.

Only there is it safe to replace a command without a look at its context: its exit code is no
condition, no other host runs it, and it is not part of another text.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
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


def command_lines(path: str, text: str) -> Iterator[Span]:
    """The command lines of a file that no quotes, parentheses or conditions hold."""
    for part in _parts(path, text):
        condition = False
        for line in _logical(text, part.start, part.end):
            written = text[line.start : line.end]
            if _BODY.search(written):
                condition = False
            elif _CONDITION.match(written):
                condition = True
            elif not condition:
                yield line


def _parts(path: str, text: str) -> Iterable[Span]:
    """The parts of a file that a shell runs."""
    name = os.path.basename(path)
    if name.endswith((".yml", ".yaml")):
        is_read = len(text) <= _LARGEST_YAML and not text.startswith("\ufeff")
        return _of_yaml(text, buildkite="/.buildkite/" in f"/{path}") if is_read else ()
    if _MAKEFILE.fullmatch(name):
        return _of_makefile(text, spaces=name == "justfile")
    if _JENKINSFILE.fullmatch(name):
        return _of_jenkinsfile(text)
    return [Span(0, len(text))] if _SHELL.fullmatch(name) or _SHEBANG.match(text) else []


class _Around(NamedTuple):
    """A collection of YAML around a value."""

    is_map: bool
    above: str | None
    """The key it stands under, a list in a list that of the outer one."""
    keys: list[str]
    """The key that waits for its value, if any."""


def _of_yaml(text: str, *, buildkite: bool) -> Iterator[Span]:
    around: list[_Around] = []
    for event in events(text):
        what = type(event).__name__.removesuffix("Event")
        inside = around[-1] if around else _Around(is_map=False, above=None, keys=[])
        if what in ("MappingStart", "SequenceStart"):
            is_map = what == "MappingStart"
            above = inside.above if not inside.is_map and not is_map else None
            around.append(_Around(is_map, inside.keys[0] if inside.keys else above, []))
            continue
        if what == "Scalar" and inside.is_map and not inside.keys:
            inside.keys.append(event.value)
            continue
        if what in ("MappingEnd", "SequenceEnd"):
            around.pop()
        elif what == "Scalar" and _is_script(around, buildkite=buildkite):
            yield from _of_scalar(text, event)
        if around and what in ("MappingEnd", "SequenceEnd", "Alias", "Scalar"):
            around[-1].keys.clear()


def _is_script(around: list[_Around], *, buildkite: bool) -> bool:
    if not around:
        return False
    is_map, above, keys = around[-1]
    named = keys[0] if is_map else above
    if named == "command":
        return buildkite or (is_map and above == "run")
    # A hidden list of GitLab, which scripts take by an anchor or !reference.
    is_hidden = not is_map and len(around) == 2 and (named or "").startswith(".")
    return named in _SCRIPTS or is_hidden


def _of_scalar(text: str, event: Any) -> Iterator[Span]:
    """The text of a scalar that stands in the file as the shell gets it."""
    start, end, style = event.start_mark.index, event.end_mark.index, event.style
    if style == "|":
        yield Span(text.find("\n", start, end) + 1 or end, end)
    elif style != ">":
        if style:
            start, end = text.find(style, start, end) + 1, end - 1
        if "\n" not in event.value and text[start:end] == event.value:
            yield Span(start, end)


def _of_makefile(text: str, *, spaces: bool) -> Iterator[Span]:
    if ".ONESHELL" in text or "'''" in text or '"""' in text:
        return
    at = 0
    for match in _RECIPE.finditer(text):
        if match.start() < at or not (spaces or match[0].startswith("\t")):
            continue
        at = _find(text, "\n", match.end(), len(text))
        while at < len(text) and text[at - 1] == "\\":
            at = _find(text, "\n", at + 1, len(text))
        if not text[: match.start()].endswith("\\\n"):
            yield Span(match.end(), at)


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
                at = _find(text, "\n", at, end)
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


def _after_documents(text: str, at: int, end: int, words: list[str]) -> int:
    """Where the here documents end that these words close."""
    while words and at < end:
        line_end = _find(text, "\n", at, end)
        if text[at:line_end].strip() == words[0]:
            words.pop(0)
        at = min(line_end + 1, end)
    return at


def _find(text: str, mark: str, at: int, end: int) -> int:
    found = text.find(mark, at, end)
    return end if found < 0 else found
