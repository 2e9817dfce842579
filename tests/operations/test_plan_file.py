"""The fields of a plan in a file: each is checked, and told by its name where it is wrong."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from holystone import connect, policy_for, saved, survey
from holystone.operations.plan_file import PlanFileError, read, text_of

Plan = dict[str, Any]


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A routine plan for the demo host."""
    with connect("demo:", state=str(tmp_path_factory.mktemp("state"))) as host:
        return text_of(saved(survey(host, policy_for(environ={"HOME": "/nonexistent"}))))


def signed(told: Plan) -> str:
    """A plan as whoever knows how the checksum is made can write it."""
    told["checksum"] = checksum(told)
    for step in told["steps"] if isinstance(told["steps"], list) else ():
        if isinstance(step, dict):
            step["checksum"] = checksum(step, told["checksum"])
    return json.dumps(told)


def checksum(told: Plan, of_plan: str = "") -> str:
    rest = {name: value for name, value in told.items() if name not in ("checksum", "steps")}
    text = of_plan + json.dumps(rest, sort_keys=True, separators=(",", ":"))
    return f"sha256:{sha256(text.encode()).hexdigest()}"


def refused(path: Path, content: str | None = None) -> str:
    """Why a file is no plan."""
    if content is not None:
        path.write_text(content)
    with pytest.raises(PlanFileError) as error:
        read(str(path))
    return str(error.value)


NAN, INFINITE = float("nan"), float("inf")
WRONG: list[tuple[str, Any, str]] = [
    ("taken_at", NAN, "taken_at: NaN is not a number"),
    ("taken_at", INFINITE, "taken_at: an infinite number is not a number"),
    ("taken_at", -1, "taken_at: -1 is not a number"),
    ("taken_at", "now", 'taken_at: "now" is not a number'),
    ("taken_at", True, "taken_at: true is not a number"),
    ("taken_at", 10**4000, "taken_at: a huge number"),
    ("taken_at", ..., "taken_at: it is missing"),
    ("since", NAN, "since: NaN"),
    ("freed_bytes", INFINITE, "freed_bytes: an infinite number is not a whole number"),
    ("freed_bytes", -5, "freed_bytes: -5"),
    ("freed_bytes", 1.5, "freed_bytes: 1.5"),
    ("freed_bytes", ..., "freed_bytes: it is missing"),
    ("level", "all", 'level: "all" is not one of routine, weekly, deep'),
    ("level", ["routine"], "level: a list is not a text"),
    ("level", ..., "level: it is missing"),
    ("engine", None, "engine: null is not an object"),
    ("engine", ..., "engine: it is missing"),
    ("engine.id", 7, "engine.id: 7 is not a text"),
    ("engine.store", "", "engine.store: it is empty"),
    ("engine.name", "x" * 100_001, "engine.name: it is too long"),
    ("steps", {}, "steps: an object is not a list"),
    ("steps.0", "x", 'steps[0]: "x" is not an object'),
    ("steps.1.kind", "host", 'steps[1].kind: "host" is not one of container, image'),
    ("steps.1.id", None, "steps[1].id: null is not a text"),
    ("steps.1.names", "x", 'steps[1].names: "x" is not a list'),
    ("steps.1.names", [1], "steps[1].names[0]: 1 is not a text"),
    ("steps.1.state", [NAN], "steps[1].state[0]: NaN is not a number"),
    ("steps.1.state", [[]], "steps[1].state[0]: a list is neither a text nor a number"),
    ("steps.1.freed_bytes", -INFINITE, "steps[1].freed_bytes: an infinite number"),
    ("steps.1.freed_bytes", -1, "steps[1].freed_bytes: -1"),
    ("options", [], "options: a list is not an object"),
    ("options", {"force": True}, "there is no such option"),
    ("options", {"volumes": "named"}, "options.volumes: only a deep plan can have it"),
    ("options", {"include_local": True}, "options.include_local: only a deep plan"),
    ("options", {"until_free": 1, "watermarks": True}, "it cannot stand beside until_free"),
    ("options", {"until_used": 2.0}, "options.until_used: 2.0"),
    ("options", {"only": "image"}, 'options.only: "image" is not a list'),
    ("options", {"only": ["image", ""]}, 'options.only[1]: "" is not a text'),
    ("options", {"min_age": -INFINITE}, "options.min_age: an infinite number"),
    ("schema", 3, "was made by a newer holystone"),
    ("holystone", "99.0.0", "was made by a newer holystone (99.0.0)"),
    ("schema", 0, "is of another holystone"),
    ("schema", True, "is of another holystone"),
]
"""A field by its path, another value for it (``...``: none), and what is said of that."""


