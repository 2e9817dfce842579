"""Stopped containers that somebody would miss, on real engines: groups, needs, tools, age."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

import pytest

from holystone.engine.host import REMOVED
from holystone.operations.execute import execute
from holystone.planner.plan import plan
from holystone.planner.policy import TAKES, Grace, Policy, VolumeRules
from tests.engine.cleaning import NO_GRACE, live_host, settle
from tests.engines import Engine
from tests.engines.images import ImageToLoad, busybox_layer, load

DAY = 86400.0
WEEKLY = Policy("weekly", TAKES["weekly"], grace=Grace.uniform(0))
DEEP = Policy("deep", TAKES["deep"], grace=Grace.uniform(0))
SLEEP = ("/bin/sleep", "1000000")


class Stage:
    """Containers of one test on one engine."""

    def __init__(self, engine: Engine, unique: str, state: Path) -> None:
        self.engine = engine
        self.state = state
        self.tag = f"localhost/{unique}:1"
        load(engine, ImageToLoad([busybox_layer()], [self.tag]))

    def run(self, name: str, *options: str, command: tuple[str, ...] = SLEEP) -> None:
        """A container that runs; without a command of its own until it is stopped."""
        network = () if any(each.startswith("--network") for each in options) else ("none",)
        options = (*options, *(("--network", *network) if network else ()))
        self.engine.docker("run", "--detach", "--name", name, *options, self.tag, *command)

    def stop(self, *names: str) -> None:
        """Stop these at once, and wait until they are."""
        self.engine.docker("kill", *names)
        self.engine.docker("wait", *names)

    def ended(self, name: str, *options: str) -> None:
        """A container that has done its work."""
        self.run(name, *options, command=("/bin/true",))
        self.engine.docker("wait", name)

    def clean(self, policy: Policy = NO_GRACE, *, later: float = 0.0) -> dict[str, str]:
        """Clean, so many seconds later; why each container stays or goes, by name."""
        settle(self.engine)
        with closing(live_host(self.engine, self.state)) as host:
            host.clock = lambda: time.time() + later
            host.watch()
            inventory = host.weigh(host.date(host.observe(sizes=policy.takes.volumes)))
            made = plan(inventory, host.usage(), policy, inventory.taken_at)
            outcome = execute(made, inventory, host)
        assert {removal.result for removal in outcome.results.values()} <= {REMOVED}
        return {
            name: "+".join(reason.rule for reason in verdict.reasons)
            for verdict in made.verdicts
            if verdict.kind in ("container", "volume", "network")
            for name in verdict.names
        }

    def left(self) -> set[str]:
        """The names of the containers that are there."""
        listed = self.engine.client.list("/containers/json?all=1")
        return {
            name.lstrip("/") for each in listed for name in each["Names"] if name.count("/") < 2
        }


@pytest.fixture
def stage(fresh_engine: Engine, unique: str, tmp_path: Path) -> Stage:
    """An engine with an image for containers."""
    return Stage(fresh_engine, unique, tmp_path)


def test_what_a_container_needs_stays_with_it(stage: Stage) -> None:
    """Namespaces and volumes; when what needs it goes, both go, in an order an engine takes."""
    stage.run("vpn")
    stage.run("torrent", "--network", "container:vpn")
    stage.run("ipc", "--ipc", "shareable")
    stage.run("shares-ipc", "--ipc", "container:ipc")
    stage.ended("data", "--volume", "/data")
    stage.run("db", "--volumes-from", "data:ro")
    stage.ended("alone")
    stage.stop("vpn", "ipc")
    told = stage.clean()
    assert {name: told[name] for name in ("vpn", "ipc", "data", "alone")} == {
        "vpn": "needed-by",
        "ipc": "needed-by",
        "data": "needed-by",
        "alone": "stopped",
    }
    stage.stop("torrent", "shares-ipc", "db")
    stage.clean()
    assert stage.left() == set()


@pytest.mark.engine("docker20", "docker28c")
def test_what_a_container_is_linked_to_stays(stage: Stage) -> None:
    stage.run("db")
    made = stage.engine.api(
        "POST",
        "/containers/create?name=web",
        {
            "Image": stage.tag,
            "Cmd": list(SLEEP),
            "HostConfig": {"NetworkMode": "none", "Links": ["db:database"]},
        },
    )
    assert made["Id"]
    stage.stop("db")
    told = stage.clean()
    assert (told["db"], told["web"]) == ("needed-by", "in-use")


def test_a_compose_project(stage: Stage) -> None:
    """Its one-shot stays while it runs; stopped, all of it, until it was for seven days."""

    def of(project: str, one_off: str = "False") -> tuple[str, ...]:
        return (
            *("--label", f"com.docker.compose.project={project}"),
            *("--label", f"com.docker.compose.oneoff={one_off}"),
        )

    stage.run("shop-db", *of("shop"))
    stage.ended("shop-migrate", *of("shop"))
    stage.ended("shop-run", *of("shop", "True"))
    told = stage.clean(later=8 * DAY)
    assert (told["shop-migrate"], told["shop-run"]) == ("group-alive", "stopped")
    stage.stop("shop-db")
    told = stage.clean(later=8 * DAY)
    assert (told["shop-db"], told["shop-migrate"]) == ("stopped-group", "stopped-group")
    told = stage.clean(WEEKLY, later=6 * DAY)
    assert told["shop-db"] == "stopped-group"
    told = stage.clean(WEEKLY, later=8 * DAY)
    assert told["shop-db"] == "stopped+stopped-group"
    assert stage.left() == set()


@pytest.mark.engine("classic", "docker28c", "podman5")
def test_a_restart_policy_and_what_a_tool_keeps(stage: Stage) -> None:
    stage.run("always", "--restart", "unless-stopped")
    stage.ended("kind", "--label", "io.x-k8s.kind.cluster=kind")
    stage.stop("always")
    told = stage.clean(WEEKLY)
    assert (told["always"], told["kind"]) == ("restart", "tool")
    told = stage.clean(DEEP, later=2 * DAY)
    assert (told["always"], told["kind"]) == ("stopped+restart", "stopped+tool")
    assert stage.left() == set()


@pytest.mark.engine("classic", "docker28c", "podman5")
def test_what_was_never_started_goes_after_a_day(stage: Stage) -> None:
    stage.engine.docker("create", "--name", "forgotten", "--network", "none", stage.tag, "true")
    stage.engine.docker(
        *("run", "--detach", "--name", "failed", "--network", "none", stage.tag, "/no/such"),
        check=False,
    )
    assert stage.clean(WEEKLY)["forgotten"] == "in-use"
    told = stage.clean(later=DAY + 1)
    assert (told["forgotten"], told["failed"]) == ("never-started", "never-started")
    assert stage.left() == set()


def test_a_volume_never_goes_with_its_last_container(stage: Stage) -> None:
    """Nor in the next run, before it was unused for long enough since."""
    stage.ended("node", "--volume", "/var")
    (volume,) = (each["Name"] for each in stage.engine.api("GET", "/volumes")["Volumes"])
    rules = VolumeRules(unused_for=3600)
    told = stage.clean(WEEKLY._replace(volumes=rules), later=DAY)
    assert (told["node"], told[volume]) == ("stopped", "released")
    told = stage.clean(WEEKLY._replace(volumes=rules), later=DAY + 3000)
    assert told[volume] == "young"
    told = stage.clean(WEEKLY._replace(volumes=rules), later=DAY + 3700)
    assert told[volume] == "unused"


def test_a_container_that_went_right_after_a_look_counts_for_its_volume(stage: Stage) -> None:
    """The run that removes it is remembered, however little time has passed since the look."""
    stage.ended("node", "--volume", "/var")
    (volume,) = (each["Name"] for each in stage.engine.api("GET", "/volumes")["Volumes"])
    keeps = NO_GRACE._replace(takes=NO_GRACE.takes._replace(containers=False))
    assert stage.clean(keeps)["node"] == "level"
    assert stage.clean(NO_GRACE, later=40)["node"] == "stopped"
    rules = VolumeRules(unused_for=30)
    assert stage.clean(WEEKLY._replace(volumes=rules), later=60)[volume] == "young"
    assert stage.clean(WEEKLY._replace(volumes=rules), later=80)[volume] == "unused"
