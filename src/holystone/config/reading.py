"""One file's tables, checked key by key: values as the policy has them, and every fault."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, NamedTuple

from holystone.config.errors import Fault
from holystone.config.keys import KEYS, RULE_KEYS, RULES, TABLES, Key
from holystone.config.kinds import Kind, shown
from holystone.planner.policy import DEFAULT_RETENTION, Retention

_GROUP, _RULES = RULES.split(".")
_GUESSED = 1000
"""Faults up to which a key that does not exist is answered with the closest ones; it takes time."""
_UNKNOWN = "there is no such key"
_GONE = {"limit_rate": "holystone no longer limits the rate of pulls; take this line out"}
"""Keys of earlier versions: what to do where a file still has one."""


class Found(NamedTuple):
    """A fault, and where in the file it is."""

    path: tuple[str | int, ...]
    problem: str

    def told(self, file: str, line: int | None) -> Fault:
        """The fault as the owner reads it."""
        return Fault(self.problem, file, spelt(self.path), line)


class Reading(NamedTuple):
    """What one file says."""

    values: Mapping[str, Any]
    """By the path of the key: ``protect.images``."""
    rules: tuple[Retention, ...]
    faults: tuple[Found, ...]


class _Reader:
    def __init__(self) -> None:
        self.faults: list[Found] = []

    def fault(self, path: tuple[str | int, ...], problem: str) -> None:
        self.faults.append(Found(path, problem))

    def value(self, kind: Kind, value: Any, path: tuple[str | int, ...]) -> Any:
        """The value as the policy has it; None where it is faulty, which is noted."""
        each = kind.each
        if each is not None:
            if not isinstance(value, list):
                return self.fault(path, f"{shown(value)} is not {kind.like}")
            before = len(self.faults)
            value = [self.value(each, item, (*path, at)) for at, item in enumerate(value)]
            if len(self.faults) > before:
                return None
        try:
            return kind.read(value)
        except ValueError as error:
            return self.fault(path, str(error))

    def table(
        self, keys: Iterable[Key], table: Mapping[str, Any], path: tuple[str | int, ...]
    ) -> Iterator[tuple[Key, Any]]:
        """The keys of a table with their values; what it has beside them is noted as unknown."""
        known = {key.name: key for key in keys}
        for name, value in table.items():
            if name in known:
                faults = len(self.faults)
                read = self.value(known[name].kind, value, (*path, name))
                if len(self.faults) == faults:
                    yield known[name], read
            else:
                guessed = len(self.faults) < _GUESSED
                self.fault((*path, name), _unknown_key(name, known) if guessed else _UNKNOWN)


def read(tables: Mapping[str, Any]) -> Reading:
    """What the tables of a file say, with everything that is wrong with them."""
    reader = _Reader()
    values: dict[str, Any] = {}
    rules: list[Retention] = []
    for path, table in _tables(tables, reader):
        name = ".".join(path)
        if name == _GROUP and _RULES in table:
            table = {**table}  # noqa: PLW2901 - the same table, without its rules
            rules = _rules(table.pop(_RULES), reader)
        keys = [key for key in KEYS if key.table == name]
        values |= {key.path: value for key, value in reader.table(keys, table, path)}
    return Reading(values, tuple(rules), tuple(reader.faults))


def _tables(
    tables: Mapping[str, Any], reader: _Reader
) -> Iterator[tuple[tuple[str, ...], Mapping[str, Any]]]:
    """The known tables that are there, with their paths."""
    for name, table in tables.items():
        group = any(each.startswith(f"{name}.") for each in TABLES)
        if name not in TABLES and not group:
            guessed = len(reader.faults) < _GUESSED
            reader.fault((name,), _unknown_table(name, table) if guessed else _UNKNOWN)
        elif not isinstance(table, dict):
            reader.fault((name,), f"{shown(table)} is not a table; write [{name}] above its keys")
        elif group:
            for inner, level in table.items():
                path = (name, inner)
                if ".".join(path) not in TABLES:
                    guessed = len(reader.faults) < _GUESSED
                    what = _unknown_table(".".join(path), level) if guessed else _UNKNOWN
                    reader.fault(path, what)
                elif not isinstance(level, dict):
                    mend = f"write [{name}.{inner}] above its keys"
                    reader.fault(path, f"{shown(level)} is not a table; {mend}")
                else:
                    yield path, level
        else:
            yield (name,), table


def _rules(tables: Any, reader: _Reader) -> list[Retention]:
    path: tuple[str | int, ...] = (_GROUP, _RULES)
    if not isinstance(tables, list) or not all(isinstance(each, dict) for each in tables):
        what = "a single table" if isinstance(tables, dict) else shown(tables)
        reader.fault(path, f"{what} where a list of rules should be; write [[{RULES}]] above each")
        return []
    rules: list[Retention] = []
    taken: dict[str, int] = {}
    for at, table in enumerate(tables):
        faults = len(reader.faults)
        fields = {key.name: value for key, value in reader.table(RULE_KEYS, table, (*path, at))}
        if len(reader.faults) == faults:
            _check_rule(fields, (*path, at), taken, reader)
        if len(reader.faults) == faults:
            rules.append(Retention(**fields))
        if "name" in fields:
            taken.setdefault(fields["name"], at)
    return rules


def _check_rule(
    fields: Mapping[str, Any],
    path: tuple[str | int, ...],
    taken: Mapping[str, int],
    reader: _Reader,
) -> None:
    """Whether the keys of a rule make sense together."""
    name = fields.get("name")
    if name is None:
        reader.fault(path, 'the rule has no name, which reasons call it; add name = "..."')
    elif name == DEFAULT_RETENTION.name:
        reader.fault(
            (*path, "name"), f"{name!r} is what [{_GROUP}] itself is called; choose another"
        )
    elif name in taken:
        reader.fault(
            (*path, "name"),
            f"{RULES}[{taken[name]}] is called {name!r} as well; rename one of them",
        )
    limits = [limit for limit in ("unused_for", "max_age") if fields.get(limit) is not None]
    if fields.get("keep"):
        given = [*limits, *(["keep_last"] if fields.get("keep_last") else [])]
        if given:
            reader.fault(
                path, f"keep = true keeps every tag, so {' and '.join(given)} would do nothing; "
                "take one of both out"
            )  # fmt: skip
    elif not limits:
        reader.fault(
            path, "nothing says when the rule lets a tag go; add unused_for or max_age "
            '(max_age = "0s": at once, but for those that keep_last keeps), or keep = true'
        )  # fmt: skip


def spelt(path: Iterable[str | int]) -> str:
    """A path as people write it: ``images.rules[0].name``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            bare = part.isascii() and part.replace("-", "_").isidentifier() and len(part) <= 60
            text += ("." if text else "") + (part if bare else shown(part))
    return text


def _unknown_table(name: str, content: Any) -> str:
    if not isinstance(content, dict):
        homes = [f"[{key.table}]" for key in KEYS if key.name == name]
        if homes:
            return f"stands outside of the tables; it belongs below {_either(homes)}"
    what = "there is no such table" if isinstance(content, dict) else "there is no such key"
    known = [*TABLES, *{each.partition(".")[0] for each in TABLES}]
    return what + (_guess(name, known) or f"; there are {', '.join(TABLES)}")


def _unknown_key(name: str, known: Mapping[str, Key]) -> str:
    if name in _GONE:
        return _GONE[name]
    if guess := _guess(name, known):
        return f"there is no such key{guess}"
    homes = [f"[{key.table}]" for key in KEYS if key.name == name]
    if homes:
        return f"there is no such key here; it belongs below {_either(homes)}"
    return f"there is no such key; there are {', '.join(known)}"


def _guess(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name[:100], known, 1)
    return f"; did you mean {near[0]}?" if near else ""


def _either(parts: list[str]) -> str:
    return f"{', '.join(parts[:-1])} or {parts[-1]}" if len(parts) > 1 else parts[0]
