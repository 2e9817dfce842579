"""Every effective value of a configuration, with the file it comes from: for ``config show``."""

from __future__ import annotations

from typing import Any, NamedTuple

from holystone.config.keys import KEYS, RULE_KEYS, RULES, Key
from holystone.config.kinds import toml
from holystone.config.load import HERE, Configuration
from holystone.config.settings import Given, Setting, Settings

DEFAULT = "default"


class Value(NamedTuple):
    """What counts for one key."""

    table: str
    """``protect``; for a rule ``images.rules[0]``."""
    name: str
    value: Any
    """As TOML and JSON have it; None where nothing is set."""
    source: str
    """The file that gave it, or ``default``."""
    note: str = ""
    """What other files say and why it does not count."""


_KEEPS = "it can keep tags longer, not shorter"


def effective(configuration: Configuration) -> list[Value]:
    """Every value in the order of the tables, with those of each rule before those of [images]."""
    settings = configuration.settings or Settings({})
    values: list[Value] = []
    for key in KEYS:
        setting = settings.values.get(key.path)
        default = None if key.default is None else key.kind.write(key.default)
        if setting is None:
            values.append(Value(key.table, key.name, default, DEFAULT))
            continue
        told = None if setting.value is None else key.kind.write(setting.value)
        counted = ", ".join(each.file for each in setting.given if each.value or not told)
        values.append(Value(key.table, key.name, told, counted or DEFAULT, _note(key, setting)))
    every = [*((each, _KEEPS) for each in settings.also), *((each, "") for each in settings.rules)]
    rules = [
        Value(f"{RULES}[{at}]", key.name, key.kind.write(value), each.file, note)
        for at, (each, note) in enumerate(every)
        for key in RULE_KEYS
        if (value := getattr(each.rule, key.field[0])) or key.name == "name"
    ]
    first = next(at for at, value in enumerate(values) if value.table == "images")
    docker = configuration.docker
    if docker.prune_filters:
        values.append(Value("", "pruneFilters", list(docker.prune_filters), docker.path))
    return values[:first] + rules + values[first:]


def _note(key: Key, setting: Setting) -> str:
    """What other files say, and why that does not count or counts beside the value."""
    notes = []
    others = [each for each in setting.outweighed if each.value != setting.value]
    why = "the nearest file counts"
    if key.together or setting.file == HERE:
        why = "the strictest counts"
    for here, reason in ((True, "it can only protect more"), (False, why)):
        said = [_said(key, each) for each in others if (each.file == HERE) == here]
        notes += [f"{', '.join(said)}: {reason}"] if said else []
    if setting.floor is not None:
        notes.append(f"{_said(key, setting.floor)}: the larger of both counts on a disk")
    return "; ".join(notes)


def _said(key: Key, given: Given) -> str:
    told = "never" if given.value is None else key.kind.write(given.value)
    return f"{given.file} says {told if isinstance(told, str) else toml(told)}"
