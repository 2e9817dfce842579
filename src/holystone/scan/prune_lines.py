"""Find lines of a repository that prune its Docker host, and the lines to replace them.

A prune at the end of a job removes objects that the next one needs: ``docker system prune -a`` the
base images, ``docker builder prune`` the warm build cache.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from holystone.outside.regular_file import read_regular
from holystone.scan.files import ACTION, GITHUB, GITLAB, kind_of, walk
from holystone.scan.prune_places import Span, command_lines

LARGEST = 1_000_000
"""Bytes of a file that is looked at."""
_MOST = 500
"""Files that prune, and commands of one."""
_GAP = r"(?:[ \t]|\\\r?\n)+"
_VALUE = r"(?:\"[^\"\n]*\"|'[^'\n]*'|[^\s;&|\"')\]<>,]+)"
_VALUED = "filter|keep-storage|max-used-space|reserved-space|min-free-space"
_OPTION = rf"(?:{_GAP}(?:--(?:{_VALUED})(?:=|{_GAP}){_VALUE}|-[^\s;&|\"')\]}},<>]+))*"
_PROGRAM = (
    r"(?<![\w./])(?<!\w-)(?:sudo[ \t]+(?:-[EnH][ \t]+)*)?(?:/usr/(?:local/)?bin/)?(?:docker|podman)"
)
_LIST = rf"{_PROGRAM}{_GAP}(?:images|image{_GAP}ls|volume{_GAP}ls)\b"
_REMOVE = rf"{_PROGRAM}{_GAP}(?:rmi|image{_GAP}rm|volume{_GAP}rm){_OPTION}"
_PRUNES = (
    re.compile(
        rf"{_PROGRAM}{_GAP}(?:system|image|container|builder|buildx|volume|network){_GAP}"
        rf"prune\b{_OPTION}(?P<listed>)"
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
_NAMES = re.compile(
    r"(GNU)?[Mm]akefile|.+\.mk|Jenkinsfile.*|.+\.jenkinsfile|.+\.(sh|bash)|justfile|Taskfile\.ya?ml|"
    r"\.drone\.ya?ml|\.woodpecker\.ya?ml|azure-pipelines.*\.ya?ml|bitbucket-pipelines\.yml|"
    r"\.travis\.yml|.*crontab.*"
)
_FOLDERS = re.compile(
    r"(?:.*/)?(?:\.circleci|\.woodpecker|\.buildkite(?:/hooks)?|\.gitlab(?:/.*)?|\.gitlab-ci(?:/.*)?|ci"
    r"|\.?githooks)/[^/]+"
)
_SAID = " || echo HOLYSTONE DID NOT CLEAN THIS HOST"
"""A failed clean is reported, and does not end the job. Plain words mean the same in any quotes."""
_NOT_ALONE = "more than this command stands in its line, or around it"
_QUIET = r"(?:[ \t]*(?:[&12]?>[ \t]*/dev/null\b|2>&1))*"
_MAY_FAIL = r"(?:[ \t]*\|\|[ \t]*(?:true|:)(?!\w))?"
_BETWEEN = re.compile(rf"{_QUIET}{_MAY_FAIL}[ \t]*(?:&&|;)(?:[ \t]|\\\r?\n)*")
_TAIL = re.compile(
    rf"(?P<quiet>{_QUIET})(?P<may_fail>{_MAY_FAIL})"
    r"(?:[ \t]*+;?+[ \t]*+(?:(?<=[ \t;])\#[^\n]*+)?\s*+)"
)
_ASKS_FOR_CODE = re.compile(
    r"[^\n]*\n(?:[^\S\n]*+(?:#[^\n]*+)?\n)*+(?![^\S\n]*+#)[^\n]*(?:\$\?|PIPESTATUS)"
)
"""The next command asks for the exit code of the one before."""

_PLAIN_OPTION = re.compile(
    r"(?<!\S)(?:-[af]+|--all|--force|--volumes)(?!\S)|--filter(?:=|\s+)[\"']?(?:until|dangling)=[^\s\"']+[\"']?"
)
_BUDGET = re.compile(r"--(?:keep-storage|max-used-space|reserved-space)(?:=|\s+)[\"']?(\w+)")
_FILTER = re.compile(r"(?:^|[\s\"'=])(?!--)([a-z]+)!?=")
_TAKES_TAGGED = re.compile(r"\b(?:system|image)\s+prune\b.*\s(?:-f?af?|--all)\b")
_SUDO = re.compile(r"sudo[ \t]+(?:-[EnH][ \t]+)*")
_KINDS = {
    "volumes": re.compile(r"--volumes|\bvolume (?:prune|rm)\b"),
    "networks": re.compile(r"\bnetwork prune\b"),
    "networks of system": re.compile(r"\bsystem prune\b"),
}
"""Commands by the kinds of objects that they take, and a routine clean leaves."""


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
    by_hand: str = ""
    """Why it is not replaced; empty where it is."""
    suggestion: str = ""
    """What could stand in its place."""
    note: str = ""
    """What the old command took and the new one does not."""


class PruneFile(NamedTuple):
    """A file with such lines."""

    path: str
    before: str
    after: str
    lines: tuple[PruneLine, ...]
    is_link: bool
    """A link may lead out of the repository: it is listed and not changed."""

    @property
    def replaced(self) -> tuple[PruneLine, ...]:
        """The lines that a clean can take the place of."""
        return () if self.is_link else tuple(line for line in self.lines if not line.by_hand)


class _Unit(NamedTuple):
    """Commands of one line that one clean takes the place of."""

    lines: list[PruneLine]
    start: int
    end: int
    sudo: str
    rest: str
    """What keeps the clean quiet, or from failing the job."""


def find(folder: str, command: str) -> list[PruneFile]:
    """The files of a repository that prune; ``command`` is how holystone is called."""
    found: list[PruneFile] = []
    for path in walk(folder or ".", lambda *_: None):
        inside = os.path.relpath(path, folder or ".").replace(os.sep, "/")
        if (
            kind_of(path) not in (GITLAB, GITHUB, ACTION)
            and not _NAMES.fullmatch(os.path.basename(path))
            and not _FOLDERS.fullmatch(inside)
        ):
            continue
        try:
            text = read_regular(path, LARGEST).decode()
        except (OSError, ValueError):
            continue
        if lines := list(_lines(path, text)) if _QUICK.search(text) else []:
            after = _replace(path, text, lines, command)
            found.append(PruneFile(path, text, after, tuple(lines), os.path.islink(path)))
            if len(found) >= _MOST:
                break
    return found


def _lines(path: str, text: str) -> Iterator[PruneLine]:
    """The commands of a text that prune, in its order."""
    found = sorted(
        (match for pattern in _PRUNES for match in pattern.finditer(text)),
        key=lambda match: (match.start(), -match.end()),
    )
    last, number, counted = 0, 1, 0
    for match in found[:_MOST]:
        line_start = text.rfind("\n", 0, match.start()) + 1
        if match.start() < last or _COMMENT.search(text[line_start : match.start()][-1000:]):
            continue
        if not _takes_all(match["listed"]):
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
    words = ["", *arguments.split()]
    named = any(
        not word.startswith("-") and word != "\\" and not _TAKES_VALUE.fullmatch(before)
        for before, word in pairwise(words)
    )
    return not named and ("grep" not in piped or "none" in piped or "dangling" in piped)


def _replace(path: str, text: str, lines: list[PruneLine], command: str) -> str:
    """Fill into the lines what becomes of each; returns the text with a clean where one can stand.

    Commands that stand alone in lines one below the other get one clean.
    """
    groups: list[list[_Unit]] = []
    for unit in _units(path, text, lines):
        if groups and _follows(text, groups[-1][-1], unit):
            groups[-1].append(unit)
        else:
            groups.append([unit])
    made: list[str] = []
    told: dict[int, PruneLine] = {}
    at = 0
    for first, *more in groups:
        inside = [each for unit in (first, *more) for each in unit.lines]
        level = _level(inside)
        note = _note(level, inside, command)
        made += [text[at : first.start], first.sudo, _clean(command, level), first.rest]
        at = first.end
        for unit in more:
            # The whole line goes, with what stands around the command.
            made.append(text[at : text.rfind("\n", 0, unit.start) + 1])
            at = (text.find("\n", unit.end) + 1) or len(text)
        for each in inside:
            told[each.start] = each._replace(level=level, note=note)
            note = ""
    for number, each in enumerate(lines):
        level = _level([each])
        lines[number] = told.get(each.start) or each._replace(
            level=level,
            by_hand=_why_by_hand(each.text) or _NOT_ALONE,
            suggestion=_suggestion(each.text, level, command),
            note=_note(level, [each], command),
        )
    return "".join([*made, text[at:]])


def _units(path: str, text: str, lines: Sequence[PruneLine]) -> Iterator[_Unit]:
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
    sudo = {match[0] if (match := _SUDO.match(each.text)) else "" for each in inside}
    tail = _TAIL.fullmatch(text, inside[-1].end, span.end)
    if (
        tail is None
        or len(sudo) > 1
        or text[span.start : inside[0].start].strip()
        or any(_why_by_hand(each.text) for each in inside)
        or not all(_BETWEEN.fullmatch(text, a.end, b.start) for a, b in pairwise(inside))
        or _ASKS_FOR_CODE.match(text[span.end : span.end + 2000])
    ):
        return None
    rest = tail["quiet"] + (tail["may_fail"] or _SAID)
    return _Unit(inside, inside[0].start, tail.end("may_fail"), sudo.pop(), rest)


def _follows(text: str, before: _Unit, after: _Unit) -> bool:
    """Whether both stand alone in their lines, one right below the other, in the same way."""
    if text.count("\n", before.end, after.start) != 1 or before.sudo != after.sudo:
        return False
    first, second = (
        text[text.rfind("\n", 0, unit.start) + 1 : unit.start] for unit in (before, after)
    )
    ends = _END.match(text, before.end) and _END.match(text, after.end)
    return first == second and bool(_START.fullmatch(first) and ends)


def _kinds(lines: Sequence[PruneLine]) -> set[str]:
    return {kind for kind, has in _KINDS.items() if any(has.search(each.text) for each in lines)}


def _level(lines: Sequence[PruneLine]) -> str:
    """``weekly`` takes volumes and networks, and tagged images too: only where these did as well.

    So a clean in the place of commands takes no kind of object that they left.
    """
    tagged = any(
        _TAKES_TAGGED.search(each.text)
        or ("prune" not in each.text and "dangling" not in each.text)
        for each in lines
        if "volume ls" not in each.text
    )
    return "weekly" if tagged and _kinds(lines) - {"networks of system"} else "routine"


def _note(level: str, lines: Sequence[PruneLine], command: str) -> str:
    """What the commands took and a clean of this level does not; empty where nothing."""
    kinds = {kind.split()[0] for kind in _kinds(lines)}
    if level != "routine" or not kinds:
        return ""
    return (
        f"{command} clean takes no {' and no '.join(sorted(kinds, reverse=True))}. {command} clean "
        "weekly does, and takes tagged images that nothing used for 30 days too."
    )


def _why_by_hand(text: str) -> str:
    """What a command says that a clean cannot be told in the same words; empty where nothing."""
    if "podman" in text:
        return "holystone cleans one engine: name Podman's by --host"
    if "sudo" in _SUDO.sub("", text, count=1) or ("sudo" in text and not text.startswith("sudo")):
        return "sudo stands in the middle of it"
    if options := _PLAIN_OPTION.sub("", text.partition(" prune")[2]).split():
        return f"it has {options[0]}, which is said in another way"
    if set(_FILTER.findall(text)) - {"until", "dangling"}:
        return "it has a filter, and a clean has none"
    return ""


def _clean(command: str, level: str) -> str:
    return f"{command} clean" + ("" if level == "routine" else f" {level}")


def _suggestion(text: str, level: str, command: str) -> str:
    """What could stand in the place of a command that is replaced by hand."""
    budget = _BUDGET.search(text)
    return (
        ("sudo " if text.startswith("sudo") else "")
        + _clean(command, level)
        + (f" --cache-budget {budget[1]}" if budget else "")
        + (" --host unix:///run/podman/podman.sock" if "podman" in text else "")
    )
