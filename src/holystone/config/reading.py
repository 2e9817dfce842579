"""Check the content of files key by key and make settings of it; report all faults at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, NamedTuple

from holystone.config.errors import ConfigError, Fault
from holystone.config.keys import KEYS, RULE_KEYS, RULES, TABLES, Key
from holystone.config.kinds import Kind, shown
from holystone.config.settings import Reading, Settings, contradictions, merged
from holystone.config.toml_text import Lines, Path, loads, syntax
from holystone.planner.policy import DEFAULT_RETENTION, Policy, Retention

_GROUP, _RULES = RULES.split(".")
_LOCATED = 1000
"""Faults of a file whose line is looked for: to find each of 90,000 takes too long."""
_GUESSED = 1000
"""Faults up to which a key that does not exist is answered with the closest ones; it takes time."""
_GONE = {"limit_rate": "holystone no longer limits the rate of pulls; take this line out"}
"""Keys of earlier versions: what to do where a file still has one."""


class _Found(NamedTuple):
    """A fault, and where in the file it is."""

    path: Path
    problem: str

    def told(self, file: str, line: int | None) -> Fault:
        return Fault(self.problem, file, _spelt(self.path), line)


def read_all(
    files: Sequence[tuple[str, bytes]], faults: Sequence[Fault] = (), *, here: str = ""
) -> Settings:
    """What files with this content say together, the nearest first.

    ``here`` is the path of the one that was found in the current folder, if it is among them.
    ``faults`` are known already. Raises ConfigError with them and all others.
    """
    found = list(faults)
    readings: dict[str, Reading] = {}
    texts: dict[str, str] = {}
    for path, content in files:
        try:
            texts[path], tables = _parsed(path, content)
        except ConfigError as error:
            found += error.faults
            continue
        readings[path], wrong = read(tables)
        if wrong:
            found += _located(path, texts[path], tables, wrong)
    nearest = (here, readings.pop(here)) if here in readings else None
    settings = merged(list(readings.items()), nearest)
    lines: dict[str, Lines] = {}

    def placed(fault: Fault) -> Fault:
        if fault.file not in lines:
            lines[fault.file] = Lines(texts[fault.file])
        parts = fault.key.replace("[", ".").replace("]", "").split(".")
        path = [int(part) if part.isdecimal() else part for part in parts]
        return fault._replace(line=lines[fault.file].of(path))

    found = found or [placed(fault) for fault in contradictions(settings)]
    if found:
        raise ConfigError(found)
    return settings._replace(without_effect=tuple(map(placed, settings.without_effect)))


def policy_from(
    tables: Mapping[str, Any], level: str, here: Mapping[str, Any] | None = None
) -> Policy:
    """The policy that one mapping in the form of ``holystone.toml`` asks for.

    ``here`` is what a file in the current folder says. Raises ConfigError with everything that is
    wrong with them.
    """
    (reading, wrong), (nearest, more) = read(tables), read(here or {})
    settings = merged([("", reading)], None if here is None else ("here", nearest))
    faults = [found.told("", None) for found in (*wrong, *more)] or contradictions(settings)
    if faults:
        raise ConfigError(faults)
    return settings.policy(level)


def _parsed(path: str, content: bytes) -> tuple[str, dict[str, Any]]:
    """The text of a file and its tables. Raises ConfigError."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        at = content[: error.start].count(b"\n") + 1
        raise ConfigError([Fault("it is not UTF-8; save it as that", path, "", at)]) from None
    try:
        return text, loads(text)
    except (ValueError, RecursionError) as error:
        problem, line = syntax(error, text)
        mend = "'holystone config init --print' shows how it is written"
        raise ConfigError([Fault(f"not valid TOML: {problem}; {mend}", path, "", line)]) from None


def _located(path: str, text: str, tables: dict[str, Any], faults: Sequence[_Found]) -> list[Fault]:
    """The faults of a file, the first ones with their lines and in the order of these."""
    lines = Lines(text)
    told = []
    for fault in faults[:_LOCATED]:
        element: Any = tables
        for part in fault.path if isinstance(fault.path[-1], int) else ():
            element = element[part]
        line = lines.of(fault.path, element if isinstance(element, str) else "")
        told.append(fault.told(path, line))
    told.sort(key=lambda fault: fault.line or 0)
    return told + [fault.told(path, None) for fault in faults[_LOCATED:]]


def read(tables: Mapping[str, Any]) -> tuple[Reading, list[_Found]]:
    """What the tables of a file say, and everything that is wrong with them."""
    reader = _Reader([])
    values: dict[str, Any] = {}
    rules: list[Retention] = []
    for path, table in reader.tables(tables):
        name = ".".join(map(str, path))
        if name == _GROUP and _RULES in table:
            rules = reader.rules(table[_RULES])
            table = {key: value for key, value in table.items() if key != _RULES}  # noqa: PLW2901
        keys = [key for key in KEYS if key.table == name]
        values |= {key.path: value for key, value in reader.table(keys, table, path)}
    return Reading(values, tuple(rules)), reader.faults


