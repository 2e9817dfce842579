"""Build the sample of ``config init`` and the JSON Schema from the table of keys."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from holystone.config.keys import KEYS, RULE_KEYS, RULES, RULES_DOC, TABLES, Key, rule_default
from holystone.config.kinds import toml

_WIDTH = 96
_INTRODUCTION = """\
What holystone may remove on this host, and what it never does.

Every key is commented out and shows its default, or an example where it has none: take the "#"
away from those that are to differ. "holystone config check" checks the file, "holystone config
show" tells what counts and why.
"""


def sample() -> str:
    """Every key with what it does, its default and an example, all commented out.

    Written out, the defaults of a near file would stand in the way of what a farther one says, and
    of better defaults of a later release.
    """
    parts = ["\n".join(f"# {line}".rstrip() for line in _INTRODUCTION.splitlines())]
    for table, doc in TABLES.items():
        keys = [key for key in KEYS if key.table == table]
        parts.append("\n".join([*_comment(doc), f"[{table}]"]))
        parts += [_entry(key, key.default) for key in keys]
        if RULES.startswith(f"{table}."):
            parts.append("\n".join([*_comment(RULES_DOC), f"#[[{RULES}]]"]))
            parts += [_entry(key, rule_default(key), rule=True) for key in RULE_KEYS]
    return "\n\n".join(parts) + "\n"


def _entry(key: Key, default: Any, *, rule: bool = False) -> str:
    written, note = toml(key.example), ""
    if default is not None:
        usual = toml(key.kind.write(default))
        if rule:
            note = f"Default: {usual}."
        else:
            note = "" if usual == written else f"Example: {written}."
            written = usual
    return "\n".join([*_comment(f"{key.doc} {note}"), f"#{key.name} = {written}"])


def _comment(text: str) -> Iterable[str]:
    line = "#"
    for word in text.split():
        if len(line) + 1 + len(word) > _WIDTH:
            yield line
            line = "#"
        line += f" {word}"
    yield line


def schema() -> dict[str, Any]:
    """The JSON Schema, draft 2020-12, by which an editor completes and checks the file."""
    made = _table("What holystone may remove on a host, and what it never does.", {})
    for name, doc in TABLES.items():
        *groups, last = name.split(".")
        at = made
        for group in groups:
            at = at["properties"].setdefault(group, _table("", {}))
        keys = [key for key in KEYS if key.table == name]
        at["properties"][last] = _table(
            doc, {key.name: _property(key, key.default) for key in keys}
        )
    group, rules = RULES.split(".")
    rule = _table("One rule.", {key.name: _property(key, rule_default(key)) for key in RULE_KEYS})
    made["properties"][group]["properties"][rules] = {
        "description": RULES_DOC,
        "type": "array",
        "items": rule | {"required": ["name"]},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "holystone.toml",
    } | made


def _table(doc: str, properties: dict[str, Any]) -> dict[str, Any]:
    described = {"description": doc} if doc else {}
    return described | {
        "type": "object", "additionalProperties": False, "properties": properties,
    }  # fmt: skip


def _property(key: Key, default: Any) -> dict[str, Any]:
    told = {"description": key.doc, **key.kind.schema, "examples": [key.example]}
    return told if default is None else told | {"default": key.kind.write(default)}