@pytest.mark.parametrize(("name", "value", "words"), WRONG, ids=range(len(WRONG)))
def test_a_field_that_makes_no_sense_is_named(
    tmp_path: Path, text: str, name: str, value: Any, words: str
) -> None:
    told = json.loads(text)
    *folders, last = [int(part) if part.isdigit() else part for part in name.split(".")]
    at: Any = told
    for part in folders:
        at = at[part]
    if value is ...:
        del at[last]
    else:
        at[last] = value
    assert words in refused(tmp_path / "plan", signed(told))


def test_what_stands_twice_or_is_no_json(tmp_path: Path, text: str) -> None:
    path = tmp_path / "plan"
    told = json.loads(text)
    told["steps"].append(told["steps"][0])
    said = refused(path, signed(told))
    assert ".id: container " in said
    assert "stands twice" in said
    twice = text.replace('"level":', '"level": "deep", "level":', 1)
    assert "level: it stands twice" in refused(path, twice)
    assert "nested too deeply" in refused(path, '{"checksum":' + "[" * 200_000)
    assert "it is not JSON" in refused(path, text[:-9])
    assert "is no plan that can be carried out" in refused(path, "[]")


def _step(text: str, kind: str) -> tuple[Plan, int]:
    """A plan, and where its last step of a kind is."""
    told = json.loads(text)
    return told, max(at for at, step in enumerate(told["steps"]) if step["kind"] == kind)


def test_steps_can_be_taken_out(tmp_path: Path, text: str) -> None:
    path = tmp_path / "plan"
    path.write_text(text)
    whole = read(str(path))
    told = json.loads(text)
    told["steps"] = [step for step in told["steps"] if step["kind"] == "image"]
    path.write_text(json.dumps(told, indent=4, sort_keys=True))
    left = read(str(path))
    assert left.steps == tuple(step for step in whole.steps if step.kind == "image")
    assert 0 < left.freed_bytes < whole.freed_bytes
    assert left.freed_bytes == sum(step.freed_bytes for step in left.steps)
    told["steps"] = []
    path.write_text(json.dumps(told))
    assert read(str(path)).steps == ()


@pytest.mark.parametrize(
    ("field", "value"),
    [("names", ["redis:7"]), ("state", []), ("freed_bytes", 7), ("id", "x"), ("checksum", "x"),
     ("kind", "cache"), ("more", 1), ("checksum", None)],
)  # fmt: skip
def test_an_edited_step_is_refused_by_its_place_and_name(
    tmp_path: Path, text: str, field: str, value: Any
) -> None:
    told, at = _step(text, "container")
    told["steps"][at][field] = value
    del told["steps"][0]
    name = value[0] if field == "names" else told["steps"][at - 1]["names"][0]
    kind = value if field == "kind" else "container"
    said = refused(tmp_path / "plan", json.dumps(told))
    assert f"steps[{at - 1}] ({kind} {name}) was changed or added" in said


def test_a_step_of_another_plan_is_refused(tmp_path: Path, text: str) -> None:
    told, at = _step(text, "container")
    other = json.loads(text)
    other["taken_at"] += 1
    other = json.loads(signed(other))
    told["steps"][at] = other["steps"][at]
    assert f"steps[{at}] (container " in refused(tmp_path / "plan", json.dumps(told))


@pytest.mark.parametrize(
    ("field", "value"),
    [("level", "deep"), ("taken_at", 1.5), ("freed_bytes", 1), ("options", {"min_age": 0}),
     ("more", 1)],
)  # fmt: skip
def test_nothing_beside_the_steps_can_be_edited(
    tmp_path: Path, text: str, field: str, value: Any
) -> None:
    told = json.loads(text) | {field: value}
    said = refused(tmp_path / "plan", json.dumps(told))
    assert "one of the fields beside its steps is another" in said


def test_a_name_that_was_edited_anywhere(tmp_path: Path, text: str) -> None:
    changed = text.replace("python", "pythom", 1)
    assert "was edited after it was made" in refused(tmp_path / "plan", changed)


@pytest.mark.parametrize(
    "make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero"), Path.mkdir], ids=range(3)
)
def test_what_is_no_file(tmp_path: Path, make: Callable[[Path], object]) -> None:
    path = tmp_path / "odd"
    make(path)
    assert "not a regular file" in refused(path)
