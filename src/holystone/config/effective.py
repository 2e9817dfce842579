"""Every effective value of a configuration, with the file it comes from: for ``config show``."""

from __future__ import annotations

from typing import Any, NamedTuple

from holystone.config.keys import KEYS, RULE_KEYS, RULES
from holystone.config.load import Configuration
from holystone.config.settings import Settings

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
        others = [
            f"{each.file} says {'never' if each.value is None else key.kind.write(each.value)}"
            for each in setting.outweighed
            if each.value != setting.value
        ]
        why = "the strictest counts" if key.adds else "the nearest file counts"
        note = f"{', '.join(others)}: {why}" if others else ""
        values.append(Value(key.table, key.name, told, counted, note))
    rules = [
        Value(f"{RULES}[{at}]", key.name, key.kind.write(value), each.file)
        for at, each in enumerate(settings.rules)
        for key in RULE_KEYS
        if (value := getattr(each.rule, key.field[0])) or key.name == "name"
    ]
    first = next(at for at, value in enumerate(values) if value.table == "images")
    docker = configuration.docker
    if docker.prune_filters:
        values.append(Value("", "pruneFilters", list(docker.prune_filters), docker.path))
    return values[:first] + rules + values[first:]
