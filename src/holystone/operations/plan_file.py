"""A plan in a file: ``plan --out`` writes it, ``clean --plan`` carries out exactly that.

Such a file is not trusted: each field is checked, and the error names the wrong field.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from holystone import __version__
from holystone.operations.errors import OperationError
from holystone.operations.survey import Survey
from holystone.operations.wishes import Wishes
from holystone.outside.regular_file import NotRegular, read_regular
from holystone.outside.text import safe, safe_json
from holystone.planner.inventory import Engine
from holystone.planner.policy import LEVELS, Policy
from holystone.planner.saved_plan import Agreed, agreed_on, beyond
from holystone.planner.units import format_duration
from holystone.planner.verdict import KINDS

_SCHEMA = 1
_LARGEST_FILE = 100_000_000
"""Bytes of a file. A plan of 100,000 removals has a third of it."""
_AGAIN = "Make a new one with holystone plan --out."
_LISTED_BEFORE = 5.0
"""Seconds before ``taken_at`` at most in which the engine was asked for its lists."""
_AHEAD = 5.0
"""Seconds by which two clocks may differ."""
_RELEASE = re.compile(r"(\d{1,6})\.(\d{1,6})(?:\.(\d{1,6}))?")
_MOST_STEPS = 1_000_000
_LONGEST_TEXT = 100_000
_LARGEST = 10**18
_LAST_TIME = 253_402_300_799.0
"""The end of the year 9999, UTC seconds."""
_SHOWN = 60


class PlanFileError(OperationError):
    """A file holds no plan that can be carried out here; the message names the mend."""


class _FieldError(ValueError):
    """What is wrong with which field."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"{name}: {problem}")


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


def saved(found: Survey, wishes: Wishes | None = None) -> SavedPlan:
    """A plan that was shown, to be carried out by ``clean`` as far as it is still right then.

    ``wishes`` are those it was made with; without them it is only of its level.
    """
    made = found.plan
    given = {} if wishes is None else {name: getattr(wishes, name) for name in _OPTIONS}
    # A flag that was not given is False, but for the one that says no.
    off = [name for name, value in given.items() if value is False and name != "check_registry"]
    listed = made.taken_at - _LISTED_BEFORE
    return SavedPlan(
        made.level,
        made.taken_at,
        # Where this machine's clock is not the engine's, ``began`` lies anywhere.
        found.began if listed <= found.began <= made.taken_at else listed,
        made.engine.id,
        made.engine.store,
        made.engine.name,
        tuple(agreed_on(made, found.inventory)),
        {name: value for name, value in given.items() if value is not None and name not in off},
        made.freed_bytes,
    )


def text_of(plan: SavedPlan) -> str:
    """What is written into a file, for ``read``."""
    told = {
        "schema": _SCHEMA,
        "holystone": __version__,
        "level": plan.level,
        "options": plan.options,
        "taken_at": plan.taken_at,
        "since": plan.since,
        "engine": {"id": plan.engine_id, "store": plan.store, "name": plan.engine_name},
        "freed_bytes": plan.freed_bytes,
        "steps": [step._asdict() for step in plan.steps],
    }
    told["checksum"] = _checksum(told)
    return safe_json(json.dumps(told, indent=2)) + "\n"


def _checksum(told: dict[str, Any]) -> str:
    # Which is only needed for a plan in a file.
    from hashlib import sha256

    text = json.dumps(told, sort_keys=True, separators=(",", ":"))
    return f"sha256:{sha256(text.encode()).hexdigest()}"


def read(path: str, max_age: float = 3600.0) -> SavedPlan:
    """The plan in a file, not to be carried out when it is older than ``max_age`` seconds.

    Raises PlanFileError where it is no plan, or was changed since it was written.
    """
    try:
        content = read_regular(path, _LARGEST_FILE).decode("utf-8")
        told = json.loads(content, object_pairs_hook=_once)
        if not isinstance(told, dict) or "checksum" not in told or "steps" not in told:
            raise PlanFileError(f"{path} is no plan that can be carried out. {_AGAIN}")
        _refuse_other_versions(path, told)
        made = _saved_plan(_Fields(told))
    except OSError as error:
        raise PlanFileError(f"cannot read the plan {path}: {error.strerror}") from None
    except NotRegular as error:
        raise PlanFileError(f"cannot read the plan {path}: {error}. {_AGAIN}") from None
    except _FieldError as error:
        raise PlanFileError(
            f"the plan {path} makes no sense: {safe(str(error))}. {_AGAIN}"
        ) from None
    except RecursionError:
        raise PlanFileError(f"{path} is no plan: it is nested too deeply. {_AGAIN}") from None
    except ValueError:
        raise PlanFileError(f"{path} is no plan: it is not JSON. {_AGAIN}") from None
    if told.pop("checksum") != _checksum(told):
        raise PlanFileError(f"the plan {path} was edited after it was made. {_AGAIN}")
    return replace(made, path=path, max_age=max_age)


