"""The fields of a plan in a file, each checked: whatever is wrong is told by the field's name.

Such a file may have been edited by hand, or come from anybody.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from holystone.operations.wishes import Wishes
from holystone.planner.policy import LEVELS
from holystone.planner.saved_plan import Agreed
from holystone.planner.verdict import KINDS

_MOST_STEPS = 1_000_000
_LONGEST_TEXT = 100_000
_LARGEST = 10**18
_LAST_TIME = 253_402_300_799.0
"""The end of the year 9999, UTC seconds."""
_SHOWN = 60


class FieldError(ValueError):
    """What is wrong with which field."""


@dataclass(frozen=True, slots=True)
class SavedPlan:
    """A plan as it was written, or as it was shown."""

    level: str
    taken_at: float
    since: float
    """From when on a use of an object is one that the plan does not know of, UTC seconds."""
    engine_id: str
    store: str
    engine_name: str
    steps: tuple[Agreed, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    """What was asked for beyond the level: fields of ``Wishes``."""
    freed_bytes: int = 0
    """What the whole of it was to free."""
    path: str = ""
    """The file it was read from."""
    max_age: float = 3600.0
    """Seconds after which too much may have changed to carry it out."""

    @property
    def wishes(self) -> Wishes:
        """The level and the options it was made with."""
        return Wishes(self.level, **self.options)


def parsed(content: bytes) -> Any:
    """The JSON of a plan. Raises FieldError for a key that stands twice, and ValueError."""
    return json.loads(content.decode("utf-8"), object_pairs_hook=_once)


def saved_plan(told: Mapping[str, Any]) -> SavedPlan:
    """The plan. Raises FieldError."""
    level = _choice(told, "level", LEVELS)
    taken_at = _time(told, "taken_at")
    engine = _field(told, "engine", dict, "an object")
    freed_bytes = int(_number(told, "freed_bytes", whole=True))
    listed = _field(told, "steps", list, "a list")
    if len(listed) > _MOST_STEPS:
        _wrong("steps", f"has more than {_MOST_STEPS} of them")
    steps: dict[tuple[str, str], Agreed] = {}
    for at, step in enumerate(listed):
        name = f"steps[{at}]"
        if not isinstance(step, dict):
            _wrong(name, f"{_shown(step)} is not an object")
        agreed = _step(step, f"{name}.")
        if steps.setdefault((agreed.kind, agreed.id), agreed) is not agreed:
            _wrong(f"{name}.id", f"{agreed.kind} {_shown(agreed.id)} stands twice")
    return SavedPlan(
        level,
        taken_at,
        min(taken_at, _time(told, "since")) if "since" in told else taken_at,
        _text(engine, "id", "engine."),
        _text(engine, "store", "engine."),
        _text(engine, "name", "engine.", empty=True),
        tuple(steps.values()),
        _options(told, level),
        freed_bytes,
    )


def _step(step: Mapping[str, Any], at: str) -> Agreed:
    state = _field(step, "state", list, "a list", at)
    for number, each in enumerate(state):
        name = f"{at}state[{number}]"
        if isinstance(each, bool) or not isinstance(each, (str, int, float, type(None))):
            _wrong(name, f"{_shown(each)} is neither a text nor a number")
        if isinstance(each, (int, float)) and not abs(each) <= _LARGEST:
            _wrong(name, f"{_shown(each)} is not a number that can be")
    names = _field(step, "names", list, "a list", at)
    for number, each in enumerate(names):
        if not isinstance(each, str):
            _wrong(f"{at}names[{number}]", f"{_shown(each)} is not a text")
    kind = _choice(step, "kind", KINDS, at)
    if kind == "image" and not all(isinstance(each, str) for each in state):
        _wrong(f"{at}state", "of an image has its references, each a text")
    return Agreed(
        kind,
        _text(step, "id", at),
        tuple(names),
        tuple(state),
        int(_number(step, "freed_bytes", at, whole=True)),
    )


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise FieldError(f"{_plain(name)}: it stands twice")
            seen.add(name)
    return made


def _field(told: Mapping[str, Any], name: str, kind: type, like: str, at: str = "") -> Any:
    if name not in told:
        _wrong(f"{at}{name}", "it is missing")
    if not isinstance(told[name], kind):
        _wrong(f"{at}{name}", f"{_shown(told[name])} is not {like}")
    return told[name]


def _text(told: Mapping[str, Any], name: str, at: str = "", *, empty: bool = False) -> str:
    text: str = _field(told, name, str, "a text", at)
    if not (text or empty) or len(text) > _LONGEST_TEXT:
        _wrong(f"{at}{name}", "it is empty" if not text else "it is too long")
    return text


def _choice(told: Mapping[str, Any], name: str, words: Sequence[str], at: str = "") -> str:
    text = _text(told, name, at)
    if text not in words:
        _wrong(f"{at}{name}", f"{_shown(text)} is not one of {', '.join(words)}")
    return text


def _flag(told: Mapping[str, Any], name: str) -> bool:
    return bool(_field(told, name, bool, "true or false", "options."))


def _number(
    told: Mapping[str, Any], name: str, at: str = "", *, whole: bool = False, most: float = _LARGEST
) -> float:
    if name not in told:
        _wrong(f"{at}{name}", "it is missing")
    value = told[name]
    right = isinstance(value, int) or (isinstance(value, float) and not whole)
    if isinstance(value, bool) or not right or not 0 <= value <= most:
        kind = "whole number" if whole else "number"
        _wrong(f"{at}{name}", f"{_shown(value)} is not a {kind} from 0 to {most:.17g}")
    return value  # type: ignore[no-any-return]


def _time(told: Mapping[str, Any], name: str) -> float:
    return float(_number(told, name, most=_LAST_TIME))


def _shown(value: Any) -> str:
    if isinstance(value, (dict, list)):
        return "an object" if isinstance(value, dict) else "a list"
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "an infinite number"
    if isinstance(value, int) and abs(value) > _LARGEST:
        return "a huge number"
    return _plain(json.dumps(value))


def _plain(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


def _wrong(name: str, problem: str) -> NoReturn:
    raise FieldError(f"{name}: {problem}")


_OPTIONS: Mapping[str, Callable[[Mapping[str, Any], str], Any]] = {
    "until_free": lambda told, name: int(_number(told, name, "options.", whole=True)),
    "until_used": lambda told, name: _number(told, name, "options.", most=1.0),
    "watermarks": _flag,
    "include_local": _flag,
    "volumes": lambda told, name: _choice(told, name, ("anonymous", "named"), "options."),
    "check_registry": _flag,
    "min_age": lambda told, name: _number(told, name, "options.", most=_LAST_TIME),
    "cache_budget": lambda told, name: int(_number(told, name, "options.", whole=True)),
}
"""The options of ``plan`` that say what may go, and how each is read."""
OPTIONS = tuple(_OPTIONS)


def _options(told: Mapping[str, Any], level: str) -> Mapping[str, Any]:
    given = _field(told, "options", dict, "an object") if "options" in told else {}
    read = {}
    for name in given:
        if name not in _OPTIONS:
            _wrong(f"options.{_shown(name)}", "there is no such option")
        read[name] = _OPTIONS[name](given, name)
    for name in ("include_local", "volumes"):
        if read.get(name) and level != "deep":
            _wrong(f"options.{name}", f"only a deep plan can have it, and level is {level}")
    targets = [name for name in ("until_free", "until_used", "watermarks") if name in read]
    if len(targets) > 1:
        _wrong(f"options.{targets[1]}", f"it cannot stand beside {targets[0]}")
    return read
