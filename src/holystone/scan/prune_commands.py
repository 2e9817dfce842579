"""One command that prunes: what it takes, and what clean takes its place."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

_PLAIN_OPTION = re.compile(
    r"(?<!\S)(?:-[af]+|--all|--force|--volumes)(?!\S)|--filter(?:=|\s+)[\"']?(?:until|dangling)=[^\s\"']+[\"']?"
)
_BUDGET = re.compile(r"--(?:keep-storage|max-used-space|reserved-space)(?:=|\s+)[\"']?(\w+)")
_FILTER = re.compile(r"(?:^|[\s\"'=])(?!--)([a-z]+)!?=")
_TAKES_TAGGED = re.compile(r"\b(?:system|image)\s+prune\b.*\s(?:-f?af?|--all)\b")
SUDO = re.compile(r"sudo[ \t]+(?:-[EnH][ \t]+)*")


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


def level(lines: Iterable[PruneLine]) -> str:
    """``weekly`` takes volumes and networks, and tagged images too: only where these did as well.

    So a clean in the place of commands takes no kind of object that they left.
    """
    texts = [each.text for each in lines]
    more = any(_kinds(text) - {"networks of system"} for text in texts)
    tagged = any(
        _TAKES_TAGGED.search(text) or ("prune" not in text and "dangling" not in text)
        for text in texts
        if "volume ls" not in text
    )
    return "weekly" if more and tagged else "routine"


def _kinds(text: str) -> set[str]:
    """The kinds of objects of a command that a routine clean leaves."""
    kinds = set()
    if "--volumes" in text or re.search(r"\bvolume (?:prune|rm)\b", text):
        kinds.add("volumes")
    if re.search(r"\bnetwork prune\b", text):
        kinds.add("networks")
    if re.search(r"\bsystem prune\b", text):
        kinds.add("networks of system")
    return kinds


def note(taken: str, lines: Iterable[PruneLine], command: str) -> str:
    """What the commands took and a clean of this level does not; empty where nothing."""
    kinds = {kind.split()[0] for each in lines for kind in _kinds(each.text)}
    if taken != "routine" or not kinds:
        return ""
    told = " and no ".join(sorted(kinds, reverse=True))
    return (
        f"{command} clean takes no {told}. {command} clean weekly does, and takes tagged images "
        "that nothing used for 30 days too."
    )


def why_by_hand(text: str) -> str:
    """What a command says that a clean cannot be told in the same words; empty where nothing."""
    if "podman" in text:
        return "holystone cleans one engine: name Podman's by --host"
    if "sudo" in SUDO.sub("", text, count=1) or ("sudo" in text and not text.startswith("sudo")):
        return "sudo stands in the middle of it"
    if " prune" in text:
        options = _PLAIN_OPTION.sub("", text.partition(" prune")[2]).split()
        if options:
            return f"it has {options[0]}, which is said in another way"
    filters = {name for name in _FILTER.findall(text) if name not in ("until", "dangling")}
    if filters:
        return "it has a filter, and a clean has none"
    return ""


def suggestion(line: PruneLine, command: str) -> str:
    """What could stand in the place of a command that is replaced by hand."""
    taken = level([line])
    words = [command, "clean", *([taken] if taken != "routine" else [])]
    if budget := _BUDGET.search(line.text):
        words += ["--cache-budget", budget[1]]
    if "podman" in line.text:
        words += ["--host", "unix:///run/podman/podman.sock"]
    return ("sudo " if line.text.startswith("sudo") else "") + " ".join(words)
