"""A plan in a file: ``plan --out`` writes it, ``clean --plan`` carries out exactly that."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

from holystone import __version__
from holystone.operations.errors import OperationError
from holystone.operations.plan_fields import OPTIONS, FieldError, SavedPlan, parsed, saved_plan
from holystone.operations.survey import Survey
from holystone.operations.wishes import Wishes
from holystone.outside.regular_file import NotRegular, read_regular
from holystone.outside.text import safe, safe_json
from holystone.planner.inventory import Engine
from holystone.planner.policy import Policy
from holystone.planner.saved_plan import agreed_on, beyond
from holystone.planner.units import format_duration

_SCHEMA = 1
_LARGEST = 100_000_000
"""Bytes of a file. A plan of 100,000 removals has a third of it."""
_AGAIN = "Make a new one with holystone plan --out."
_LISTED_BEFORE = 5.0
"""Seconds before ``taken_at`` at most in which the engine was asked for its lists."""
_AHEAD = 5.0
"""Seconds by which two clocks may differ."""
_RELEASE = re.compile(r"(\d{1,6})\.(\d{1,6})(?:\.(\d{1,6}))?")


class PlanFileError(OperationError):
    """A file holds no plan that can be carried out here; the message names the mend."""


def saved(found: Survey, wishes: Wishes | None = None) -> SavedPlan:
    """A plan that was shown, to be carried out by ``clean`` as far as it is still right then.

    ``wishes`` are those it was made with; without them it is only of its level.
    """
    made = found.plan
    given = {} if wishes is None else {name: getattr(wishes, name) for name in OPTIONS}
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


def read(path: str, max_age: float = 3600.0) -> SavedPlan:
    """The plan in a file, not to be carried out when it is older than ``max_age`` seconds.

    Raises PlanFileError where it is no plan, or was changed since it was written.
    """
    try:
        told = parsed(read_regular(path, _LARGEST))
    except OSError as error:
        raise PlanFileError(f"cannot read the plan {path}: {error.strerror}") from None
    except NotRegular as error:
        raise PlanFileError(f"cannot read the plan {path}: {error}. {_AGAIN}") from None
    except FieldError as error:
        raise _wrong(path, error) from None
    except RecursionError:
        raise PlanFileError(f"{path} is no plan: it is nested too deeply. {_AGAIN}") from None
    except ValueError:
        raise PlanFileError(f"{path} is no plan: it is not JSON. {_AGAIN}") from None
    if not isinstance(told, dict) or "checksum" not in told or "steps" not in told:
        raise PlanFileError(f"{path} is no plan that can be carried out. {_AGAIN}")
    _refuse_other_versions(path, told)
    try:
        made = saved_plan(told)
    except FieldError as error:
        raise _wrong(path, error) from None
    if told.pop("checksum") != _checksum(told):
        raise PlanFileError(f"the plan {path} was edited after it was made. {_AGAIN}")
    return replace(made, path=path, max_age=max_age)


def _refuse_other_versions(path: str, told: dict[str, Any]) -> None:
    schema, by = told.get("schema"), safe(str(told.get("holystone"))[:40])
    theirs, ours = _RELEASE.match(str(told.get("holystone"))), _RELEASE.match(__version__)
    newer = theirs and ours and _numbers(theirs) > _numbers(ours)
    if newer or (isinstance(schema, int) and schema > _SCHEMA):
        raise PlanFileError(
            f"the plan {path} was made by a newer holystone ({by}), and this is {__version__}: "
            f"what it says may not be understood here. {_AGAIN}"
        )
    if schema != _SCHEMA or isinstance(schema, bool):
        raise PlanFileError(f"the plan {path} is of another holystone ({by}). {_AGAIN}")


def _numbers(release: re.Match[str]) -> tuple[int, ...]:
    return tuple(int(part or 0) for part in release.groups())


def _wrong(path: str, error: FieldError) -> PlanFileError:
    return PlanFileError(f"the plan {path} makes no sense: {safe(str(error))}. {_AGAIN}")


def check_level(plan: SavedPlan, policy: Policy) -> None:
    """Refuse a plan with something in it that its level never takes. Raises PlanFileError."""
    found = beyond(plan.steps, policy)
    if found is None:
        return
    at, what = found
    step = plan.steps[at]
    name = next((each for each in (*step.names, step.id) if each), "")
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


def _checksum(told: dict[str, Any]) -> str:
    # Which is only needed for a plan in a file.
    from hashlib import sha256

    text = json.dumps(told, sort_keys=True, separators=(",", ":"))
    return f"sha256:{sha256(text.encode()).hexdigest()}"