def _refuse_other_versions(path: str, told: dict[str, Any]) -> None:
    schema, by = told.get("schema"), safe(str(told.get("holystone"))[:40])
    theirs, ours = (
        tuple(int(part or 0) for part in found.groups()) if found else ()
        for found in map(_RELEASE.match, (str(told.get("holystone")), __version__))
    )
    newer = theirs and ours and theirs > ours
    if newer or (isinstance(schema, int) and schema > _SCHEMA):
        raise PlanFileError(
            f"the plan {path} was made by a newer holystone ({by}), and this is {__version__}: "
            f"what it says may not be understood here. {_AGAIN}"
        )
    if schema != _SCHEMA or isinstance(schema, bool):
        raise PlanFileError(f"the plan {path} is of another holystone ({by}). {_AGAIN}")


def check_level(plan: SavedPlan, policy: Policy) -> None:
    """Refuse a plan with something in it that its level never takes. Raises PlanFileError."""
    found = beyond(plan.steps, policy)
    if found is None:
        return
    at, what = found
    name = next(filter(None, (*plan.steps[at].names, plan.steps[at].id)), "")
    raise PlanFileError(
        f"the plan {plan.path} has a {what} in it (steps[{at}]: {safe(name)}), and a {plan.level} "
        f"clean takes no {what} here. Nothing was removed. {_AGAIN}"
    )


def check(plan: SavedPlan, engine: Engine, now: float) -> None:
    """Refuse a plan that is for another engine, or too old (seconds). Raises PlanFileError."""
    path, max_age = plan.path, plan.max_age
    if (plan.engine_id, plan.store) != (engine.id, engine.store):
        raise PlanFileError(
            f"the plan {path} is for another engine: {safe(plan.engine_name)} "
            f"(engine.id {safe(plan.engine_id)}, {safe(plan.store)}), and this is "
            f"{safe(engine.name)} ({safe(engine.id)}, {safe(engine.store)}). {_AGAIN}"
        )
    age = now - plan.taken_at
    if age < -_AHEAD:
        raise PlanFileError(
            f"the plan {path} is from the future: taken_at is {format_duration(-age)} ahead of "
            f"the clock. {_AGAIN}"
        )
    if age > max_age:
        raise PlanFileError(
            f"the plan {path} is {format_duration(age)} old; after {format_duration(max_age)} too "
            f"much may have changed. {_AGAIN} (--max-plan-age changes the limit.)"
        )


class _Fields:
    """The fields of one object in a file, each read and checked. They raise _FieldError."""

    def __init__(self, told: Mapping[str, Any], at: str = "") -> None:
        self.told = told
        self.at = at

    def any(self, name: str, kinds: type | tuple[type, ...], like: str) -> Any:
        if name not in self.told:
            raise _FieldError(f"{self.at}{name}", "it is missing")
        value = self.told[name]
        if not isinstance(value, kinds):
            raise _FieldError(f"{self.at}{name}", f"{_shown(value)} is not {like}")
        return value

    def list(self, name: str) -> Sequence[tuple[str, Any]]:
        """Each with its own name."""
        told = self.any(name, list, "a list")
        if len(told) > _MOST_STEPS:
            raise _FieldError(f"{self.at}{name}", f"has more than {_MOST_STEPS} of them")
        return [(f"{self.at}{name}[{at}]", each) for at, each in enumerate(told)]

    def text(self, name: str, words: Sequence[str] = (), *, empty: bool = False) -> str:
        text: str = self.any(name, str, "a text")
        problem = "it is empty" if not (text or empty) else ""
        if len(text) > _LONGEST_TEXT:
            problem = "it is too long"
        elif text and words and text not in words:
            problem = f"{_shown(text)} is not one of {', '.join(words)}"
        if problem:
            raise _FieldError(f"{self.at}{name}", problem)
        return text

    def number(self, name: str, most: float = _LARGEST, *, whole: bool = False) -> Any:
        like = f"a {'whole ' if whole else ''}number from 0 to {most:.17g}"
        value = self.any(name, int if whole else (int, float), like)
        if isinstance(value, bool) or not 0 <= value <= most:
            raise _FieldError(f"{self.at}{name}", f"{_shown(value)} is not {like}")
        return value

    def whole(self, name: str) -> int:
        return int(self.number(name, whole=True))

    def flag(self, name: str) -> bool:
        return bool(self.any(name, bool, "true or false"))


