"""The sample that ``config init`` writes: every key with what it does, its default and an example.

Every key is commented out. Written out, the defaults of a near file would stand in the way of what
a farther one says, and of better defaults of a later release.
"""

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
    """The text of the sample."""
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
    example = toml(key.example)
    if default is None or rule:
        written, note = example, "" if default is None else f"Default: {toml(_told(key, default))}."
    else:
        written = toml(_told(key, default))
        note = "" if written == example else f"Example: {example}."
    return "\n".join([*_comment(f"{key.doc} {note}"), f"#{key.name} = {written}"])


def _told(key: Key, value: Any) -> Any:
    return key.kind.write(value)


def _comment(text: str) -> Iterable[str]:
    line = "#"
    for word in text.split():
        if len(line) + 1 + len(word) > _WIDTH:
            yield line
            line = "#"
        line += f" {word}"
    yield line
