"""A plan in a file: ``plan --out`` writes it, ``clean --plan`` carries out exactly that."""

from __future__ import annotations

import argparse
import json
import re
from typing import Any

from holystone import __version__
from holystone.cli.plan_fields import OPTIONS, FieldError, PlanFile, parsed, plan_file
from holystone.cli.session import Failure
from holystone.outside import writing
from holystone.outside.regular_file import NotRegular, read_regular
from holystone.outside.text import safe_json
from holystone.planner.inventory import Engine, Inventory
from holystone.planner.policy import Policy
from holystone.planner.saved_plan import agreed_on, beyond
from holystone.planner.units import format_duration
from holystone.planner.verdict import Plan
from holystone.present.format import counted, safe
from holystone.present.report.clean import is_gone

_SCHEMA = 1
_LARGEST = 100_000_000
"""Bytes of a file. A plan of 100,000 removals has a third of it."""
_AGAIN = "Make a new one with holystone plan --out."
_LISTED_BEFORE = 5.0
"""Seconds before ``taken_at`` at most in which the engine was asked for its lists."""
_AHEAD = 5.0
"""Seconds by which two clocks may differ."""
_RELEASE = re.compile(r"(\d{1,6})\.(\d{1,6})(?:\.(\d{1,6}))?")


def write(
    path: str, made: Plan, inventory: Inventory, options: argparse.Namespace, began: float
) -> None:
    """Write a plan into a file, or leave what was there as it is. Raises Failure.

    ``options`` are those of ``plan``, ``began`` when it began to look (UTC seconds): what was used
    from then on, its lists may not show.
    """
    given = {name: getattr(options, name, None) for name in OPTIONS}
    # A flag that was not given is False, but for the one that says no.
    listed = made.taken_at - _LISTED_BEFORE
    off = [name for name, value in given.items() if value is False and name != "check_registry"]
    told = {
        "schema": _SCHEMA,
        "holystone": __version__,
        "level": made.level,
        "options": {
            name: value for name, value in given.items() if value is not None and name not in off
        },
        "taken_at": made.taken_at,
        # Where this machine's clock is not the engine's, ``began`` lies anywhere.
        "since": began if listed <= began <= made.taken_at else listed,
        "engine": {"id": made.engine.id, "store": made.engine.store, "name": made.engine.name},
        "freed_bytes": made.freed_bytes,
        "steps": [step._asdict() for step in agreed_on(made, inventory)],
    }
    told["checksum"] = _checksum(told)
    try:
        writing.write(path, safe_json(json.dumps(told, indent=2)) + "\n")
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or str(error)
        raise Failure(f"cannot write the plan to {safe(path)}: {said}") from None


def read(path: str) -> PlanFile:
    """The plan in a file. Raises Failure where it is none, or was changed since it was written."""
    try:
        told = parsed(read_regular(path, _LARGEST))
    except OSError as error:
        raise Failure(f"cannot read the plan {path}: {error.strerror}") from None
    except NotRegular as error:
        raise Failure(f"cannot read the plan {path}: {error}. {_AGAIN}") from None
    except FieldError as error:
        raise _wrong(path, error) from None
    except RecursionError:
        raise Failure(f"{path} is no plan: it is nested too deeply. {_AGAIN}") from None
    except ValueError:
        raise Failure(f"{path} is no plan: it is not JSON. {_AGAIN}") from None
    if not isinstance(told, dict) or "checksum" not in told or "steps" not in told:
        raise Failure(f"{path} is no plan that can be carried out. {_AGAIN}")
    _refuse_other_versions(path, told)
    try:
        made = plan_file(told)
    except FieldError as error:
        raise _wrong(path, error) from None
    if told.pop("checksum") != _checksum(told):
        raise Failure(f"the plan {path} was edited after it was made. {_AGAIN}")
    return made


def _refuse_other_versions(path: str, told: dict[str, Any]) -> None:
    schema, by = told.get("schema"), safe(str(told.get("holystone"))[:40])
    theirs, ours = _RELEASE.match(str(told.get("holystone"))), _RELEASE.match(__version__)
    newer = theirs and ours and _numbers(theirs) > _numbers(ours)
    if newer or (isinstance(schema, int) and schema > _SCHEMA):
        raise Failure(
            f"the plan {path} was made by a newer holystone ({by}), and this is {__version__}: "
            f"what it says may not be understood here. {_AGAIN}"
        )
    if schema != _SCHEMA or isinstance(schema, bool):
        raise Failure(f"the plan {path} is of another holystone ({by}). {_AGAIN}")


def _numbers(release: re.Match[str]) -> tuple[int, ...]:
    return tuple(int(part or 0) for part in release.groups())


def _wrong(path: str, error: FieldError) -> Failure:
    return Failure(f"the plan {path} makes no sense: {safe(str(error))}. {_AGAIN}")


def take_options(plan: PlanFile, options: argparse.Namespace) -> None:
    """Let the options of ``clean`` say what those of ``plan`` said when the plan was made."""
    options.level = plan.level
    for name, value in plan.options.items():
        setattr(options, name, value)


def check_level(plan: PlanFile, path: str, policy: Policy) -> None:
    """Refuse a plan with something in it that its level never takes. Raises Failure."""
    found = beyond(plan.steps, policy)
    if found is None:
        return
    at, what = found
    step = plan.steps[at]
    name = next((each for each in (*step.names, step.id) if each), "")
    raise Failure(
        f"the plan {path} has a {what} in it (steps[{at}]: {safe(name)}), and a {plan.level} clean "
        f"takes no {what} here. Nothing was removed. {_AGAIN}"
    )


def check(plan: PlanFile, path: str, engine: Engine, now: float, max_age: float) -> None:
    """Refuse a plan that is for another engine, or too old (seconds). Raises Failure."""
    if (plan.engine_id, plan.store) != (engine.id, engine.store):
        raise Failure(
            f"the plan {path} is for another engine: {safe(plan.engine_name)} "
            f"(engine.id {safe(plan.engine_id)}, {safe(plan.store)}), and this is "
            f"{safe(engine.name)} ({safe(engine.id)}, {safe(engine.store)}). {_AGAIN}"
        )
    age = now - plan.taken_at
    if age < -_AHEAD:
        raise Failure(
            f"the plan {path} is from the future: taken_at is {format_duration(-age)} ahead of "
            f"the clock. {_AGAIN}"
        )
    if age > max_age:
        raise Failure(
            f"the plan {path} is {format_duration(age)} old; after {format_duration(max_age)} too "
            f"much may have changed. {_AGAIN} (--max-plan-age changes the limit.)"
        )


def nothing_left(plan: Plan, agreed: PlanFile) -> str:
    """What is told where nothing of a plan can be carried out: what became of its objects."""
    if not agreed.steps:
        return "Nothing was left to do: the plan has nothing in it."
    wanted = {(step.kind, step.id) for step in agreed.steps}
    mine = [verdict for verdict in plan.verdicts if (verdict.kind, verdict.id) in wanted]
    stay = sum(not is_gone(verdict) for verdict in mine)
    if not stay:
        return "Nothing was left to do: everything in the plan is gone already."
    gone = f"{len(mine) - stay} are gone already, " if stay < len(mine) else ""
    said = f"of {counted(len(mine), 'object')} in the plan {gone}{stay} must stay"
    return f"Nothing was left to do: {said}."


def _checksum(told: dict[str, Any]) -> str:
    from hashlib import sha256

    text = json.dumps(told, sort_keys=True, separators=(",", ":"))
    return f"sha256:{sha256(text.encode()).hexdigest()}"
