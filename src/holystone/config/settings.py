"""Merge several files: the value that counts for each key, and the policy made of these values.

The owner's files have full say, the nearest first. One that was found in the current folder can
only protect more: see ``directions``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any, NamedTuple

from holystone.config.agent_settings import AgentSettings
from holystone.config.directions import EVERY, LONGER, MORE_ON_DISK
from holystone.config.errors import Fault
from holystone.config.keys import KEYS, RULE_KEYS, RULES, Key
from holystone.config.kinds import CRON, DURATION_OR_NEVER, toml
from holystone.planner.policy import DEFAULT_RETENTION, TAKES, Mark, Policy, Retention

_BY_PATH = {key.path: key for key in KEYS}


class Reading(NamedTuple):
    """What one file says, as far as it is right."""

    values: Mapping[str, Any]
    """By the path of the key: ``protect.images``."""
    rules: tuple[Retention, ...]


class Given(NamedTuple):
    """A value and the file it stands in."""

    file: str
    value: Any


class Setting(NamedTuple):
    """What counts for one key."""

    value: Any
    """As the policy has it. For lists that add up those of all files, the farthest file's first."""
    given: tuple[Given, ...]
    """What counted, the nearest file first: more than one file only where lists add up, none where
    the default counts after all."""
    outweighed: tuple[Given, ...] = ()
    """What other files say, the nearest first."""
    floor: Given | None = None
    """A budget of the file in the current folder that cannot be compared with the value without a
    disk, for one is a share of it: the larger counts there."""

    @property
    def file(self) -> str:
        """The nearest file that counted; empty where the default does."""
        return self.given[0].file if self.given else ""


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
    also: tuple[Rule, ...] = ()
    """Those of the file in the current folder: a tag goes only where they let it go as well."""
    without_effect: tuple[Fault, ...] = ()
    """Values without effect in that file: they would remove more."""

    def agent(self) -> AgentSettings:
        """How the agent works."""
        told = AgentSettings()
        for path, setting in self.values.items():
            key = _BY_PATH[path]
            if key.of_agent:
                table = getattr(told, key.table)._replace(**{key.name: setting.value})
                told = told._replace(**{key.table: table})
        return told

    def policy(self, level: str) -> Policy:
        """The policy of a level."""
        made = Policy(level, TAKES[level])
        default = DEFAULT_RETENTION
        for path, setting in self.values.items():
            key, value = _BY_PATH[path], setting.value
            root, *fields = key.field
            if key.of_agent:
                continue
            if root == "takes":
                if key.table == f"levels.{level}":
                    made = made._replace(takes=made.takes._replace(**{fields[0]: value}))
            elif root == "default":
                default = default._replace(**{fields[0]: value})
            elif not fields:
                made = made._replace(**{root: value})
            else:
                in_bytes = fields[0] == "budget_share" and isinstance(value, int)
                field = "budget_bytes" if in_bytes else fields[0]
                made = made._replace(**{root: getattr(made, root)._replace(**{field: value})})
            if setting.floor is not None:
                floor = setting.floor.value
                least = "least_bytes" if isinstance(floor, int) else "least_share"
                made = made._replace(cache=made.cache._replace(**{least: floor}))
        images = self.values.get("protect.images")
        if images is not None:
            first, *others = (each.value for each in images.given)
            protect = made.protect._replace(images=first, other_images=tuple(others))
            made = made._replace(protect=protect)
        return made._replace(
            retention=(*(each.rule for each in self.rules), default),
            also_retained=tuple(each.rule for each in self.also),
        )


def merged(
    readings: Sequence[tuple[str, Reading]], here: tuple[str, Reading] | None = None
) -> Settings:
    """What files with full say make together, given by path, the nearest first.

    ``here`` is the file that was found in the current folder.
    """
    values: dict[str, Setting] = {}
    for key in KEYS:
        path = key.path
        given = [Given(file, each.values[path]) for file, each in readings if path in each.values]
        if given:
            values[path] = _setting(key, given)
    every = [Rule(rule, file) for file, reading in readings for rule in reading.rules]
    rules: dict[str, Rule] = {}
    replaced = [each for each in every if rules.setdefault(each.rule.name, each) is not each]
    settings = Settings(values, tuple(rules.values()), tuple(replaced))
    return settings if here is None else _protecting_more(settings, *here)


