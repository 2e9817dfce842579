"""Lines of a repository that prune its Docker host, and what is to stand in their place.

A prune at the end of a job takes what the next one needs: ``docker system prune -a`` the base
images, ``docker builder prune`` the warm build cache.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from holystone.outside.regular_file import read_regular
from holystone.scan.files import kind_of, walk
from holystone.scan.prune_commands import SUDO, PruneLine, level, note, suggestion, why_by_hand
from holystone.scan.prune_places import Span, command_lines

LARGEST = 1_000_000
"""Bytes of a file that is looked at."""
_GAP = r"(?:[ \t]|\\\r?\n)+"
_VALUE = r"(?:\"[^\"\n]*\"|'[^'\n]*'|[^\s;&|\"')\]<>,]+)"
_VALUED = "filter|keep-storage|max-used-space|reserved-space|min-free-space"
_OPTION = rf"(?:{_GAP}(?:--(?:{_VALUED})(?:=|{_GAP}){_VALUE}|-[^\s;&|\"')\]}},<>]+))*"
_PROGRAM = (
    r"(?<![\w./])(?<!\w-)(?:sudo[ \t]+(?:-[EnH][ \t]+)*)?(?:/usr/(?:local/)?bin/)?(?:docker|podman)"
)
_LIST = rf"{_PROGRAM}{_GAP}(?:images|image{_GAP}ls|volume{_GAP}ls)\b"
_REMOVE = rf"{_PROGRAM}{_GAP}(?P<removed>rmi|image{_GAP}rm|volume{_GAP}rm){_OPTION}"
_PATTERNS = (
    re.compile(
        rf"{_PROGRAM}{_GAP}(?P<what>system|image|container|builder|buildx|volume|network){_GAP}"
        rf"prune\b{_OPTION}"
    ),
    re.compile(
        rf"{_REMOVE}{_GAP}[\"']?\$?\$\([ \t]*{_LIST}(?P<listed>[^()\n]{{0,300}})\)[\"']?{_OPTION}"
    ),
    re.compile(rf"{_REMOVE}{_GAP}`[ \t]*{_LIST}(?P<listed>[^`\n]{{0,300}})`{_OPTION}"),
    re.compile(
        rf"{_LIST}(?P<listed>[^\n;&]{{0,300}}?)"
        rf"\|[ \t]*xargs(?:[ \t]+-\S+|[ \t]+\d+)*[ \t]+{_REMOVE}"
    ),
)
_TAKES_VALUE = re.compile(r"-[a-eg-z]*f|--filter|--format")
_QUICK = re.compile(r"prune|rmi?\b")
_COMMENT = re.compile(r"^[ \t]*(?:#|//|\*)|[ \t]#[^\n]*$|\b(?:echo|printf)\b[^;&|\n]*$")
_START = re.compile(r"[ \t]*(?:-[ \t]+)?[@+-]*[\"']?")
_END = re.compile(r"[\"']?[ \t]*+;?[ \t]*+(?=\r?\n|\Z)")
_OTHERS = re.compile(
    r"(GNU)?[Mm]akefile|.+\.mk|Jenkinsfile.*|.+\.jenkinsfile|.+\.(sh|bash)|justfile|Taskfile\.ya?ml|"
    r"\.drone\.ya?ml|\.woodpecker\.ya?ml|azure-pipelines.*\.ya?ml|bitbucket-pipelines\.yml|"
    r"\.travis\.yml|.*crontab.*"
)
_FOLDERS = re.compile(
    r"(?:.*/)?(?:\.circleci|\.woodpecker|\.buildkite(?:/hooks)?|\.gitlab(?:/.*)?|\.gitlab-ci(?:/.*)?|ci"
    r"|\.?githooks)/[^/]+"
)
_MOST = 500
"""Files that prune, and commands of one."""
_SAID = " || echo HOLYSTONE DID NOT CLEAN THIS HOST"
"""A clean that fails is told, and does not end the job. Plain words mean the same in any quotes."""
_NOT_ALONE = "more than this command stands in its line, or around it"
_QUIET = r"(?:[ \t]*(?:[&12]?>[ \t]*/dev/null\b|2>&1))*"
_MAY_FAIL = r"(?:[ \t]*\|\|[ \t]*(?:true|:)(?!\w))?"
_BETWEEN = re.compile(rf"{_QUIET}{_MAY_FAIL}[ \t]*(?:&&|;)(?:[ \t]|\\\r?\n)*")
_TAIL = re.compile(
    rf"(?P<quiet>{_QUIET})(?P<may_fail>{_MAY_FAIL})"
    r"(?P<more>[ \t]*+;?+[ \t]*+(?:(?<=[ \t;])\#[^\n]*+)?\s*+)"
)


class PruneFile(NamedTuple):
    """A file with such lines."""

    path: str
    before: str
    after: str
    lines: tuple[PruneLine, ...]
    is_link: bool
    """A link may lead out of the repository: it is told and not changed."""

    @property
    def replaced(self) -> tuple[PruneLine, ...]:
        """The lines that a clean can take the place of."""
        return () if self.is_link else tuple(line for line in self.lines if not line.by_hand)


class _Unit(NamedTuple):
    """Commands of one line that one clean takes the place of."""

    lines: tuple[PruneLine, ...]
    start: int
    end: int
    sudo: str
    rest: str
    """What keeps the clean quiet, or from failing the job."""


def find(folder: str, command: str) -> list[PruneFile]:
    """The files of a repository that prune; ``command`` is how holystone is called."""
    found: list[PruneFile] = []
    for path in walk(folder or ".", lambda *_: None):
        if len(found) >= _MOST:
            break
        if _is_candidate(path, folder or ".") and (file := _read(path, command)) is not None:
            found.append(file)
    return found


def _is_candidate(path: str, folder: str) -> bool:
    inside = os.path.relpath(path, folder).replace(os.sep, "/")
    name = os.path.basename(path)
    if kind_of(path) in ("GitLab pipeline", "GitHub workflow", "GitHub action"):
        return True
    return bool(_OTHERS.fullmatch(name) or _FOLDERS.fullmatch(inside))


def _read(path: str, command: str) -> PruneFile | None:
    try:
        text = read_regular(path, LARGEST).decode()
    except (OSError, ValueError):
        return None
    lines = tuple(_lines(path, text)) if _QUICK.search(text) else ()
    if not lines:
        return None
    lines, after = _replaced(path, text, lines, command)
    return PruneFile(path, text, after, lines, os.path.islink(path))


def _lines(path: str, text: str) -> Iterator[PruneLine]:
    """The commands of a text that prune, in its order."""
    found = sorted(
        (match for pattern in _PATTERNS for match in pattern.finditer(text)),
        key=lambda match: (match.start(), -match.end()),
    )
    last, number, counted = 0, 1, 0
    for match in found[:_MOST]:
        line_start = text.rfind("\n", 0, match.start()) + 1
        if match.start() < last or _COMMENT.search(text[line_start : match.start()][-1000:]):
            continue
        if not _takes_all(match.groupdict().get("listed") or ""):
            continue
        last = match.end()
        number += text.count("\n", counted, match.start())
        counted = match.start()
        shown = " ".join(match[0].replace("\\\n", " ").split())
        yield PruneLine(path, number, shown, "routine", match.start(), match.end())


def _takes_all(listed: str) -> bool:
    """Whether what follows ``docker images`` lists all of them, or all without a tag.

    What is listed by name is removed by name: no prune.
    """
    arguments, _, piped = listed.partition("|")
    words = arguments.split()
    named = any(
        not word.startswith("-")
        and word != "\\"
        and (at == 0 or not _TAKES_VALUE.fullmatch(words[at - 1]))
        for at, word in enumerate(words)
    )
    return not named and ("grep" not in piped or "none" in piped or "dangling" in piped)


def _replaced(
    path: str, text: str, lines: tuple[PruneLine, ...], command: str
) -> tuple[tuple[PruneLine, ...], str]:
    """The lines with what becomes of each, and the text with a clean where one can stand."""
    made: list[str] = []
    told: dict[int, PruneLine] = {}
    at = 0
    for group in _groups(text, list(_units(path, text, lines))):
        inside = [each for unit in group for each in unit.lines]
        taken = level(inside)
        said = note(taken, inside, command)
        first = group[0]
        made.append(text[at : first.start])
        made.append(f"{first.sudo}{command} clean" + (f" {taken}" if taken != "routine" else ""))
        made.append(first.rest)
        at = first.end
        for unit in group[1:]:
            # The whole line goes, with what stands around the command.
            end = text.find("\n", unit.end)
            made.append(text[at : text.rfind("\n", 0, unit.start) + 1])
            at = len(text) if end < 0 else end + 1
        for each in inside:
            told[each.start] = each._replace(level=taken, note=said)
            said = ""
    left = [
        told.get(each.start)
        or each._replace(
            level=level([each]),
            by_hand=why_by_hand(each.text) or _NOT_ALONE,
            suggestion=suggestion(each, command),
            note=note(level([each]), [each], command),
        )
        for each in lines
    ]
    return tuple(left), "".join([*made, text[at:]])


def _units(path: str, text: str, lines: tuple[PruneLine, ...]) -> Iterator[_Unit]:
    """The command lines that are nothing but prunes."""
    rest = list(lines)
    for span in sorted(command_lines(path, text)):
        while rest and rest[0].start < span.start:
            rest.pop(0)
        inside: list[PruneLine] = []
        while rest and rest[0].end <= span.end:
            inside.append(rest.pop(0))
        if inside and (unit := _unit(text, span, inside)) is not None:
            yield unit


def _unit(text: str, span: Span, inside: list[PruneLine]) -> _Unit | None:
    if text[span.start : inside[0].start].strip() or any(why_by_hand(x.text) for x in inside):
        return None
    for before, after in pairwise(inside):
        if not _BETWEEN.fullmatch(text, before.end, after.start):
            return None
    sudo = {match[0] if (match := SUDO.match(each.text)) else "" for each in inside}
    tail = _TAIL.fullmatch(text, inside[-1].end, span.end)
    if len(sudo) > 1 or tail is None or _asks_for_code(text, span.end):
        return None
    rest = tail["quiet"] + (tail["may_fail"] or _SAID)
    end = tail.end("may_fail")
    return _Unit(tuple(inside), inside[0].start, end, sudo.pop(), rest)


def _asks_for_code(text: str, end: int) -> bool:
    """Whether the next command asks for the exit code of the one before."""
    for line in text[end : end + 2000].split("\n")[1:]:
        if line.strip() and not line.lstrip().startswith("#"):
            return "$?" in line or "PIPESTATUS" in line
    return False


def _groups(text: str, units: list[_Unit]) -> Iterator[list[_Unit]]:
    """Commands that stand alone in lines one below the other, together."""
    group: list[_Unit] = []
    for each in units:
        if group and _follows(text, group[-1], each):
            group.append(each)
            continue
        if group:
            yield group
        group = [each]
    if group:
        yield group


def _follows(text: str, before: _Unit, after: _Unit) -> bool:
    if text.count("\n", before.end, after.start) != 1 or before.sudo != after.sudo:
        return False
    starts = {text[text.rfind("\n", 0, unit.start) + 1 : unit.start] for unit in (before, after)}
    return len(starts) == 1 and all(
        _START.fullmatch(text, text.rfind("\n", 0, unit.start) + 1, unit.start)
        and _END.match(text, unit.end)
        for unit in (before, after)
    )
