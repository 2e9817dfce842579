"""``--only``: what is named may go, and nothing else."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from holystone.operations.errors import NotThere
from holystone.operations.survey import check_selection
from holystone.operations.wishes import term
from holystone.planner.inventory import Engine as EngineFacts
from holystone.planner.inventory import Inventory, Note, Volume
from holystone.planner.policy import Policy, Term
from holystone.planner.selection import selected, settled
from tests.cli.command import Command
from tests.cli.contract import check_clean, check_plan, removed
from tests.engines import Engine
from tests.engines.images import ImageToLoad, layer, load

DEMO = ("-H", "demo:")
NOW_AND_ALL = """
[grace]
untagged = "0s"
never_tagged = "0s"
tagged = "0s"
other = "0s"
"""


def going(document: dict[str, Any]) -> set[tuple[str, str]]:
    """Kind and first name of what a plan removes."""
    items = check_plan(document)
    return {
        (kind, (item["names"] or [""])[0])
        for (kind, _), item in items.items()
        if item["action"] == "remove"
    }


@pytest.mark.parametrize("word", ["image", "images"])
def test_a_kind(holystone: Command, word: str) -> None:
    whole = going(holystone("plan", "weekly", "--json", *DEMO).json)
    told = holystone("plan", "weekly", "--only", word, "--json", *DEMO).json
    assert told["only"] == ["image"]
    assert going(told) == {each for each in whole if each[0] == "image"} != whole
    rules = {i["reasons"][0]["rule"] for i in told["items"] if i["kind"] == "cache"}
    assert rules == {"in-use", "not-selected"}


def test_names_of_several_kinds(holystone: Command) -> None:
    on = ("--only", "e2e-*", "--only", "registry.example.com/team/ml-train:2024.06")
    told = holystone("plan", "deep", "--json", "--no-check-registry", *on, *DEMO).json
    found = {
        ("container", "e2e-shop-4711"),
        ("image", "registry.example.com/team/ml-train:2024.06"),
    }
    assert found <= going(told)
    assert {name for kind, name in going(told)} <= {
        "e2e-shop-4711", "e2e-4711", "registry.example.com/team/ml-train:2024.06",
    }  # fmt: skip


def test_a_name_of_a_tagged_image_is_found_at_routine(holystone: Command) -> None:
    """Though a routine clean does not list those."""
    done = holystone("clean", "--only", "redis:7", *DEMO)
    assert (done.code, done.err) == (0, "")
    assert "Only these may go: redis:7." in done.lines
    assert re.search(r"\n +total +0 +153 +0 B\n", done.out)


@pytest.mark.parametrize("command", ["plan", "clean"])
@pytest.mark.parametrize(
    ("word", "said"),
    [("pyhton:3.12-slim", "Did you mean python:3.12-slim or "), ("zzz*", "'zzz*'")],
)
def test_what_means_nothing_is_an_error(
    holystone: Command, command: str, word: str, said: str
) -> None:
    told = holystone(command, "--only", "image", "--only", word, *DEMO).failed(1)
    assert "--only: nothing on this host is called" in told
    assert said in told
    assert "it is empty" in holystone(command, "--only", "", *DEMO).failed(64)


def test_a_builder_that_cannot_be_asked_is_told_where_a_name_means_nothing() -> None:
    note = Note("builder", "builder", "ci0", "ci0", "its container is exited")
    seen = Inventory(EngineFacts("id", "host", "28", "1.51", "overlay2"), 0.0, notes=(note,))
    policy = Policy(only=(Term("", "ci0*"),))
    with pytest.raises(NotThere, match=r"Builder ci0 cannot be asked what it keeps: its cont"):
        check_selection(seen, policy)


def test_the_history_says_what_was_selected(holystone: Command, tmp_path: Path) -> None:
    on = ("--state", tmp_path / "state", *DEMO)
    items = check_clean(holystone("clean", "--only", "container", "--json", *on).json)
    assert {kind for kind, _ in removed(items)} == {"container"}
    (run,) = holystone("history", "--json", "--state", tmp_path / "state").json["runs"]
    assert run["options"] == ["--only container"]


def test_a_plan_in_a_file_keeps_the_selection(holystone: Command, tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    assert holystone("plan", "--only", "containers", "--out", path, *DEMO).code == 0
    told = json.loads(path.read_text())
    assert told["options"]["only"] == ["containers"]
    assert {step["kind"] for step in told["steps"]} == {"container"}
    beside = holystone("clean", "--plan", path, "--only", "image", *DEMO).failed(64)
    assert "--plan and --only: the plan in the file says what goes" in beside
    items = check_clean(holystone("clean", "--plan", path, "--json", *DEMO).json)
    assert {kind for kind, _ in removed(items)} == {"container"}


def test_what_a_name_means_is_settled() -> None:
    """A name that meant an object exactly means no other one once that has gone."""
    engine = EngineFacts("e", "e", "28", "1.51", "overlay2")
    exact, longer = Volume("cafe"), Volume("cafe" * 16, anonymous=True)
    before = Inventory(engine, 0.0, volumes=(exact, longer))
    after = before._replace(volumes=(longer,))
    only = (term("cafe"), term("caches"))
    assert selected(before, only) == {("volume", "cafe")}
    assert selected(after, only) == {("volume", longer.name)}
    fixed = settled(before, only)
    assert fixed == (Term("volume", "cafe"), Term("cache"))
    assert selected(after, fixed) == {("volume", "cafe")}


@pytest.mark.engine("docker20", "docker28c")
def test_on_an_engine(
    fresh_engine: Engine, holystone: Command, unique: str, tmp_path: Path
) -> None:
    """What the selection shares with what stays is not freed, and only it goes."""
    config = tmp_path / "mine.toml"
    config.write_text(NOW_AND_ALL)
    below, tags = layer(f"{unique} below"), [f"localhost/{unique}-{n}:1" for n in "abc"]
    a, b, c = load(
        fresh_engine,
        *(ImageToLoad([below, layer(f"{unique} {tag}", 20_000)], [tag]) for tag in tags),
    )
    (lost,) = load(fresh_engine, ImageToLoad([layer(f"{unique} lost")]))
    fresh_engine.docker("create", "--name", unique, "--network", "none", b, "/nothing")
    fresh_engine.docker("volume", "create", f"{unique}-a")
    on = ("--include-local", "--volumes=named", "--config", config, "-H", fresh_engine.host)
    names = ("--only", f"{unique}-a", "--only", tags[0], "--only", f"localhost/{unique}-b")
    planned = check_plan(holystone("plan", "deep", "--json", *names, *on).json)
    assert planned["image", c]["reasons"][0]["rule"] == "not-selected"
    assert planned["image", b]["reasons"][0]["rule"] == "in-use"
    done = holystone("clean", "deep", "--yes", "--json", *names, *on)
    items = check_clean(done.json)
    assert removed(items) == {("image", a), ("volume", f"{unique}-a")}
    assert ("image", lost) in items
    if fresh_engine.store == "classic":
        assert items["image", a]["outcome_freed_bytes"] == 20_000