def _setting(key: Key, given: list[Given]) -> Setting:
    if key.together and key.direction is EVERY:
        every = (element for each in reversed(given) for element in each.value)
        return Setting(tuple(dict.fromkeys(every)), tuple(given))
    counts = given[0]
    if key.together:
        strictest = reduce(key.direction.of, (each.value for each in given))
        # Where files say the same, the farthest one did not need the others to say it.
        counts = next(each for each in reversed(given) if each.value == strictest)
    return Setting(counts.value, (counts,), tuple(each for each in given if each is not counts))


def _protecting_more(settings: Settings, file: str, reading: Reading) -> Settings:
    """The settings with what the file in the current folder protects beyond them."""
    values = dict(settings.values)
    vain = []
    for key in KEYS:
        if key.path not in reading.values:
            continue
        asked = Given(file, reading.values[key.path])
        owners = values.get(key.path) or Setting(key.default, ())
        if asked.value == owners.value:
            continue
        stricter = _stricter(key, asked, owners)
        if stricter == owners and key.direction is not EVERY:
            counts = f"{_written(key, owners.value)} counts ({owners.file or 'the default'})"
            why = f"{_written(key, asked.value)} has no effect: {key.direction.why}. {counts}"
            vain.append(Fault(why, file, key.path))
            stricter = owners._replace(outweighed=(asked, *owners.outweighed))
        values[key.path] = stricter
    rules = tuple(Rule(rule, file) for rule in reading.rules)
    default = settings.policy("routine").retention[-1]
    for at, each in enumerate(reading.rules):
        if problem := _sooner(each, default):
            vain.append(Fault(problem, file, f"{RULES}[{at}]"))
    return settings._replace(values=values, also=rules, without_effect=tuple(vain))


def _stricter(key: Key, asked: Given, owners: Setting) -> Setting:
    """What counts of the value asked for and the owner's: the owner's, unless it protects more."""
    value = owners.value
    if key.direction is MORE_ON_DISK and isinstance(asked.value, int) != isinstance(value, int):
        return owners._replace(floor=asked)
    counts = key.direction.of(asked.value, value)
    if counts == value:
        return owners
    if key.direction is EVERY:
        return Setting(counts, (asked, *owners.given), owners.outweighed)
    return Setting(counts, (asked,), (*owners.given, *owners.outweighed))


def _written(key: Key, value: Any) -> str:
    """A value of a key as people write it in a file."""
    if value is None:
        return "never" if key.kind in (DURATION_OR_NEVER, CRON) else "nothing"
    return toml(key.kind.write(value))


def _sooner(rule: Retention, default: Retention) -> str:
    """What of a rule is less than the owner's [images] keep; empty where nothing is."""
    less = [
        f"{key.name} {_written(key, asked)}"
        for key in RULE_KEYS
        if key.direction is LONGER and not rule.keep
        for asked, owners in [(getattr(rule, key.field[0]), getattr(default, key.field[0]))]
        if key.direction.of(asked, owners) != asked
    ]
    if not less:
        return ""
    return (
        f"{' and '.join(less)} would let more go. A tag goes only where the rules of the host's "
        "owner let it go as well"
    )


def contradictions(settings: Settings) -> list[Fault]:
    """What does not go together, though each value is right."""
    marks = settings.policy("routine").disk
    faults = []
    if marks.low is not None and _order(marks.low, marks.high) <= 0:
        faults.append(_mark_fault(settings, "disk.low", "must leave more free than"))
    if _order(marks.critical, marks.high) >= 0:
        faults.append(_mark_fault(settings, "disk.critical", "must leave less free than"))
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


def _mark_fault(settings: Settings, path: str, wrong: str) -> Fault:
    def told(path: str) -> str:
        key, setting = _BY_PATH[path], settings.values.get(path)
        written = key.kind.write(setting.value if setting else key.default)
        return f"{path} ({written}{'' if setting else ', the default'})"

    given = path if path in settings.values else "disk.high"
    problem = f"{told(path)} {wrong} {told('disk.high')}; change one of them"
    return Fault(problem, settings.values[given].file, given)