class _Reader(NamedTuple):
    faults: list[_Found]

    def fault(self, path: Path, problem: str) -> None:
        self.faults.append(_Found(path, problem))

    def unknown(self, path: Path, tell: Callable[[str, Any], str], name: str, known: Any) -> None:
        few = len(self.faults) < _GUESSED
        self.fault(path, tell(name, known) if few else "there is no such key")

    def tables(
        self, tables: Mapping[str, Any], above: Path = ()
    ) -> Iterator[tuple[Path, Mapping[str, Any]]]:
        """The known tables that are there, with their paths."""
        for part, table in tables.items():
            path = (*above, part)
            name = ".".join(map(str, path))
            group = any(each.startswith(f"{name}.") for each in TABLES)
            if name not in TABLES and not group:
                self.unknown(path, _unknown_table, name, table)
            elif not isinstance(table, dict):
                self.fault(path, f"{shown(table)} is not a table; write [{name}] above its keys")
            elif group:
                yield from self.tables(table, path)
            else:
                yield path, table

    def table(
        self, keys: Iterable[Key], table: Mapping[str, Any], path: Path
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
                self.unknown((*path, name), _unknown_key, name, known)

    def value(self, kind: Kind, value: Any, path: Path) -> Any:
        """The value as the policy has it; None where it is faulty, which is noted."""
        if kind.each is not None:
            if not isinstance(value, list):
                return self.fault(path, f"{shown(value)} is not {kind.like}")
            before = len(self.faults)
            value = [self.value(kind.each, item, (*path, at)) for at, item in enumerate(value)]
            if len(self.faults) > before:
                return None
        try:
            return kind.read(value)
        except ValueError as error:
            return self.fault(path, str(error))

    def rules(self, tables: Any) -> list[Retention]:
        above: Path = (_GROUP, _RULES)
        if not isinstance(tables, list) or not all(isinstance(each, dict) for each in tables):
            what = "a single table" if isinstance(tables, dict) else shown(tables)
            mend = f"write [[{RULES}]] above each"
            self.fault(above, f"{what} where a list of rules should be; {mend}")
            return []
        rules: list[Retention] = []
        taken: dict[str, int] = {}
        for at, table in enumerate(tables):
            path = (*above, at)
            faults = len(self.faults)
            fields = {key.name: value for key, value in self.table(RULE_KEYS, table, path)}
            if len(self.faults) == faults:
                self.faults.extend(_Found((*path, *key), said) for key, said in _odd(fields, taken))
            if len(self.faults) == faults:
                rules.append(Retention(**fields))
            if "name" in fields:
                taken.setdefault(fields["name"], at)
        return rules


def _odd(fields: Mapping[str, Any], taken: Mapping[str, int]) -> Iterator[tuple[Path, str]]:
    """What of a rule makes no sense together, or beside rules before it; by the key it is about."""
    name = fields.get("name")
    if name is None:
        yield (), 'the rule has no name, which reasons call it; add name = "..."'
    elif name == DEFAULT_RETENTION.name:
        yield ("name",), f"{name!r} is what [{_GROUP}] itself is called; choose another"
    elif name in taken:
        other = f"{RULES}[{taken[name]}]"
        yield ("name",), f"{other} is called {name!r} as well; rename one of them"
    limits = [limit for limit in ("unused_for", "max_age") if fields.get(limit) is not None]
    if fields.get("keep"):
        given = " and ".join([*limits, *(["keep_last"] if fields.get("keep_last") else [])])
        if given:
            mend = "take one of both out"
            yield (), f"keep = true keeps every tag, so {given} would do nothing; {mend}"
    elif not limits:
        yield (
            (),
            (
                "nothing says when the rule lets a tag go; add unused_for or max_age "
                '(max_age = "0s": at once, but for those that keep_last keeps), or keep = true'
            ),
        )


def _spelt(path: Path) -> str:
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
    is_table = isinstance(content, dict)
    if not is_table and (homes := _homes(name)):
        return f"stands outside of the tables; it belongs below {homes}"
    known = [*TABLES, *{each.partition(".")[0] for each in TABLES}]
    what = f"there is no such {'table' if is_table else 'key'}"
    return what + (_guess(name, known) or f"; there are {', '.join(TABLES)}")


def _unknown_key(name: str, known: Mapping[str, Key]) -> str:
    if name in _GONE:
        return _GONE[name]
    if guess := _guess(name, known):
        return f"there is no such key{guess}"
    if homes := _homes(name):
        return f"there is no such key here; it belongs below {homes}"
    return f"there is no such key; there are {', '.join(known)}"


def _homes(name: str) -> str:
    """The tables that have a key of this name: ``[a], [b] or [c]``."""
    *others, last = [f"[{key.table}]" for key in KEYS if key.name == name] or [""]
    return f"{', '.join(others)} or {last}" if others else last


def _guess(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name[:100], known, 1)
    return f"; did you mean {near[0]}?" if near else ""
