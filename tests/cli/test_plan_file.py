"""A plan in a file: the level and the policy bind it, and what was used since stays."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import Command
from tests.cli.contract import check_clean, removed
from tests.engines import Engine
from tests.engines.images import ImageToLoad, busybox_layer, layer, load
from tests.operations.test_plan_file import signed

DEMO = ("-H", "demo:")


@pytest.fixture
def plan_file(holystone: Command, tmp_path: Path) -> Path:
    """A routine plan for the demo host."""
    path = tmp_path / "plan.json"
    assert holystone("plan", "--out", path, *DEMO).code == 0
    return path


def edited(path: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    """Change a plan, and sign it."""
    told = json.loads(path.read_text())
    edit(told)
    path.write_text(signed(told))


def test_a_plan_for_another_engine_or_from_the_future(holystone: Command, plan_file: Path) -> None:
    edited(plan_file, lambda told: told["engine"].update(id="another"))
    said = holystone("clean", "--plan", plan_file, *DEMO).failed(1)
    assert "is for another engine" in said
    assert "engine.id another" in said
    edited(plan_file, lambda told: told["engine"].update(id=0))
    assert "engine.id: 0 is not a text" in holystone("clean", "--plan", plan_file, *DEMO).failed(1)
    assert holystone("plan", "--out", plan_file, *DEMO).code == 0
    edited(plan_file, lambda told: told.update(taken_at=time.time() + 3600))
    said = holystone("clean", "--plan", plan_file, *DEMO).failed(1)
    assert "is from the future: taken_at is" in said


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
    edited(plan_file, lambda told: told.update(steps=[]))
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
