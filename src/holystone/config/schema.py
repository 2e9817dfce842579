"""The JSON Schema of ``holystone.toml``, by which an editor completes and checks it."""

from __future__ import annotations

from typing import Any

from holystone.config.keys import KEYS, RULE_KEYS, RULES, RULES_DOC, TABLES, Key, rule_default


def schema() -> dict[str, Any]:
    """The schema, draft 2020-12."""
    made = _table("What holystone may remove on a host, and what it never does.", {})
    for name, doc in TABLES.items():
        *groups, last = name.split(".")
        at = made
        for group in groups:
            at = at["properties"].setdefault(group, _table("", {}))
        keys = [key for key in KEYS if key.table == name]
        at["properties"][last] = _table(doc, {key.name: _key(key, key.default) for key in keys})
    group, rules = RULES.split(".")
    rule = _table("One rule.", {key.name: _key(key, rule_default(key)) for key in RULE_KEYS})
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


def _key(key: Key, default: Any) -> dict[str, Any]:
    told = {"description": key.doc, **key.kind.schema, "examples": [key.example]}
    return told if default is None else told | {"default": key.kind.write(default)}
