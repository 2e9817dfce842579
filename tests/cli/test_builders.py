"""Cleans of builders outside the engine, on two real engines: one has the builder's container.

The builder's BuildKit is the one inside the other engine, and the ``buildctl`` in the container is
a program of ours that hands its input and output on to that (see ``foreign_builder``): there is no
image of moby/buildkit here. Records, sizes and removals are BuildKit's own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import Command
from tests.cli.contract import check_clean, check_plan, removed
from tests.engine.cleaning import bytes_below, wait_for_builds
from tests.engine.foreign_builder import make_builder, make_records
from tests.engines import Engine
from tests.engines.emptying import empty
from tests.engines.session import Engines

pytestmark = pytest.mark.engine("docker20")
WEEKLY = ("weekly", "--min-age", "0s")
ONLY = (*WEEKLY, "--only", "builders")
Options = Callable[[str], tuple[object, ...]]


@pytest.fixture
def other(engines: Engines, unique: str) -> Iterator[Engine]:
    """The engine whose BuildKit is the builder's: two chains of five records, a megabyte each."""
    engine = engines("docker28")
    empty(engine)
    for name in ("old", "new"):
        make_records(engine, f"{unique}-{name}", 5, size=1_000_000)
    wait_for_builds(engine)
    yield engine
    empty(engine)


@pytest.fixture
def on(fresh_engine: Engine, other: Engine, tmp_path: Path) -> Options:
    """The options of a command about the builder ``ci0``, with this in ``holystone.toml``."""
    make_builder(fresh_engine, "ci0", other)

    def options(config: str) -> tuple[object, ...]:
        file = tmp_path / "mine.toml"
        file.write_text(config)
        return ("--config", file, "-H", fresh_engine.host)

    return options


def sizes(other: Engine) -> dict[str, int]:
    """The bytes of each record, by its ID on the host, as the other engine tells."""
    records = other.disk_usage()["BuildCache"] or ()
    return {f"ci0/{record['ID']}": record["Size"] for record in records}


def of_builder(items: dict[tuple[str, str], dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {i: item for (kind, i), item in items.items() if kind == "builder"}


def test_without_a_budget_a_builder_is_left_alone(
    holystone: Command, on: Options, other: Engine
) -> None:
    """At no level, not by name, and where the budget is for another builder."""
    before = sizes(other)
    for config in ("", '[builders]\nbudgets = ["release*=0"]\n'):
        for level in ("routine", "weekly", "deep"):
            done = holystone("clean", level, "--yes", "--json", "--min-age", "0s", *on(config))
            assert not of_builder(check_clean(done.json))
    done = holystone("clean", "weekly", "--only", "builders", "--json", *on(""))
    assert not removed(check_clean(done.json))
    assert sizes(other) == before


def test_a_builder_is_pruned_to_its_budget(holystone: Command, on: Options, other: Engine) -> None:
    """The plan names each record and its bytes; exactly these go, the least recently used first."""
    before = sizes(other)
    budget = sum(before.values()) - 2_500_000
    config = f'[builders]\nbudgets = ["ci*={budget}B"]\n'
    planned = holystone("plan", *ONLY, "--json", *on(config)).json
    items = of_builder(check_plan(planned))
    assert set(items) == set(before)
    going = {i for i, item in items.items() if item["action"] == "remove"}
    assert len(going) == 3
    assert planned["freed_bytes"] == sum(before[i] for i in going)
    for i in going:
        (reason,) = items[i]["reasons"]
        assert reason["rule"] == "over-budget"
        assert reason["text"].startswith("builder ci0 keeps ")
    said = holystone("plan", *ONLY, *on(config))
    assert any(line.startswith("Builder records  3 over the budget, 3.") for line in said.lines)
    layers = other.data / "root" / "overlay2"
    held = bytes_below(layers)
    done = holystone("clean", *ONLY, "--json", *on(config))
    # BuildKit deletes the files of a record before it answers.
    assert held - bytes_below(layers) >= planned["freed_bytes"]
    assert removed(check_clean(done.json)) == {("builder", i) for i in going}
    assert done.json["outcome"]["freed_bytes"] == planned["freed_bytes"]
    assert sizes(other) == {i: size for i, size in before.items() if i not in going}
    runs = holystone("history", "--json").json["runs"]
    assert runs[0]["freed_bytes"] == planned["freed_bytes"]
    again = holystone("clean", *ONLY, "--json", *on(config))
    assert not removed(check_clean(again.json))


def test_one_record_by_its_name_and_why(holystone: Command, on: Options, other: Engine) -> None:
    config = '[builders]\nbudget = "0"\n'
    items = of_builder(check_plan(holystone("plan", *ONLY, "--json", *on(config)).json))
    leaf = next(i for i in items if not items[i]["names"][0].startswith("[internal]"))
    told = holystone("explain", leaf, "--level", "weekly", "--json", *on(config)).json
    assert told["item"]["id"] == leaf
    assert told["item"]["kind"] == "builder"
    every = holystone("plan", *WEEKLY, "--only", "ci0/*", "--json", *on(config)).json
    assert {item["kind"] for item in every["items"] if item["action"] == "remove"} <= {"builder"}
    few = holystone("plan", *WEEKLY, "--only", "ci0", "--json", *on(config)).json
    assert len([item for item in few["items"] if item["action"] == "remove"]) == len(items)
    assert sizes(other)


def test_a_plan_file_is_carried_out_as_far_as_it_is_right(
    holystone: Command, on: Options, other: Engine, unique: str, tmp_path: Path
) -> None:
    """What a build used since stays, with all below it; a step that was taken out stays too."""
    options = on('[builders]\nbudget = "0"\n')
    file = tmp_path / "plan.json"
    assert holystone("plan", *ONLY, "--out", file, *options).code == 0
    before = sizes(other)
    make_records(other, f"{unique}-new", 5, size=1_000_000)
    wait_for_builds(other)
    done = holystone("clean", "--plan", file, "--json", *options)
    items = of_builder(check_clean(done.json))
    kept = {i for i, item in items.items() if item["result"] != "removed"}
    assert kept & set(before) == set(sizes(other)) & set(before)
    assert kept
    assert len(kept) < len(before)
    facts = [reason for i in kept & set(before) for reason in items[i]["reasons"]]
    assert any(reason["facts"].get("what") == "it was used" for reason in facts)


def test_a_builder_that_stopped_since_is_a_skip(
    holystone: Command, on: Options, other: Engine, fresh_engine: Engine, tmp_path: Path
) -> None:
    """And a stopped builder is told of in every plan that would prune it."""
    options = on('[builders]\nbudget = "0"\n')
    before = sizes(other)
    fresh_engine.docker("stop", "--time", "0", "buildx_buildkit_ci0")
    done = holystone("plan", *ONLY, *options)
    text = " ".join(done.out.split())
    assert "Note: builder ci0 cannot be asked what it keeps: its container" in text
    assert "buildx_buildkit_ci0 is exited" in text
    told = json.loads(holystone("plan", *ONLY, "--json", *options).out)
    assert [note["problem"] for note in told["notes"]] == ["builder"]
    assert sizes(other) == before
