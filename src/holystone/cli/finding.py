"""Find the command in a command line that begins with options; suggest what to type instead.

The parser of each command knows which options take a value. The command is the first word that
names a command and has only options of that command before it.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from importlib import import_module

from holystone.cli.commands import COMMANDS
from holystone.cli.words import Options, Words

_CLOSE = 0.66
"""Two letters of three may have changed places: ``--fro`` is close to ``--for``."""
_LEAST = 3
"""Letters from which on the beginning of a word means it."""


_CALLED = {
    "clean": "prune, gc, cleanup, purge, system prune, image prune, container prune, builder "
    "prune, buildx prune, routine",
    "rm NAME": "rmi, remove, delete, image rm, container rm, volume rm, network rm",
    "status": "df, info, system df, system info",
    "images": "ls, list, image ls, image list",
    "containers": "ps, container ls, container list",
    "volumes": "volume ls, volume list",
    "cache": "builder du, buildx du",
    "plan --all": "network ls",
    "explain NAME": "inspect, why, image inspect, image history, container inspect, volume "
    "inspect, network inspect",
    "observe": "system events, events",
    "clean weekly": "volume prune, network prune, weekly",
    "refresh NAME --missing": "pull",
    "refresh": "update, upgrade",
    "restore": "undo, rollback",
    "history": "log, logs, runs",
    "verify": "check, fsck",
    "verify --repair": "repair",
    "lease IMAGE... --for TIME": "keep, pin, reserve",
    "lease release": "release",
    "plan": "dry-run",
    "clean deep": "deep",
    "replay TRACE": "simulate",
    "history export": "export",
    "init": "setup, install",
    "help": "man",
}
"""Each command here, and what docker or another program of this kind calls it."""
_MEANT = {theirs: ours for ours, others in _CALLED.items() for theirs in others.split(", ")}
_GROUPS = ("system", "image", "container", "volume", "network", "builder", "buildx")


def find_command(words: Sequence[str], commands: Sequence[str]) -> tuple[str, list[str]] | None:
    """The command and its words, those before it first; None where no word is a command."""
    for place, word in enumerate(words):
        if word == "--":
            break
        if word not in commands:
            continue
        before = Words(_known(word), words[:place])
        if not (before.others or before.unknown or before.cut_off):
            return word, [*words[:place], *words[place + 1 :]]
    first = first_word(words, commands)
    if first is None or words[first] not in commands:
        return None
    # An option before it belongs to another command: its parser gives the error.
    options = [word for word in words[:first] if word != "--"]
    return words[first], [*options, *words[first + 1 :]]


def first_word(words: Sequence[str], commands: Sequence[str]) -> int | None:
    """Where the first word is that is no option, nor the value of one for any command."""
    known: dict[str, argparse.Action] = {}
    for command in commands:
        for name, action in _known(command).items():
            if name not in known or action.nargs != 0:
                known[name] = action
    return Words(known, words).first


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
    typed = pair if pair in _MEANT else name
    said = f"there is no command {typed!r}."
    meant = _MEANT.get(typed.lower()) or ("status" if name in _GROUPS else None)
    if meant is not None:
        return f"{said} Type holystone {meant}."
    near = nearest(name, commands, 1)
    return f"{said} Did you mean {near[0]}?" if near else said


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
