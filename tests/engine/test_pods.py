"""Pods of Podman, what depends on what there, and containers whose end nobody knows."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from holystone.engine.host import REMOVED, SKIPPED
from holystone.planner.plan import plan
from holystone.planner.verdict import Step
from tests.engine.cleaning import NO_GRACE, live_host
from tests.engine.test_containers import DAY, DEEP, SLEEP, WEEKLY, Stage, stage
from tests.engines import Engine

__all__ = ["stage"]
pytestmark = pytest.mark.engine("podman")


def libpod(engine: Engine, method: str, path: str, body: object = None) -> Any:
    """One call of Podman's own interface."""
    return engine.api(method, f"/v4.0.0/libpod{path}", body)


def pod(stage: Stage, name: str, *members: str, infra: bool = True, start: bool = True) -> None:
    """A pod, started where not told otherwise."""
    setup: dict[str, object] = {"name": name, "no_infra": not infra}
    if infra:
        setup |= {
            "infra_image": stage.tag,
            "infra_command": list(SLEEP),
            "netns": {"nsmode": "host"},
        }
    libpod(stage.engine, "POST", "/pods/create", setup)
    for member in members:
        made: dict[str, object] = {
            "name": member,
            "image": stage.tag,
            "command": list(SLEEP),
            "pod": name,
        }
        libpod(
            stage.engine,
            "POST",
            "/containers/create",
            made if infra else made | {"netns": {"nsmode": "none"}},
        )
    if start:
        libpod(stage.engine, "POST", f"/pods/{name}/start")


def stop(stage: Stage) -> None:
    """Stop all that runs, the infra container of a pod last, and wait until it has ended.

    Podman 4 leaves a pod alone of which one container has ended.
    """
    running = stage.engine.client.list("/containers/json")
    names = [name.lstrip("/") for each in running for name in each["Names"]]
    stage.stop(*sorted(names, key=lambda name: name.endswith("-infra")))


def pods(stage: Stage) -> set[str]:
    return {each["Name"] for each in libpod(stage.engine, "GET", "/pods/json") or ()}


@pytest.mark.parametrize("infra", [True, False], ids=["infra", "no infra"])
def test_a_pod_goes_as_a_whole_or_not_at_all(stage: Stage, *, infra: bool) -> None:
    pod(stage, "web", "app", "db", infra=infra)
    stage.stop("db")
    assert stage.clean()["db"] == "group-alive"
    stop(stage)
    members = stage.left()
    assert len(members) == (3 if infra else 2)
    told = stage.clean()
    assert {told[name] for name in members} == {"stopped-group"}
    told = stage.clean(WEEKLY, later=6 * DAY)
    assert {told[name] for name in members} == {"stopped-group"}
    stage.clean(WEEKLY, later=8 * DAY)
    assert (stage.left(), pods(stage)) == (set(), set())


def test_a_pod_that_was_never_started_is_told_by_its_name(stage: Stage) -> None:
    pod(stage, "web", "app", infra=False, start=False)
    with closing(live_host(stage.engine, stage.state)) as host:
        host.clock = lambda: time.time() + 2 * DAY
        inventory = host.observe()
        made = plan(inventory, host.usage(), NO_GRACE, inventory.taken_at)
    (verdict,) = (each for each in made.verdicts if "app" in each.names)
    (reason,) = verdict.reasons
    assert (reason.rule, verdict.remove) == ("stopped-group", False)
    assert (reason.facts["name"], reason.facts["never_started"]) == ("web", True)


def test_deep_takes_a_pod_with_its_infra_container(stage: Stage) -> None:
    pod(stage, "web", "app")
    stop(stage)
    stage.clean(DEEP)
    assert (stage.left(), pods(stage)) == (set(), set())


def test_what_podman_refuses_is_a_skip(stage: Stage) -> None:
    """It answers 500 for all of these; the container is left as it was."""
    pod(stage, "web", "app")
    stop(stage)
    (infra,) = stage.left() - {"app"}
    stage.run("base")
    setup = {"name": "needs", "image": stage.tag, "dependencyContainers": ["base"]}
    libpod(stage.engine, "POST", "/containers/create", setup)
    stage.run("runs")
    stage.stop("base")
    with closing(live_host(stage.engine)) as host:
        inventory = host.observe()
        ids = {each.name: each.id for each in inventory.containers}
        steps = [Step("container", ids[n], (ids[n],), 0) for n in (infra, "base", "runs")]
        removals = [host.remove(step) for step in steps]
    assert [removal.result for removal in removals] == [SKIPPED] * 3
    assert all("the engine refused: " in removal.detail for removal in removals)
    assert stage.left() == {infra, "app", "base", "needs", "runs"}
    assert stage.clean(later=2 * DAY)["needs"] == "never-started"
    assert "base" not in stage.left()


def test_a_container_whose_end_nobody_knows_goes_one_day(
    own_engine: Callable[..., Engine], unique: str, tmp_path: Path
) -> None:
    """As after a power cut: its processes are gone, and what Podman keeps in memory."""
    stage = Stage(own_engine(), unique, tmp_path)
    stage.run("lost")
    state = libpod(stage.engine, "GET", "/containers/lost/json")["State"]
    cut = f"kill -9 {state['ConmonPid']} {state['Pid']}; rm -f /run/libpod/alive"
    inside = ("nsenter", "-t", str(stage.engine._daemon()), "-m", "-p")
    subprocess.run([*inside, "/bin/sh", "-c", cut], check=True)
    stage.engine.restart()
    minute = NO_GRACE._replace(grace=NO_GRACE.grace._replace(other=60.0))
    assert stage.clean(minute)["lost"] == "young"
    assert stage.clean(minute, later=30)["lost"] == "young"
    assert stage.clean(minute, later=90)["lost"] == "stopped"
    assert stage.left() == set()


def test_a_pod_that_got_another_container_meanwhile_stays(stage: Stage) -> None:
    pod(stage, "web", "app")
    stop(stage)
    with closing(live_host(stage.engine)) as host:
        inventory = host.observe()
        by_name = {each.name: each for each in inventory.containers}
        infra = next(each for each in inventory.containers if each.infra)
        setup = {"name": "new", "image": stage.tag, "pod": "web"}
        libpod(stage.engine, "POST", "/containers/create", setup)
        app = by_name["app"].id
        assert host.remove(Step("container", app, (app,), 0)).result == REMOVED
        whole = Step("container", infra.id, (f"pod:{infra.pod}",), 0, (app,))
        assert host.remove(whole).result == SKIPPED
    assert stage.left() == {"new", infra.name}
