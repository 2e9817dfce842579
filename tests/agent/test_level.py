"""The agent keeps a real engine's disk level while images are pulled."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from holystone.operations.agent_client import ask
from tests.agent.running import QUIET, RunningAgent, engine_on_a_small_disk
from tests.engines import Engine, Registry
from tests.engines.images import ImageToLoad, busybox_layer, layer, layer_of, load

MB = 1_000_000
SIZE = 40 * MB
CONFIG = f"""{QUIET}
[disk]
high = "60%"
critical = "90%"

[grace]
untagged = "0s"
never_tagged = "0s"
tagged = "0s"
other = "0s"

[protect]
images = ["*/*-kept"]
"""


def push(engine: Engine, registry: Registry, name: str, size: int = SIZE) -> str:
    """An image that the registry has, and the engine has not."""
    reference = f"{registry.address}/{name}:1"
    load(engine, ImageToLoad([layer(reference, size)], [reference]))
    engine.docker("push", reference)
    engine.docker("rmi", reference)
    return reference


def share(engine: Engine) -> float:
    """The used share of the engine's disk."""
    told = os.statvfs(engine.data)
    return 1 - told.f_bavail / told.f_blocks


def level(told: Any, engine: Engine) -> bool:
    """Whether the disk is below the mark, and no clean under way."""
    return bool(told) and share(engine) <= 0.60 and not told["jobs"]["running"]


@pytest.mark.engine("docker20", "docker28c")
def test_the_disk_comes_back_below_its_mark_each_time(
    engine_kind: str, registry: Registry, unique: str, tmp_path: Path
) -> None:
    # A containerd store keeps an image's compressed content beside its files.
    size, whole = ("500m", SIZE) if engine_kind == "docker20" else ("900m", 2 * SIZE)
    with engine_on_a_small_disk(engine_kind, tmp_path / "disk", size) as engine:
        names = [f"{unique}-{number}" for number in range(8)]
        images = [push(engine, registry, name) for name in names]
        kept = push(engine, registry, f"{unique}-kept")
        base = f"localhost/{unique}:base"
        load(engine, ImageToLoad([busybox_layer()], [base]))
        used = images.pop()
        with RunningAgent(engine.host, tmp_path / "agent", CONFIG) as agent:
            agent.ready()
            engine.docker("pull", kept)
            engine.docker("pull", used)
            engine.docker("create", "--name", unique, used, "sleep", "1")
            for _ in range(3):
                for image in images:
                    engine.docker("pull", image)
                    # The next job does not pull beside a clean: it could use all that may go.
                    agent.wait(lambda told: level(told, engine))
            here = engine.docker("images", "--format", "{{.Repository}}:{{.Tag}}").split()
            assert {kept, used, base} <= set(here), "what is protected, in use or only here stays"
            assert len(set(here) & set(images)) >= 2, "no more goes than has to"
            runs = agent.entries
            ended = [e for e in runs if e["message"] == "ended" and e["job"] == "level"]
            assert len(ended) >= 3
            wrong = [e.get("why", e["result"]) for e in ended if e["result"] != "ok"]
            assert not wrong
            for run in ask(str(agent.socket), "GET", "/api/v1/runs")["runs"]:
                # A pull beside it takes space meanwhile, or gives back that of its download.
                beyond = run["free_after_bytes"] - run["target_free_bytes"]
                needed = run["target_free_bytes"] - run["free_before_bytes"]
                more = run["freed_bytes"] - needed
                assert min(beyond, more) < whole + MB, "one after another, not in bulk"


@pytest.mark.engine("docker20")
def test_where_the_mark_cannot_be_reached_it_says_what_holds_the_space(
    engine_kind: str, registry: Registry, unique: str, tmp_path: Path
) -> None:
    with engine_on_a_small_disk(engine_kind, tmp_path / "disk", "300m") as engine:
        kept = [push(engine, registry, f"{unique}-{number}-kept", 60 * MB) for number in range(4)]
        with RunningAgent(engine.host, tmp_path / "agent", CONFIG) as agent:
            agent.ready()
            for image in kept:
                engine.docker("pull", image)
            told = agent.wait(lambda told: told and told["short_bytes"])
            assert told["watermark"] in ("high", "critical")
            assert "protected" in told["holds"]
            assert told["jobs"]["last"]["level"]["result"] == "missed"
            assert len(engine.docker("images", "-q").split()) == 4
            engine.docker("rmi", kept[0])
            engine.docker("rmi", kept[1])
            agent.wait(lambda told: told and not told["watermark"] and not told["short_bytes"])


@pytest.mark.engine("docker20")
@pytest.mark.parametrize("allowed", [True, False])
def test_a_deep_clean_comes_only_where_the_owner_allows_it(
    engine_kind: str, registry: Registry, unique: str, tmp_path: Path, *, allowed: bool
) -> None:
    """A stopped container that starts again with the engine holds an image until then."""
    config = CONFIG.replace('"60%"', '"30%"').replace('"90%"', '"31%"')
    config = config.replace(
        'check_disk = "1s"', f'check_disk = "1s"\ndeep_when_critical = {str(allowed).lower()}'
    )
    with engine_on_a_small_disk(engine_kind, tmp_path / "disk", "500m") as engine:
        image = f"{registry.address}/{unique}:1"
        load(engine, ImageToLoad([busybox_layer(), layer(image, 180 * MB)], [image]))
        engine.docker("push", image)
        engine.docker(
            *("run", "-d", "--name", unique, "--network", "none", "--restart", "always", image),
            *("sleep", "1000"),
        )
        engine.docker("stop", "-t", "0", unique)
        with RunningAgent(engine.host, tmp_path / "agent", config) as agent:
            if allowed:
                agent.wait(lambda told: told and told["jobs"]["last"].get("deep"))
                agent.wait(lambda told: told and not told["watermark"])
                assert engine.docker("ps", "-aq") == ""
            else:
                told = agent.wait(lambda told: told and told["jobs"]["last"].get("level"))
                assert told["jobs"]["last"]["level"]["result"] == "missed"
                assert told["watermark"] == "critical"
                agent.run("observe")
                assert "deep" not in (agent.status() or {})["jobs"]["last"]
                assert engine.docker("ps", "-aq") != ""


@pytest.mark.engine("docker20")
def test_inodes_that_run_short_are_freed_as_well(
    engine_kind: str, registry: Registry, unique: str, tmp_path: Path
) -> None:
    config = CONFIG.replace("[disk]", '[disk]\ninodes = "60%"')
    size = "400m,nr_inodes=6000"
    with engine_on_a_small_disk(engine_kind, tmp_path / "disk", size) as engine:
        images = []
        for number in range(5):
            image = f"{registry.address}/{unique}-{number}:1"
            files: dict[str, bytes | str] = {f"{number}/{n}": b"x" for n in range(900)}
            load(engine, ImageToLoad([layer_of(files)], [image]))
            engine.docker("push", image)
            engine.docker("rmi", image)
            images.append(image)

        def used() -> float:
            told = os.statvfs(engine.data)
            return 1 - told.f_favail / told.f_files

        with RunningAgent(engine.host, tmp_path / "agent", config) as agent:
            agent.ready()
            for image in images:
                engine.docker("pull", image)
            agent.wait(lambda told: told and used() <= 0.60)
            agent.wait(lambda told: told and not told["watermark"] and not told["jobs"]["running"])
            left = engine.docker("images", "-q").split()
            assert 1 <= len(left) < len(images)
