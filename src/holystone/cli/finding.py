"""Which command a command line means where it begins with options; and what to type instead.

Which options take a value is known by each command's own parser, so that one is asked: the command
is the first word that is one, and before which all is options of that command.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from importlib import import_module

from holystone.cli.commands import COMMANDS
from holystone.cli.words import Options, told_apart

_CLOSE = 0.66
"""Two letters of three may have changed places: ``--fro`` is close to ``--for``."""
_LEAST = 3
"""Letters from which on the beginning of a word means it."""


_DOCKER = {
    "prune": "clean",
    "df": "status",
    "ls": "images",
    "list": "images",
    "ps": "plan --all",
    "rm": "clean",
    "rmi": "clean",
    "gc": "clean",
    "cleanup": "clean",
    "purge": "clean",
    "info": "status",
    "inspect": "explain NAME",
    "why": "explain NAME",
    "system df": "status",
    "system prune": "clean",
    "system info": "status",
    "system events": "observe",
    "image ls": "images",
    "image list": "images",
    "image prune": "clean",
    "image rm": "clean",
    "image inspect": "explain NAME",
    "image history": "explain NAME",
    "container prune": "clean",
    "container ls": "plan --all",
    "container list": "plan --all",
    "container rm": "clean",
    "container inspect": "explain NAME",
    "volume ls": "plan --all",
    "volume prune": "clean weekly",
    "volume rm": "clean weekly",
    "volume inspect": "explain NAME",
    "network ls": "plan --all",
    "network prune": "clean weekly",
    "network rm": "clean weekly",
    "network inspect": "explain NAME",
    "builder prune": "clean",
    "buildx prune": "clean",
    "builder du": "status",
    "buildx du": "status",
    "pull": "refresh NAME --missing",
    "update": "refresh",
    "upgrade": "refresh",
    "undo": "restore",
    "rollback": "restore",
    "log": "history",
    "logs": "history",
    "runs": "history",
    "events": "observe",
    "check": "verify",
    "fsck": "verify",
    "repair": "verify --repair",
    "keep": "lease IMAGE... --for TIME",
    "pin": "lease IMAGE... --for TIME",
    "reserve": "lease IMAGE... --for TIME",
    "release": "lease release",
    "dry-run": "plan",
    "deep": "clean deep",
    "weekly": "clean weekly",
    "routine": "clean",
    "simulate": "replay TRACE",
    "export": "history export",
    "setup": "init",
    "install": "init",
    "man": "help",
}
"""What docker calls it, or another program of this kind, and the command here."""
_NO_REMOVAL = ("rm", "rmi", "image rm", "container rm", "volume rm", "network rm")
_GROUPS = ("system", "image", "container", "volume", "network", "builder", "buildx")


def find_command(words: Sequence[str], commands: Sequence[str]) -> tuple[str, list[str]] | None:
    """The command and its words, those before it first; None where no word is a command."""
    for place, word in enumerate(words):
        if word == "--":
            break
        if word in commands and _all_options(_known(word), words[:place]):
            return word, [*words[:place], *words[place + 1 :]]
    first = first_word(words, commands)
    if first is None or words[first] not in commands:
        return None
    # An option before it is none of this command: its parser says so.
    before = [word for word in words[:first] if word != "--"]
    return words[first], [*before, *words[first + 1 :]]


def first_word(words: Sequence[str], commands: Sequence[str]) -> int | None:
    """Where the first word is that is no option, nor the value of one for any command."""
    known: dict[str, argparse.Action] = {}
    for command in commands:
        for name, action in _known(command).items():
            if name not in known or action.nargs != 0:
                known[name] = action
    return told_apart(known, words).first


def unknown_option(words: Sequence[str], commands: Sequence[str]) -> str:
    """The first option that no command has, and what was meant; empty where each is known."""
    names = {name for command in commands for name in _known(command)}
    for word in words:
        option = word.partition("=")[0]
        if option.startswith("--") and option not in names:
            near = nearest(option, names, 1)
            return f"there is no option {option}" + (f" (did you mean {near[0]}?)" if near else "")
    return ""


def commands_with(option: str) -> list[str]:
    """The commands that have this option."""
    return [command for command in COMMANDS if option in _known(command)]


def no_command(words: Sequence[str], commands: Sequence[str]) -> str:
    """That the first of these words is no command, and what to type, in sentences."""
    name = words[0]
    second = next((word for word in words[1:] if not word.startswith("-")), "")
    pair = f"{name} {second}".lower()
    typed = pair if pair in _DOCKER else name
    said = f"there is no command {typed!r}."
    meant = _DOCKER.get(typed.lower()) or ("status" if name in _GROUPS else None)
    if typed in _NO_REMOVAL:
        return (
            f"{said} holystone removes by policy, not by name: holystone plan shows what would "
            f"go, and holystone {meant} removes it. To remove one object type docker {typed}."
        )
    if meant is not None:
        return f"{said} Type holystone {meant}."
    near = nearest(name, commands, 1)
    return f"{said} Did you mean {near[0]}?" if near else said


def _all_options(known: Options, words: Sequence[str]) -> bool:
    told = told_apart(known, words)
    return not (told.others or told.unknown or told.cut_off)


def _known(command: str) -> Options:
    """The options of a command by name, as its parser has them."""
    known: Options = import_module(f"holystone.cli.{command}").parser().known
    return known


def nearest(word: str, known: Iterable[str], most: int) -> list[str]:
    """The known words closest to this one, closest first; none where nothing is close.

    The dashes of options say nothing: all of them have these.
    """
    wanted = word[:100].lstrip("-").lower()
    bare = {each.lstrip("-"): each for each in known}
    begun = [each for each in bare if len(wanted) >= _LEAST and each.startswith(wanted)]
    near = get_close_matches(wanted, list(bare), most, _CLOSE)
    return [bare[each] for each in dict.fromkeys([*near, *begun])][:most]