def _saved_plan(told: _Fields) -> SavedPlan:
    level = told.text("level", LEVELS)
    taken_at = float(told.number("taken_at", _LAST_TIME))
    engine = _Fields(told.any("engine", dict, "an object"), "engine.")
    freed_bytes = told.whole("freed_bytes")
    steps: dict[tuple[str, str], Agreed] = {}
    for name, step in told.list("steps"):
        if not isinstance(step, dict):
            raise _FieldError(name, f"{_shown(step)} is not an object")
        agreed = _step(_Fields(step, f"{name}."))
        if steps.setdefault((agreed.kind, agreed.id), agreed) is not agreed:
            raise _FieldError(f"{name}.id", f"{agreed.kind} {_shown(agreed.id)} stands twice")
    since = float(told.number("since", _LAST_TIME)) if "since" in told.told else taken_at
    return SavedPlan(
        level,
        taken_at,
        min(taken_at, since),
        engine.text("id"),
        engine.text("store"),
        engine.text("name", empty=True),
        tuple(steps.values()),
        _options(told, level),
        freed_bytes,
    )


def _step(step: _Fields) -> Agreed:
    state = step.list("state")
    for name, each in state:
        if isinstance(each, bool) or not isinstance(each, (str, int, float, type(None))):
            raise _FieldError(name, f"{_shown(each)} is neither a text nor a number")
        if isinstance(each, (int, float)) and not abs(each) <= _LARGEST:
            raise _FieldError(name, f"{_shown(each)} is not a number that can be")
    names = step.list("names")
    for name, each in names:
        if not isinstance(each, str):
            raise _FieldError(name, f"{_shown(each)} is not a text")
    kind = step.text("kind", KINDS)
    if kind == "image" and not all(isinstance(each, str) for _, each in state):
        raise _FieldError(f"{step.at}state", "of an image has its references, each a text")
    return Agreed(
        kind,
        step.text("id"),
        tuple(each for _, each in names),
        tuple(each for _, each in state),
        step.whole("freed_bytes"),
    )


_OPTIONS: Mapping[str, Callable[[_Fields, str], Any]] = {
    "until_free": _Fields.whole,
    "until_used": lambda told, name: told.number(name, 1.0),
    "watermarks": _Fields.flag,
    "include_local": _Fields.flag,
    "volumes": lambda told, name: told.text(name, ("anonymous", "named")),
    "check_registry": _Fields.flag,
    "min_age": lambda told, name: told.number(name, _LAST_TIME),
    "cache_budget": _Fields.whole,
}
"""The options of ``plan`` that say what may go, and how each is read."""


def _options(told: _Fields, level: str) -> Mapping[str, Any]:
    given = told.any("options", dict, "an object") if "options" in told.told else {}
    read = {}
    for name in given:
        if name not in _OPTIONS:
            raise _FieldError(f"options.{_shown(name)}", "there is no such option")
        read[name] = _OPTIONS[name](_Fields(given, "options."), name)
    for name in ("include_local", "volumes"):
        if read.get(name) and level != "deep":
            problem = f"only a deep plan can have it, and level is {level}"
            raise _FieldError(f"options.{name}", problem)
    targets = [name for name in ("until_free", "until_used", "watermarks") if name in read]
    if len(targets) > 1:
        raise _FieldError(f"options.{targets[1]}", f"it cannot stand beside {targets[0]}")
    return read


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name, value in pairs:
        if name in made:
            raise _FieldError(_cut(name), "it stands twice")
        made[name] = value
    return made


def _shown(value: Any) -> str:
    if isinstance(value, (dict, list)):
        return "an object" if isinstance(value, dict) else "a list"
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "an infinite number"
    if isinstance(value, int) and abs(value) > _LARGEST:
        return "a huge number"
    return _cut(json.dumps(value))


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
