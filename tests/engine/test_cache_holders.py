"""Images and build cache that hold the same layers: a plan's bytes are what the disk gains."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from holystone.operations.execute import Outcome, execute
from holystone.planner.inventory import Inventory
from holystone.planner.plan import plan
from holystone.planner.policy import TAKES, CacheLimits, Grace, Mark, Policy
from holystone.planner.verdict import Plan
from holystone.store.store import Store
from tests.engine.cleaning import NO_CACHE, NO_GRACE, live_host
from tests.engines import Engine, Registry
from tests.engines.images import ImageToLoad, build, busybox_layer, layer, load, tar_of
from tests.engines.places import DOCKER

pytestmark = pytest.mark.engine("classic")

DEEP = Policy(level="deep", takes=TAKES["deep"], grace=Grace.uniform(0), include_local=True)
ALL_CACHE_STAYS = CacheLimits(budget_bytes=10**12)


class Cleaned:
    """A clean, held against the files of the layers before and after it."""

    def __init__(
        self, engine: Engine, policy: Policy, state: Path | None = None, *, remote: bool = False
    ) -> None:
        wait_for_builds(engine)
        host = live_host(engine, state, remote=remote)
        try:
            host.watch()
            self.inventory: Inventory = host.weigh(host.date(host.observe()))
            before = layer_bytes(engine)
            self.plan: Plan = plan(self.inventory, host.usage(), policy, time.time())
            self.outcome: Outcome = execute(self.plan, self.inventory, host)
        finally:
            host.close()
        self.gained = before - layer_bytes(engine)

    @property
    def freed(self) -> dict[str, int]:
        """What each kind of object freed, of those that went."""
        kinds: dict[str, int] = {}
        for (kind, _), size in self.outcome.freed.items():
            kinds[kind] = kinds.get(kind, 0) + size
        return kinds

    def assert_exact(self) -> None:
        """Everything went, and freed what was promised, to the byte of the files."""
        assert {r.result for r in self.outcome.results.values()} <= {"removed"}
        assert not self.plan.estimated
        assert self.plan.freed_bytes == self.outcome.freed_bytes == self.gained


def wait_for_builds(engine: Engine) -> None:
    """Return when BuildKit has let go of what the last build worked with."""
    deadline = time.monotonic() + 30
    while any(record["InUse"] for record in engine.disk_usage()["BuildCache"] or ()):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def layer_bytes(engine: Engine) -> int:
    """Apparent bytes of the files in all layers of overlay2, hard links counted once."""
    seen: set[tuple[int, int]] = set()
    total = 0
    for layer_folder in os.scandir(engine.data / "root" / "overlay2"):
        for folder, _, names in os.walk(f"{layer_folder.path}/diff"):
            for name in names:
                stat = os.lstat(f"{folder}/{name}")
                if (stat.st_dev, stat.st_ino) not in seen:
                    seen.add((stat.st_dev, stat.st_ino))
                    total += stat.st_size
    return total


def base_in(registry: Registry, engine: Engine, name: str) -> str:
    """A base image of three layers that BuildKit has to pull."""
    tag = f"{registry.address}/{name}:1"
    layers = [busybox_layer(), layer(f"{name} 1", 30_000), layer(f"{name} 2", 40_000)]
    load(engine, ImageToLoad(layers, [tag]))
    engine.docker("push", tag)
    engine.docker("rmi", tag)
    return tag


def dockerfile(base: str, size: int, more: str = "") -> str:
    return (
        f"FROM {base}\nENV A={more or 1}\n"
        f"RUN head -c {size} /dev/urandom > /own\nRUN mkdir /empty\nWORKDIR /w\n{more}"
    )


def test_an_image_goes_and_its_cache_stays_and_goes_later(
    fresh_engine: Engine, registry: Registry, unique: str
) -> None:
    """Untagged by the next build: it frees nothing while records hold its layers."""
    base = base_in(registry, fresh_engine, unique)
    for turn in range(3):
        build(
            fresh_engine,
            dockerfile(base, 200_000),
            *("-t", f"localhost/{unique}:1", "--label", f"turn={turn}", "--no-cache"),
            buildkit=True,
        )
    one = Cleaned(fresh_engine, NO_GRACE._replace(cache=ALL_CACHE_STAYS))
    one.assert_exact()
    assert len(one.freed) == 1
    assert one.gained == 0
    assert one.plan.held_by_cache == 400_000
    two = Cleaned(fresh_engine, NO_CACHE)
    two.assert_exact()
    # The last image keeps its base and its own layer; the records of both stay with it.
    assert two.gained >= 400_000
    three = Cleaned(fresh_engine, DEEP)
    three.assert_exact()
    assert layer_bytes(fresh_engine) == 0
    assert three.gained >= 2_000_000


def test_cache_that_goes_while_the_image_stays_frees_nothing_of_it(
    fresh_engine: Engine, registry: Registry, unique: str
) -> None:
    base = base_in(registry, fresh_engine, unique)
    build(fresh_engine, dockerfile(base, 300_000), "-t", f"localhost/{unique}:1", buildkit=True)
    keep = DEEP._replace(takes=DEEP.takes._replace(tagged="none"))
    one = Cleaned(fresh_engine, keep)
    one.assert_exact()
    shared = {record.id for record in one.inventory.cache if record.shared}
    assert len(shared) == 6
    assert {one.outcome.freed["cache", record_id] for record_id in shared} == {0}
    assert fresh_engine.disk_usage()["BuildCache"] in (None, [])
    two = Cleaned(fresh_engine, DEEP)
    two.assert_exact()
    assert two.freed["image"] == two.gained > 2_000_000


def test_images_that_share_a_stage_and_go_with_their_cache(
    fresh_engine: Engine, registry: Registry, unique: str
) -> None:
    """Two results of one multi-stage build, and another of the same base: all goes at once."""
    base = base_in(registry, fresh_engine, unique)
    stages = (
        f"FROM {base} AS tools\nRUN head -c 150000 /dev/urandom > /tools\n"
        "FROM tools AS one\nRUN head -c 60000 /dev/urandom > /one\n"
        f"FROM {base} AS two\nCOPY --from=tools /tools /tools\nRUN head -c 60000 /tools > /two\n"
    )
    for target in ("one", "two"):
        tag = f"localhost/{unique}:{target}"
        build(fresh_engine, stages, "-t", tag, "--target", target, buildkit=True)
    build(fresh_engine, dockerfile(base, 60_000), "-t", f"localhost/{unique}:three", buildkit=True)
    done = Cleaned(fresh_engine, DEEP)
    done.assert_exact()
    assert [v for v in done.plan.kept if v.kind in ("image", "cache")] == []
    assert layer_bytes(fresh_engine) == 0


@pytest.mark.parametrize("remote", [False, True], ids=["local", "remote"])
def test_a_target_takes_the_fewest_images_with_their_cache(
    fresh_engine: Engine, registry: Registry, unique: str, tmp_path: Path, remote: bool
) -> None:
    """Same-sized images of one base: one run reaches the target, and the history its gain."""
    base = base_in(registry, fresh_engine, unique)
    tags = []
    for turn in range(5):
        tags.append(f"{registry.address}/{unique}-app:{turn}")
        build(fresh_engine, dockerfile(base, 500_000, f"LABEL n={turn}\n"), "--no-cache",
              *("-t", tags[-1]), buildkit=True)  # fmt: skip
        fresh_engine.docker("push", tags[-1])
    # Contexts and the like go first; what is left besides is images and the records they share.
    Cleaned(fresh_engine, NO_CACHE, tmp_path, remote=remote)
    host = live_host(fresh_engine, tmp_path, remote=remote)
    try:
        inventory = host.weigh(host.date(host.observe()))
    finally:
        host.close()
    needed = 1_200_000
    disk = inventory.disk._replace(total_bytes=10**12, free_bytes=10**11)
    policy = NO_GRACE._replace(
        target=Mark(free_bytes=10**11 + needed), cache=ALL_CACHE_STAYS, check_registry=False
    )
    host = live_host(fresh_engine, tmp_path, remote=remote)
    ledger = Store(str(tmp_path), _no_warning)
    try:
        host.watch()
        inventory = host.weigh(host.date(host.observe()))._replace(disk=disk)
        before = layer_bytes(fresh_engine)
        made = plan(inventory, host.usage(), policy, time.time())
        run = ledger.runs.begin(made, inventory, endpoint="test", job="")
        outcome = execute(made, inventory, host)
    finally:
        host.close()
    gained = before - layer_bytes(fresh_engine)
    assert len([step for step in made.steps if step.kind == "image"]) == 3
    assert {r.result for r in outcome.results.values()} == {"removed"}
    assert made.at_least <= gained <= made.at_most
    assert gained >= needed
    assert gained == outcome.freed_bytes == 1_500_000
    assert run is not None
    run.end(freed_bytes=outcome.freed_bytes, freed=outcome.freed, removed=outcome.removed,
            skipped=outcome.skipped, failed=outcome.failed, interrupted="",
            disk_free_after=None)  # fmt: skip
    again = Cleaned(fresh_engine, policy._replace(target=None), tmp_path, remote=remote)
    assert not again.plan.steps
    assert sum(past.freed_bytes or 0 for past in ledger.runs.list()) == gained
    left = fresh_engine.client.list("/images/json")
    assert len({tag for image in left for tag in image["RepoTags"]} & set(tags)) == 2


@contextmanager
def running_build(engine: Engine, base: str) -> Iterator[None]:
    """A build from this base whose step waits, from when the step runs."""
    context = tar_of({"Dockerfile": f"FROM {base}\nRUN echo it-$((6*7)); sleep 1000\n".encode()})
    environment = {**engine.environment, "DOCKER_BUILDKIT": "1"}
    command = [DOCKER, "build", "--progress", "plain", "--network", "none", "-"]
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stderr=subprocess.PIPE
    ) as client:
        assert client.stdin is not None
        assert client.stderr is not None
        client.stdin.write(context)
        client.stdin.close()
        try:
            assert any(b"it-42" in line for line in client.stderr), "the build did not begin"
            yield
        finally:
            client.kill()
    wait_for_builds(engine)


def test_a_target_is_reached_beside_a_running_build(
    fresh_engine: Engine, registry: Registry, unique: str, tmp_path: Path
) -> None:
    """What it builds on stays; the other image of the same base goes, and all its bytes come."""
    base = base_in(registry, fresh_engine, unique)
    tags = [f"{registry.address}/{unique}-app:{number}" for number in range(2)]
    for number, tag in enumerate(tags):
        build(fresh_engine, dockerfile(base, 300_000 + number * 100_000), "-t", tag, buildkit=True)
        fresh_engine.docker("push", tag)
    needed = 350_000
    # Contexts would go first.
    Cleaned(fresh_engine, NO_CACHE, tmp_path)
    with running_build(fresh_engine, tags[0]):
        host = live_host(fresh_engine, tmp_path)
        try:
            host.watch()
            inventory = host.weigh(host.date(host.observe()))
            before = layer_bytes(fresh_engine)
            disk = inventory.disk._replace(total_bytes=10**12, free_bytes=10**11)
            policy = NO_GRACE._replace(
                target=Mark(free_bytes=10**11 + needed), cache=ALL_CACHE_STAYS, check_registry=False
            )
            made = plan(inventory._replace(disk=disk), host.usage(), policy, time.time())
            outcome = execute(made, inventory, host)
        finally:
            host.close()
        gained = before - layer_bytes(fresh_engine)
    assert {verdict.names for verdict in made.removed if verdict.kind == "image"} == {(tags[1],)}
    assert not made.short_bytes
    assert made.freed_bytes == outcome.freed_bytes == gained >= needed


def _no_warning(message: str) -> None:
    raise AssertionError(message)
