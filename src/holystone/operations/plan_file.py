"""A plan in a file: ``plan --out`` writes it, ``clean --plan`` carries out exactly that.

Such a file is not trusted: each field is checked, and the error names the wrong field. Steps may be
taken out of it. So each step has a checksum of its own, which binds it to this one plan: a step
that was edited, or put in from elsewhere, is refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

from holystone import __version__
from holystone.operations.errors import OperationError
from holystone.operations.file_fields import LARGEST, FieldError, Fields, once, shown
from holystone.operations.survey import Survey
from holystone.operations.wishes import Wishes
from holystone.outside import writing
from holystone.outside.regular_file import NotRegular, read_regular
from holystone.outside.text import safe, safe_json
from holystone.planner.inventory import Engine, Inventory
from holystone.planner.policy import LEVELS, Policy
from holystone.planner.saved_plan import Agreed, agreed_on, beyond, hold_against
from holystone.planner.units import format_duration
from holystone.planner.usage import Since, Usage
from holystone.planner.verdict import KINDS, Plan

_SCHEMA = 2
_LARGEST_FILE = 100_000_000
"""Bytes of a file. A plan of 100,000 removals has a third of it."""
_AGAIN = "Make a new one with holystone plan --out."
_LISTED_BEFORE = 5.0
"""Seconds before ``taken_at`` at most in which the engine was asked for its lists."""
_AHEAD = 5.0
"""Seconds by which two clocks may differ."""
_RELEASE = re.compile(r"(\d{1,6})\.(\d{1,6})(?:\.(\d{1,6}))?")
_LAST_TIME = 253_402_300_799.0
"""The end of the year 9999, UTC seconds."""


class PlanFileError(OperationError):
    """A file holds no plan that can be carried out here; the message names the mend."""


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
    """What its steps were to free."""
    path: str = ""
    """The file it was read from."""
    max_age: float = 3600.0
    """Seconds after which too much may have changed to carry it out."""

    @property
    def wishes(self) -> Wishes:
        """The level and the options it was made with."""
        return Wishes(self.level, **self.options)

    def check_level(self, policy: Policy) -> None:
        """Refuse a plan with something in it that its level never takes. Raises PlanFileError."""
        found = beyond(self.steps, policy)
        if found is None:
            return
        at, what = found
        name = next(filter(None, (*self.steps[at].names, self.steps[at].id)), "")
        raise PlanFileError(
            f"the plan {self.path} has a {what} in it (steps[{at}]: {safe(name)}), and a "
            f"{self.level} clean takes no {what} here. Nothing was removed. {_AGAIN}"
        )

    def check(self, engine: Engine, now: float) -> None:
        """Refuse a plan that is for another engine, or too old (seconds). Raises PlanFileError."""
        path, max_age = self.path, self.max_age
        if (self.engine_id, self.store) != (engine.id, engine.store):
            raise PlanFileError(
                f"the plan {path} is for another engine: {safe(self.engine_name)} "
                f"(engine.id {safe(self.engine_id)}, {safe(self.store)}), and this is "
                f"{safe(engine.name)} ({safe(engine.id)}, {safe(engine.store)}). {_AGAIN}"
            )
        age = now - self.taken_at
        if age < -_AHEAD:
            raise PlanFileError(
                f"the plan {path} is from the future: taken_at is {format_duration(-age)} ahead of "
                f"the clock. {_AGAIN}"
            )
        if age > max_age:
            raise PlanFileError(
                f"the plan {path} is {format_duration(age)} old; after {format_duration(max_age)} "
                f"too much may have changed. {_AGAIN} (--max-plan-age changes the limit.)"
            )

    def held_against(
        self, inventory: Inventory, usage: Usage, policy: Policy, since: Since
    ) -> Plan:
        """The part of it that is still right on the host as it is now; see ``hold_against``."""
        now = inventory.taken_at
        return hold_against(self.steps, inventory, usage, policy, now, since)


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
    }
    # A whole number stays one in every editor and in jq; 1750000000.0 does not.
    told = json.loads(json.dumps(told), parse_float=_number)
    told["checksum"] = _checksum(told)
    steps = [step._asdict() for step in plan.steps]
    told["steps"] = json.loads(json.dumps(steps), parse_float=_number)
    for step in told["steps"]:
        step["checksum"] = _checksum(step, told["checksum"])
    return safe_json(json.dumps(told, indent=2)) + "\n"


def write(path: str, found: Survey, wishes: Wishes) -> None:
    """Write a plan that was shown into a file. Raises OSError, ValueError."""
    writing.write(path, text_of(saved(found, wishes)))


def _number(text: str) -> float:
    number = float(text)
    return int(number) if number.is_integer() else number


def _checksum(told: Mapping[str, Any], of_plan: str = "") -> str:
    """Of a plan without its steps, or of a step of the plan with the checksum ``of_plan``."""
    rest = {name: told[name] for name in told.keys() - {"checksum", "steps"}}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"))
    return f"sha256:{sha256(f'{of_plan}{text}'.encode()).hexdigest()}"


def _refuse_edited(path: str, told: Mapping[str, Any]) -> None:
    """Refuse a plan that was edited, but for steps that were taken out. Raises PlanFileError."""
    whole = told["checksum"]
    if whole != _checksum(told):
        raise PlanFileError(
            f"the plan {path} was edited after it was made: one of the fields beside its steps is "
            f"another. Only steps can be taken out of a plan. {_AGAIN}"
        )
    for at, step in enumerate(told["steps"]):
        if step.get("checksum") != _checksum(step, whole):
            name = next(filter(None, (*step["names"], step["id"])), "")
            raise PlanFileError(
                f"the plan {path} was edited after it was made: steps[{at}] "
                f"({safe(step['kind'])} {safe(name)}) was changed or added. Steps can be taken out "
                f"of a plan, and nothing else can be edited. Nothing was removed. {_AGAIN}"
            )


def read(path: str, max_age: float = 3600.0) -> SavedPlan:
    """The plan in a file, not to be carried out when it is older than ``max_age`` seconds.

    Steps may be missing that were in it when it was written. Raises PlanFileError where it is no
    plan, or was edited otherwise.
    """
    try:
        content = read_regular(path, _LARGEST_FILE).decode("utf-8")
        told = json.loads(content, object_pairs_hook=once)
        if not isinstance(told, dict) or "checksum" not in told or "steps" not in told:
            raise PlanFileError(f"{path} is no plan that can be carried out. {_AGAIN}")
        _refuse_other_versions(path, told)
        made = _saved_plan(Fields(told))
        _refuse_edited(path, told)
    except OSError as error:
        raise PlanFileError(f"cannot read the plan {path}: {error.strerror}") from None
    except NotRegular as error:
        raise PlanFileError(f"cannot read the plan {path}: {error}. {_AGAIN}") from None
    except FieldError as error:
        raise PlanFileError(
            f"the plan {path} makes no sense: {safe(str(error))}. {_AGAIN}"
        ) from None
    except RecursionError:
        raise PlanFileError(f"{path} is no plan: it is nested too deeply. {_AGAIN}") from None
    except ValueError:
        raise PlanFileError(f"{path} is no plan: it is not JSON. {_AGAIN}") from None
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


def _saved_plan(told: Fields) -> SavedPlan:
    level = told.text("level", LEVELS)
    taken_at = float(told.number("taken_at", _LAST_TIME))
    engine = Fields(told.any("engine", dict, "an object"), "engine.")
    told.whole("freed_bytes")
    steps: dict[tuple[str, str], Agreed] = {}
    for name, step in told.list("steps"):
        if not isinstance(step, dict):
            raise FieldError(name, f"{shown(step)} is not an object")
        agreed = _step(Fields(step, f"{name}."))
        if steps.setdefault((agreed.kind, agreed.id), agreed) is not agreed:
            raise FieldError(f"{name}.id", f"{agreed.kind} {shown(agreed.id)} stands twice")
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
        # Steps may have been taken out.
        sum(step.freed_bytes for step in steps.values()),
    )


def _step(step: Fields) -> Agreed:
    state = step.list("state")
    for name, each in state:
        if isinstance(each, bool) or not isinstance(each, (str, int, float, type(None))):
            raise FieldError(name, f"{shown(each)} is neither a text nor a number")
        if isinstance(each, (int, float)) and not abs(each) <= LARGEST:
            raise FieldError(name, f"{shown(each)} is not a number that can be")
    names = step.list("names")
    for name, each in names:
        if not isinstance(each, str):
            raise FieldError(name, f"{shown(each)} is not a text")
    kind = step.text("kind", KINDS)
    if kind == "image" and not all(isinstance(each, str) for _, each in state):
        raise FieldError(f"{step.at}state", "of an image has its references, each a text")
    return Agreed(
        kind,
        step.text("id"),
        tuple(each for _, each in names),
        tuple(each for _, each in state),
        step.whole("freed_bytes"),
    )


def _words(told: Fields, name: str) -> tuple[str, ...]:
    words = told.list(name)
    for each, word in words:
        if not isinstance(word, str) or not word.strip():
            raise FieldError(each, f"{shown(word)} is not a text")
    return tuple(word for _, word in words)


_OPTIONS: Mapping[str, Callable[[Fields, str], Any]] = {
    "until_free": Fields.whole,
    "until_used": lambda told, name: told.number(name, 1.0),
    "watermarks": Fields.flag,
    "include_local": Fields.flag,
    "volumes": lambda told, name: told.text(name, ("anonymous", "named")),
    "check_registry": Fields.flag,
    "min_age": lambda told, name: told.number(name, _LAST_TIME),
    "cache_budget": Fields.whole,
    "only": _words,
}
"""The options of ``plan`` that say what may go, and how each is read."""


def _options(told: Fields, level: str) -> Mapping[str, Any]:
    given = told.any("options", dict, "an object") if "options" in told.told else {}
    read = {}
    for name in given:
        if name not in _OPTIONS:
            raise FieldError(f"options.{shown(name)}", "there is no such option")
        read[name] = _OPTIONS[name](Fields(given, "options."), name)
    for name in ("include_local", "volumes"):
        if read.get(name) and level != "deep":
            problem = f"only a deep plan can have it, and level is {level}"
            raise FieldError(f"options.{name}", problem)
    targets = [name for name in ("until_free", "until_used", "watermarks") if name in read]
    if len(targets) > 1:
        raise FieldError(f"options.{targets[1]}", f"it cannot stand beside {targets[0]}")
    return read
