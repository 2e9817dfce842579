"""A plan in a file: ``plan --out`` writes it, ``clean --plan`` carries out exactly that."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from holystone import __version__
from holystone.cli import writing
from holystone.cli.session import Failure
from holystone.core.agreed import Agreed, agreed_on
from holystone.core.decision import KINDS, Plan
from holystone.core.inventory import Engine, Inventory
from holystone.core.outside import safe_json
from holystone.core.policy import LEVELS
from holystone.core.units import format_duration
from holystone.present.wording import safe

_SCHEMA = 1
_AGAIN = "Make a new one with holystone plan --out."


class PlanFile(NamedTuple):
    """A plan as it was written."""

    level: str
    taken_at: float
    engine_id: str
    store: str
    engine_name: str
    steps: tuple[Agreed, ...]


def write(path: str, made: Plan, inventory: Inventory) -> None:
    """Write a plan into a file, or leave what was there as it is. Raises Failure."""
    told = {
        "schema": _SCHEMA,
        "holystone": __version__,
        "level": made.level,
        "taken_at": made.taken_at,
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
        with open(path, encoding="utf-8") as file:
            told = json.load(file)
    except OSError as error:
        raise Failure(f"cannot read the plan {path}: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise Failure(f"{path} is no plan: it is not JSON. {_AGAIN}") from None
    if not isinstance(told, dict) or "checksum" not in told or "steps" not in told:
        raise Failure(f"{path} is no plan that can be carried out. {_AGAIN}")
    if told.pop("checksum") != _checksum(told):
        raise Failure(f"the plan {path} was edited after it was made. {_AGAIN}")
    if told.get("schema") != _SCHEMA:
        by = safe(str(told.get("holystone")))
        raise Failure(f"the plan {path} is of another holystone ({by}). {_AGAIN}")
    try:
        return _plan_file(told)
    except (KeyError, TypeError, ValueError):
        raise Failure(f"the plan {path} makes no sense. {_AGAIN}") from None


def check(plan: PlanFile, path: str, engine: Engine, now: float, max_age: float) -> None:
    """Refuse a plan that is for another engine, or too old (seconds). Raises Failure."""
    if (plan.engine_id, plan.store) != (engine.id, engine.store):
        raise Failure(
            f"the plan {path} is for another engine: {safe(plan.engine_name)} "
            f"({safe(plan.engine_id)}), and this is {safe(engine.name)} ({safe(engine.id)}). "
            f"{_AGAIN}"
        )
    age = now - plan.taken_at
    if age > max_age:
        raise Failure(
            f"the plan {path} is {format_duration(age)} old; after {format_duration(max_age)} too "
            f"much may have changed. {_AGAIN} (--max-plan-age changes the limit.)"
        )


def _plan_file(told: dict[str, Any]) -> PlanFile:
    steps = tuple(
        Agreed(
            str(step["kind"]),
            str(step["id"]),
            tuple(map(str, step["names"])),
            tuple(step["state"]),
            int(step["freed_bytes"]),
        )
        for step in told["steps"]
    )
    if told["level"] not in LEVELS or any(step.kind not in KINDS for step in steps):
        raise ValueError(told["level"])
    engine = told["engine"]
    return PlanFile(
        told["level"],
        float(told["taken_at"]),
        str(engine["id"]),
        str(engine["store"]),
        str(engine["name"]),
        steps,
    )


def _checksum(told: dict[str, Any]) -> str:
    from hashlib import sha256

    text = json.dumps(told, sort_keys=True, separators=(",", ":"))
    return f"sha256:{sha256(text.encode()).hexdigest()}"
