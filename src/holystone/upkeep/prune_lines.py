"""Lines of a repository that prune its Docker host, and what is to stand in their place.

A prune at the end of a job takes what the next one needs: ``docker system prune -a`` the base
images, ``docker builder prune`` the warm build cache.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import NamedTuple

from holystone.learn.files import kind_of, walk
from holystone.regular_file import read_regular

LARGEST = 1_000_000
"""Bytes of a file that is looked at."""
_GAP = r"(?:[ \t]|\\\r?\n)+"
_VALUE = r"(?:\"[^\"\n]*\"|'[^'\n]*'|[^\s;&|\"')]+)"
_OPTION = rf"(?:{_GAP}(?:--filter(?:=|{_GAP}){_VALUE}|-[^\s;&|\"')\],]+))*"
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
_ALONE = re.compile(r"[ \t]*(?:-[ \t]+)?[@-]?[\"']?$")
_END_ALONE = re.compile(r"[\"']?[ \t]*(?:\|\|[ \t]*(?:true|:))?[\"']?[ \t]*(?=\r?\n|\Z)")
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
_PLAIN_END = re.compile(r"[ \t]*(?:[\"'\]),;]|&&|\r?\n|\Z)")
"""Where nothing takes the command's output, or its failure, yet."""


class PruneLine(NamedTuple):
    """One command that prunes, where it stands, and what would stand there instead."""

    path: str
    line: int
    text: str
    """The command as it is written, on one line."""
    level: str
    """Of the clean that takes its place: ``routine`` or ``weekly``."""
    start: int
    end: int
    """Where it stands in the text of the file."""


class PruneFile(NamedTuple):
    """A file with such lines."""

    path: str
    before: str
    after: str
    lines: tuple[PruneLine, ...]
    is_link: bool
    """A link may lead out of the repository: it is told and not changed."""


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
    return PruneFile(path, text, _replaced(text, lines, command), lines, os.path.islink(path))


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
        yield PruneLine(path, number, shown, _level(match), match.start(), match.end())


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


def _level(match: re.Match[str]) -> str:
    """The lowest level that takes this kind of object: only ``weekly`` takes volumes, networks."""
    groups = match.groupdict()
    what = groups.get("what") or groups.get("removed") or ""
    return (
        "weekly"
        if what in ("volume", "network") or what.startswith("volume") or "--volumes" in match[0]
        else "routine"
    )


def _replaced(text: str, lines: tuple[PruneLine, ...], command: str) -> str:
    """The text with a clean in the place of each; lines one below the other become one."""
    made: list[str] = []
    at = 0
    for group in _groups(text, lines):
        level = "weekly" if any(each.level == "weekly" for each in group) else "routine"
        made.append(text[at : group[0].start])
        made.append(f"{command} clean" + (f" {level}" if level != "routine" else ""))
        if _PLAIN_END.match(text, group[0].end):
            made.append(_SAID)
        at = group[0].end
        for each in group[1:]:
            # The whole line goes, with what stands around the command.
            end = text.find("\n", each.end)
            made.append(text[at : text.rfind("\n", 0, each.start) + 1])
            at = len(text) if end < 0 else end + 1
    return "".join([*made, text[at:]])


def _groups(text: str, lines: tuple[PruneLine, ...]) -> Iterator[list[PruneLine]]:
    """Commands that stand alone in lines one below the other, together."""
    group: list[PruneLine] = []
    for each in lines:
        if group and _follows(text, group[-1], each):
            group.append(each)
            continue
        if group:
            yield group
        group = [each]
    if group:
        yield group


def _follows(text: str, before: PruneLine, after: PruneLine) -> bool:
    ends = _alone(text, before), _alone(text, after)
    between = text[before.end : after.start]
    return all(ends) and between.count("\n") == 1


def _alone(text: str, line: PruneLine) -> bool:
    start = text.rfind("\n", 0, line.start) + 1
    return bool(_ALONE.match(text, start, line.start) and _END_ALONE.match(text, line.end))
