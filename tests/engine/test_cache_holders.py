"""Images and build cache that hold the same layers: a plan's bytes are what the disk gains."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from holystone.planner.policy import TAKES, CacheLimits, Grace, Mark, Policy
from holystone.store.store import Store
from tests.engine.cleaning import (
    NO_CACHE,
    NO_GRACE,
    Clean,
    Figures,
    bytes_below,
    clean,
    no_warning,
    wait_for_builds,
)
from tests.engines import Engine, Registry
from tests.engines.images import (
    ImageToLoad,
    build,
    busybox_files,
    busybox_layer,
    layer,
    load,
    tar_of,
)
from tests.engines.places import DOCKER

pytestmark = pytest.mark.engine("classic")

DEEP = Policy(level="deep", takes=TAKES["deep"], grace=Grace.uniform(0), include_local=True)
ALL_CACHE_STAYS = CacheLimits(budget_bytes=10**12)
FREE = 10**11
"""Bytes that a disk is said to have left."""


def assert_exact(done: Clean) -> None:
    """Everything went, and freed what was promised, to the byte of the files."""
    assert {r.result for r in done.outcome.results.values()} <= {"removed"}
    assert not done.plan.estimated
    assert done.plan.freed_bytes == done.outcome.freed_bytes == done.fall


def freed(done: Clean) -> dict[str, int]:
    """What each kind of object freed, of those that went."""
    kinds: dict[str, int] = {}
    for (kind, _), size in done.outcome.freed.items():
        kinds[kind] = kinds.get(kind, 0) + size
    return kinds


def cleaned(
    engine: Engine,
    policy: Policy,
    state: Path | None = None,
    *,
    remote: bool = False,
    free_bytes: int | None = None,
) -> Clean:
    """A clean, held against the files of the layers before and after it."""
    wait_for_builds(engine)
    return clean(engine, policy, state, remote=remote, measure=of_layers, free_bytes=free_bytes)


def of_layers(engine: Engine) -> Figures:
    return Figures(layer_bytes(engine), 0, 0)


def layer_bytes(engine: Engine) -> int:
    """Apparent bytes of the files in all layers of overlay2."""
    return bytes_below(*(engine.data / "root" / "overlay2").glob("*/diff"))


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
    one = cleaned(fresh_engine, NO_GRACE._replace(cache=ALL_CACHE_STAYS))
    assert_exact(one)
    assert len(freed(one)) == 1
    assert one.fall == 0
    assert one.plan.held_by_cache == 400_000
    two = cleaned(fresh_engine, NO_CACHE)
    assert_exact(two)
    # The last image keeps its base and its own layer; the records of both stay with it.
    assert two.fall >= 400_000
    three = cleaned(fresh_engine, DEEP)
    assert_exact(three)
    assert layer_bytes(fresh_engine) == 0
    assert three.fall >= 2_000_000


def test_cache_that_goes_while_the_image_stays_frees_nothing_of_it(
    fresh_engine: Engine, registry: Registry, unique: str
) -> None:
    base = base_in(registry, fresh_engine, unique)
    build(fresh_engine, dockerfile(base, 300_000), "-t", f"localhost/{unique}:1", buildkit=True)
    keep = DEEP._replace(takes=DEEP.takes._replace(tagged="none"))
    one = cleaned(fresh_engine, keep)
    assert_exact(one)
    shared = {record.id for record in one.inventory.cache if record.shared}
    assert len(shared) == 6
    assert {one.outcome.freed["cache", record_id] for record_id in shared} == {0}
    assert fresh_engine.disk_usage()["BuildCache"] in (None, [])
    two = cleaned(fresh_engine, DEEP)
    assert_exact(two)
    assert freed(two)["image"] == two.fall > 2_000_000


def test_images_that_share_a_stage_and_go_with_their_cache(
    fresh_engine: Engine, registry: Registry, unique: str
) -> None:
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
    done = cleaned(fresh_engine, DEEP)
    assert_exact(done)
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
    cleaned(fresh_engine, NO_CACHE, tmp_path, remote=remote)
    needed = 1_200_000
    policy = NO_GRACE._replace(
        target=Mark(free_bytes=FREE + needed), cache=ALL_CACHE_STAYS, check_registry=False
    )
    done = cleaned(fresh_engine, policy, tmp_path, remote=remote, free_bytes=FREE)
    made, outcome = done.plan, done.outcome
    assert len([step for step in made.steps if step.kind == "image"]) == 3
    assert {r.result for r in outcome.results.values()} == {"removed"}
    assert made.at_least <= done.fall <= made.at_most
    assert done.fall >= needed
    assert done.fall == outcome.freed_bytes == 1_500_000
    ledger = Store(str(tmp_path), no_warning)
    run = ledger.runs.begin(made, done.inventory, endpoint="test", job="")
    assert run is not None
    run.end(freed_bytes=outcome.freed_bytes, freed=outcome.freed, removed=outcome.removed,
            skipped=outcome.skipped, failed=outcome.failed, interrupted="",
            disk_free_after=None)  # fmt: skip
    again = cleaned(fresh_engine, policy._replace(target=None), tmp_path, remote=remote)
    assert not again.plan.steps
    assert sum(past.freed_bytes or 0 for past in ledger.runs.list()) == done.fall
    left = fresh_engine.client.list("/images/json")
    assert len({tag for image in left for tag in image["RepoTags"]} & set(tags)) == 2


@contextmanager
def running_build(engine: Engine, dockerfile: str) -> Iterator[None]:
    """A build whose last step waits, from when that step runs."""
    last = b"RUN echo it-$((6*7)); sleep 1000\n"
    context = tar_of({"Dockerfile": dockerfile.encode() + last, **busybox_files("rootfs/")})
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
    cleaned(fresh_engine, NO_CACHE, tmp_path)
    with running_build(fresh_engine, f"FROM {tags[0]}\n"):
        policy = NO_GRACE._replace(
            target=Mark(free_bytes=FREE + needed), cache=ALL_CACHE_STAYS, check_registry=False
        )
        done = clean(fresh_engine, policy, tmp_path, measure=of_layers, free_bytes=FREE)
    made = done.plan
    assert {verdict.names for verdict in made.removed if verdict.kind == "image"} == {(tags[1],)}
    assert not made.short_bytes
    assert made.freed_bytes == done.outcome.freed_bytes == done.fall >= needed
