"""What several files say together: the value that counts for each key, and the policy of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from holystone.config.errors import ConfigError, Fault
from holystone.config.keys import KEYS, Key
from holystone.config.reading import Reading, read
from holystone.core.policy import DEFAULT_RETENTION, TAKES, Mark, Policy, Retention

_BY_PATH = {key.path: key for key in KEYS}
_STRICTEST: Mapping[str, Callable[[Iterable[Any]], Any]] = {"any": any, "most": max, "least": min}


class Given(NamedTuple):
    """A value and the file it stands in."""

    file: str
    value: Any


class Setting(NamedTuple):
    """What counts for one key."""

    value: Any
    """As the policy has it. For lists that add up those of all files, the farthest file's first."""
    given: tuple[Given, ...]
    """What counted, the nearest file first: more than one file only where lists add up."""
    outweighed: tuple[Given, ...] = ()
    """What other files say, the nearest first."""


class Rule(NamedTuple):
    """A retention rule and the file it stands in."""

    rule: Retention
    file: str


class Settings(NamedTuple):
    """What all files say together."""

    values: Mapping[str, Setting]
    """By path of the key; only of those that a file has."""
    rules: tuple[Rule, ...] = ()
    """In the order in which they are asked."""
    replaced: tuple[Rule, ...] = ()
    """Those whose place a nearer file's rule of the same name takes."""


def merged(readings: Sequence[tuple[str, Reading]]) -> Settings:
    """What files say together, given by path, the nearest first."""
    values: dict[str, Setting] = {}
    for key in KEYS:
        given = [
            Given(file, reading.values[key.path])
            for file, reading in readings
            if key.path in reading.values
        ]
        if given:
            values[key.path] = _setting(key, given)
    every = [Rule(rule, file) for file, reading in readings for rule in reading.rules]
    rules: dict[str, Rule] = {}
    replaced = [each for each in every if rules.setdefault(each.rule.name, each) is not each]
    return Settings(values, tuple(rules.values()), tuple(replaced))


def _setting(key: Key, given: list[Given]) -> Setting:
    if key.adds == "all":
        every = (element for each in reversed(given) for element in each.value)
        return Setting(tuple(dict.fromkeys(every)), tuple(given))
    value = given[0].value
    if key.adds:
        value = _STRICTEST[key.adds](each.value for each in given)
    # Where files say the same, the farthest one did not need the others to say it.
    counts = next(each for each in (reversed(given) if key.adds else given) if each.value == value)
    others = tuple(each for each in given if each is not counts)
    return Setting(value, (counts,), others)


def contradictions(settings: Settings) -> list[Fault]:
    """What does not go together, though each value is right."""
    marks = policy(settings, "routine").disk
    high, low, critical = marks.high, marks.low, marks.critical
    faults = []
    if low is not None and _order(low, high) <= 0:
        faults.append(_mark_fault(settings, "low", "must leave more free than"))
    if _order(critical, high) >= 0:
        faults.append(_mark_fault(settings, "critical", "must leave less free than"))
    return faults


def _order(mark: Mark, other: Mark) -> float:
    """More than 0 where the mark leaves more free; where only the disk can tell, never 0.

    The answer is then one that finds nothing wrong: ``nan`` is neither below nor above.
    """
    if mark.free_bytes is not None and other.free_bytes is not None:
        return mark.free_bytes - other.free_bytes
    if mark.used_share is not None and other.used_share is not None:
        return other.used_share - mark.used_share
    return float("nan")


def _mark_fault(settings: Settings, name: str, wrong: str) -> Fault:
    def told(name: str) -> str:
        key, setting = _BY_PATH[f"disk.{name}"], settings.values.get(f"disk.{name}")
        written = key.kind.write(setting.value if setting else key.default)
        return f"{key.path} ({written}{'' if setting else ', the default'})"

    nearest = settings.values.get(f"disk.{name}") or settings.values["disk.high"]
    key = f"disk.{name}" if f"disk.{name}" in settings.values else "disk.high"
    problem = f"{told(name)} {wrong} {told('high')}; change one of them"
    return Fault(problem, nearest.given[0].file, key)


def policy(settings: Settings, level: str) -> Policy:
    """The policy of a level."""
    made = Policy(level, TAKES[level])
    default = DEFAULT_RETENTION
    for path, setting in settings.values.items():
        key = _BY_PATH[path]
        root, *fields = key.field
        if root == "takes":
            if key.table == f"levels.{level}":
                made = made._replace(takes=made.takes._replace(**{fields[0]: setting.value}))
        elif root == "default":
            default = default._replace(**{fields[0]: setting.value})
        else:
            made = _with(made, root, fields, setting.value)
    images = settings.values.get("protect.images")
    if images is not None:
        first, *others = (each.value for each in images.given)
        made = made._replace(
            protect=made.protect._replace(images=first, other_images=tuple(others))
        )
    return made._replace(retention=(*(each.rule for each in settings.rules), default))


def _with(made: Policy, root: str, fields: Sequence[str], value: Any) -> Policy:
    if not fields:
        return made._replace(**{root: value})
    (field,) = fields
    if field == "budget_share" and isinstance(value, int):
        field = "budget_bytes"
    return made._replace(**{root: getattr(made, root)._replace(**{field: value})})


def policy_from(tables: Mapping[str, Any], level: str) -> Policy:
    """The policy that one mapping in the form of ``holystone.toml`` asks for.

    Raises ConfigError with everything that is wrong with it.
    """
    reading = read(tables)
    settings = merged([("", reading)])
    faults = [found.told("", None) for found in reading.faults]
    if not faults:
        faults = contradictions(settings)
    if faults:
        raise ConfigError(faults)
    return policy(settings, level)
