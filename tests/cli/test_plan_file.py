"""A plan in a file: every field is checked, the level binds, and what was used since stays."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import Command
from tests.cli.contract import check_clean, removed
from tests.engines import Engine
from tests.engines.images import ImageToLoad, busybox_layer, layer, load

DEMO = ("-H", "demo:")


@pytest.fixture
def plan_file(holystone: Command, tmp_path: Path) -> Path:
    """A routine plan for the demo host."""
    path = tmp_path / "plan.json"
    assert holystone("plan", "--out", path, *DEMO).code == 0
    return path


def signed(path: Path, told: dict[str, Any]) -> None:
    """Write a plan as whoever knows how the checksum is made can."""
    told.pop("checksum", None)
    text = json.dumps(told, sort_keys=True, separators=(",", ":"))
    told["checksum"] = f"sha256:{sha256(text.encode()).hexdigest()}"
    path.write_text(json.dumps(told))


def edited(path: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    """Change a plan, and sign it."""
    told = json.loads(path.read_text())
    edit(told)
    signed(path, told)


def _set(name: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def edit(told: dict[str, Any]) -> None:
        at: Any = told
        *path, last = [int(part) if part.isdigit() else part for part in name.split(".")]
        for part in path:
            at = at[part]
        at[last] = value

    return edit


WRONG: list[tuple[str, Any, str]] = [
    ("taken_at", float("nan"), "taken_at: NaN is not a number"),
    ("taken_at", float("inf"), "taken_at: an infinite number is not a number"),
    ("taken_at", -1, "taken_at: -1 is not a number"),
    ("taken_at", "now", 'taken_at: "now" is not a number'),
    ("taken_at", True, "taken_at: true is not a number"),
    ("since", float("nan"), "since: NaN"),
    ("taken_at", 10**4000, "taken_at: a huge number"),
    ("freed_bytes", float("inf"), "freed_bytes: an infinite number is not a whole number"),
    ("freed_bytes", -5, "freed_bytes: -5"),
    ("freed_bytes", 1.5, "freed_bytes: 1.5"),
    ("level", "all", 'level: "all" is not one of routine, weekly, deep'),
    ("level", ["routine"], "level: a list is not a text"),
    ("engine", None, "engine: null is not an object"),
    ("engine.id", 7, "engine.id: 7 is not a text"),
    ("engine.store", "", "engine.store: it is empty"),
    ("steps", {}, "steps: an object is not a list"),
    ("steps.0", "x", 'steps[0]: "x" is not an object'),
    ("steps.1.kind", "host", 'steps[1].kind: "host" is not one of container, image'),
    ("steps.1.id", None, "steps[1].id: null is not a text"),
    ("steps.1.names", "x", 'steps[1].names: "x" is not a list'),
    ("steps.1.names", [1], "steps[1].names[0]: 1 is not a text"),
    ("steps.1.state", [float("nan")], "steps[1].state[0]: NaN is not a number"),
    ("steps.1.state", [[]], "steps[1].state[0]: a list is neither a text nor a number"),
    ("steps.1.freed_bytes", float("-inf"), "steps[1].freed_bytes: an infinite number"),
    ("steps.1.freed_bytes", -1, "steps[1].freed_bytes: -1"),
    ("options", [], "options: a list is not an object"),
    ("options", {"force": True}, "there is no such option"),
    ("options", {"volumes": "named"}, "options.volumes: only a deep plan can have it"),
    ("options", {"include_local": True}, "options.include_local: only a deep plan"),
    ("options", {"until_free": 1, "watermarks": True}, "it cannot stand beside until_free"),
    ("options", {"until_used": 2.0}, "options.until_used: 2.0"),
    ("options", {"min_age": float("-inf")}, "options.min_age: an infinite number"),
]


@pytest.mark.parametrize(("name", "value", "words"), WRONG, ids=range(len(WRONG)))
def test_a_field_that_makes_no_sense_is_named(
    holystone: Command, plan_file: Path, name: str, value: Any, words: str
) -> None:
    edited(plan_file, _set(name, value))
    assert words in holystone("clean", "--plan", plan_file, *DEMO).failed(1)


@pytest.mark.parametrize("name", ["level", "taken_at", "engine", "freed_bytes"])
def test_a_field_that_is_missing_is_named(holystone: Command, plan_file: Path, name: str) -> None:
    edited(plan_file, lambda told: told.pop(name))
    assert f"{name}: it is missing" in holystone("clean", "--plan", plan_file, *DEMO).failed(1)


def test_a_step_that_stands_twice(holystone: Command, plan_file: Path) -> None:
    edited(plan_file, lambda told: told["steps"].append(told["steps"][0]))
    said = holystone("clean", "--plan", plan_file, *DEMO).failed(1)
    assert ".id: container " in said
    assert "stands twice" in said


def test_a_key_that_stands_twice(holystone: Command, plan_file: Path) -> None:
    text = plan_file.read_text().replace('"level":', '"level": "deep", "level":', 1)
    plan_file.write_text(text)
    assert "level: it stands twice" in holystone("clean", "--plan", plan_file, *DEMO).failed(1)


def test_deep_nesting(holystone: Command, plan_file: Path) -> None:
    plan_file.write_text('{"checksum":' + "[" * 200_000)
    assert "nested too deeply" in holystone("clean", "--plan", plan_file, *DEMO).failed(1)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("schema", 2, "was made by a newer holystone"),
        ("holystone", "99.0.0", "was made by a newer holystone (99.0.0)"),
        ("schema", 0, "is of another holystone"),
        ("schema", True, "is of another holystone"),
    ],
)
def test_a_plan_of_another_version(
    holystone: Command, plan_file: Path, name: str, value: Any, words: str
) -> None:
    edited(plan_file, _set(name, value))
    assert words in holystone("clean", "--plan", plan_file, *DEMO).failed(1)


def test_a_plan_from_the_future(holystone: Command, plan_file: Path) -> None:
    edited(plan_file, _set("taken_at", time.time() + 3600))
    said = holystone("clean", "--plan", plan_file, *DEMO).failed(1)
    assert "is from the future: taken_at is" in said


def test_a_plan_for_another_engine_names_the_field(holystone: Command, plan_file: Path) -> None:
    edited(plan_file, _set("engine.id", "another"))
    said = holystone("clean", "--plan", plan_file, *DEMO).failed(1)
    assert "is for another engine" in said
    assert "engine.id another" in said


@pytest.mark.parametrize(
    "make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero"), Path.mkdir], ids=range(3)
)
def test_what_is_no_file(
    holystone: Command, tmp_path: Path, make: Callable[[Path], object]
) -> None:
    path = tmp_path / "odd"
    make(path)
    said = holystone("clean", "--plan", path, *DEMO).failed(1)
    assert "not a regular file" in said


STRANGE = {"names": [], "freed_bytes": 0}


@pytest.mark.parametrize(
    ("step", "what"),
    [
        ({"kind": "volume", "id": "data", "state": [0.0]}, "volume"),
        ({"kind": "network", "id": "net", "state": [0.0]}, "network"),
        ({"kind": "image", "id": "sha256:x", "state": ["postgres:16"]}, "tagged image"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_the_level_never_takes_is_refused(
    holystone: Command, plan_file: Path, step: dict[str, Any], what: str
) -> None:
    at = len(json.loads(plan_file.read_text())["steps"])
    edited(plan_file, lambda told: told["steps"].append(STRANGE | step))
    said = holystone("clean", "--plan", plan_file, *DEMO).failed(1)
    assert f"has a {what} in it (steps[{at}]: {step['id']})" in said
    assert f"a routine clean takes no {what} here" in said


def test_the_policy_of_today_binds(holystone: Command, tmp_path: Path, plan_file: Path) -> None:
    config = tmp_path / "mine.toml"
    config.write_text("[levels.routine]\ncontainers = false\n")
    said = holystone("clean", "--plan", plan_file, *DEMO, "--config", config).failed(1)
    assert "a routine clean takes no container here" in said


def test_the_options_of_the_plan_are_those_of_the_clean(holystone: Command, tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    on = ("--until-free", "190GB", "--min-age", "1h", "--no-check-registry", "--out", path)
    assert holystone("plan", "weekly", *on, *DEMO).code == 0
    told = json.loads(path.read_text())
    assert told["options"] == {
        "until_free": 190 * 10**9, "min_age": 3600.0, "check_registry": False,
    }  # fmt: skip
    assert told["taken_at"] - 5 <= told["since"] <= told["taken_at"]
    done = holystone("clean", "--plan", path, *DEMO)
    assert (done.code, done.lines[0]) == (0, "🧹 Cleaning up until enough is free...")


def test_a_plan_with_nothing_in_it(holystone: Command, plan_file: Path) -> None:
    edited(plan_file, _set("steps", []))
    done = holystone("clean", "--plan", plan_file, *DEMO)
    assert done.code == 0
    assert "Nothing was left to do: the plan has nothing in it." in done.lines


CONFIG = """
[grace]
untagged = "0s"
never_tagged = "0s"
tagged = "0s"
other = "0s"
[levels.routine]
volumes = true
[volumes]
remove = "named"
names = ["*"]
"""


@pytest.mark.engine("docker20", "docker28c")
def test_what_was_used_since_stays_and_a_second_time_nothing_is_left(
    fresh_engine: Engine, holystone: Command, unique: str, tmp_path: Path
) -> None:
    config, file = tmp_path / "mine.toml", tmp_path / "plan.json"
    config.write_text(CONFIG)
    on = ("--config", config, "-H", fresh_engine.host)
    tag = f"localhost/{unique}:run"
    load(fresh_engine, ImageToLoad([busybox_layer()], [tag]))
    kept, gone = load(fresh_engine, *(ImageToLoad([layer(f"{unique} {n}")]) for n in range(2)))
    for name in ("used", "idle"):
        fresh_engine.docker("volume", "create", f"{unique}-{name}")
    assert holystone("plan", "--out", file, *on).code == 0
    used = f"{unique}-used:/data"
    fresh_engine.docker("run", "--rm", "--network", "none", "-v", used, tag, "/bin/true")
    fresh_engine.docker("create", "--name", unique, "--network", "none", kept, "/nothing")
    fresh_engine.docker("rm", unique)
    items = check_clean(holystone("clean", "--plan", file, "--json", *on).json)
    assert removed(items) == {("image", gone), ("volume", f"{unique}-idle")}
    for key in (("image", kept), ("volume", f"{unique}-used")):
        assert items[key]["reasons"][0]["facts"]["what"] == "it was used"
    again = holystone("clean", "--plan", file, *on)
    assert again.code == 0
    assert (
        "Nothing was left to do: of 4 objects in the plan 2 are gone already, 2 must stay."
        in again.lines
    )


@pytest.mark.engine("docker20", "docker28c")
def test_volumes_stay_where_the_events_do_not_reach_back(
    fresh_engine: Engine, holystone: Command, unique: str, tmp_path: Path
) -> None:
    """Docker keeps 256 events: as many others later it no longer tells what used a volume."""
    config, file = tmp_path / "mine.toml", tmp_path / "plan.json"
    config.write_text(CONFIG)
    on = ("--config", config, "-H", fresh_engine.host)
    tag = f"localhost/{unique}:run"
    load(fresh_engine, ImageToLoad([busybox_layer()], [tag]))
    (image,) = load(fresh_engine, ImageToLoad([layer(unique)]))
    fresh_engine.docker("volume", "create", unique)
    assert holystone("plan", "--out", file, *on).code == 0
    anonymous = [word for at in range(130) for word in ("-v", f"/data{at}")]
    made = fresh_engine.docker("create", "--network", "none", *anonymous, tag, "/bin/true")
    fresh_engine.docker("rm", "-v", made)
    items = check_clean(holystone("clean", "--plan", file, "--json", *on).json)
    assert removed(items) == {("image", image)}
    assert items["volume", unique]["reasons"][0]["rule"] == "use-unknown"
