"""Base layers that the build cache alone holds: BuildKit tells their records with size 0."""

from __future__ import annotations

from pathlib import Path

import pytest

from holystone.engine.storage import cache_bases
from holystone.planner.inventory import CacheRecord, Inventory
from holystone.planner.inventory import Engine as EngineFacts
from holystone.planner.policy import CacheLimits, Mark, Policy
from tests.engine.cleaning import NO_CACHE, NO_GRACE, observed, wait_for_builds
from tests.engine.test_cache_holders import (
    ALL_CACHE_STAYS,
    DEEP,
    FREE,
    assert_exact,
    base_in,
    cleaned,
    freed,
    layer_bytes,
)
from tests.engines import Engine, Registry
from tests.engines.images import ImageToLoad, build, layer, load

TOOLS = 3_000_000


def tools_in(registry: Registry, engine: Engine, name: str, size: int = TOOLS) -> str:
    """A base image in the registry alone, above the layers of ``base_in``."""
    below = base_in(registry, engine, f"{name}-below")
    engine.docker("pull", below)
    tag = f"{registry.address}/{name}:1"
    build(engine, f"FROM {below}\nRUN head -c {size} /dev/urandom > /tools\n", "-t", tag)
    engine.docker("push", tag)
    engine.docker("rmi", tag, below)
    return tag


def service(engine: Engine, registry: Registry, base: str, name: str, size: int) -> str:
    """A pushed image of a multi-stage build: nothing of its base is in it."""
    tag = f"{registry.address}/{name}:1"
    stages = (
        f"FROM {base} AS tools\nRUN head -c {size} /dev/urandom > /made\n"
        "FROM scratch\nCOPY --from=tools /made /made\n"
    )
    build(engine, stages, "-t", tag, buildkit=True)
    engine.docker("push", tag)
    return tag


def bases(records: tuple[CacheRecord, ...]) -> list[CacheRecord]:
    """The records of layers that BuildKit pulled."""
    return [record for record in records if record.description.startswith("pulled from ")]


@pytest.mark.engine("classic")
def test_without_a_budget_the_base_goes_and_counts(
    fresh_engine: Engine, registry: Registry, unique: str
) -> None:
    base = tools_in(registry, fresh_engine, unique)
    other = tools_in(registry, fresh_engine, f"{unique}-other", 1_000_000)
    service(fresh_engine, registry, base, f"{unique}-a", 300_000)
    service(fresh_engine, registry, other, f"{unique}-b", 200_000)
    done = cleaned(fresh_engine, NO_CACHE)
    assert_exact(done)
    assert {TOOLS, 1_000_000, 30_000, 40_000} <= {r.size for r in bases(done.inventory.cache)}
    assert set(freed(done)) == {"cache"}
    assert done.fall >= TOOLS + 1_000_000
    assert layer_bytes(fresh_engine) == 500_000


@pytest.mark.engine("classic")
def test_the_budget_counts_the_base(fresh_engine: Engine, registry: Registry, unique: str) -> None:
    service(
        fresh_engine, registry, tools_in(registry, fresh_engine, unique), f"{unique}-a", 300_000
    )
    done = cleaned(fresh_engine, NO_GRACE._replace(cache=CacheLimits(budget_bytes=TOOLS)))
    assert_exact(done)
    left = sum(
        record.size
        for record in done.inventory.cache
        if not record.shared and ("cache", record.id) not in done.outcome.results
    )
    assert 0 < left <= TOOLS


@pytest.mark.engine("classic")
def test_a_target_that_the_base_reaches_takes_no_image(
    fresh_engine: Engine, registry: Registry, unique: str
) -> None:
    base = tools_in(registry, fresh_engine, unique)
    service(fresh_engine, registry, base, f"{unique}-a", 300_000)
    # An image that has nothing to do with the build cache.
    tag = f"{registry.address}/{unique}-b:1"
    load(fresh_engine, ImageToLoad([layer(tag, 500_000)], [tag]))
    fresh_engine.docker("push", tag)
    wait_for_builds(fresh_engine)
    # All that the build cache has to itself is as much as is needed.
    listed = observed(fresh_engine).cache
    needed = sum(record.size for record in listed if not record.shared)
    policy = NO_GRACE._replace(
        target=Mark(free_bytes=FREE + needed), cache=ALL_CACHE_STAYS, check_registry=False
    )
    done = cleaned(fresh_engine, policy, free_bytes=FREE)
    made = done.plan
    assert {step.kind for step in made.steps} == {"cache"}
    assert not made.estimated
    assert done.fall == made.freed_bytes == done.outcome.freed_bytes == needed
    assert needed > TOOLS


@pytest.mark.engine("classic")
def test_a_base_that_a_container_holds_too_is_told_with_bounds(
    fresh_engine: Engine, registry: Registry, unique: str
) -> None:
    """``rmi -f`` takes an image from under a stopped container; its layers stay."""
    base = tools_in(registry, fresh_engine, unique)
    fresh_engine.docker("create", "--network", "none", base)
    service(fresh_engine, registry, base, f"{unique}-a", 300_000)
    fresh_engine.docker("rmi", "-f", base)
    done = cleaned(fresh_engine, NO_CACHE._replace(takes=NO_CACHE.takes._replace(containers=False)))
    assert done.plan.estimated
    assert done.plan.freed_bytes == done.fall
    held = [record for record in done.inventory.cache if record.size_at_most]
    assert [record.size for record in held] == [0] * 4
    assert done.plan.at_most == done.fall + sum(record.size_at_most or 0 for record in held)


@pytest.mark.parametrize("policy", [NO_CACHE, DEEP], ids=["routine", "deep"])
@pytest.mark.engine("classic")
def test_of_a_remote_engine_no_exact_figure_is_claimed(
    fresh_engine: Engine, registry: Registry, unique: str, policy: Policy, tmp_path: Path
) -> None:
    base = tools_in(registry, fresh_engine, unique)
    service(fresh_engine, registry, base, f"{unique}-a", 300_000)
    done = cleaned(fresh_engine, policy, tmp_path, remote=True)
    assert done.plan.estimated
    assert done.plan.at_least <= done.fall


def test_keys_are_found_wherever_the_database_is_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """BuildKit's database is read in pieces; another index is left out."""
    layers = tmp_path / "image" / "overlay2" / "layerdb"
    (layers / "mounts").mkdir(parents=True)
    chains = {letter: letter * 64 for letter in "abc"}
    for number, chain in enumerate(chains.values()):
        folder = layers / "sha256" / chain
        folder.mkdir(parents=True)
        (folder / "size").write_text(str(100 + number))
        (folder / "cache-id").write_text("f" * 64)
    ids = {letter: letter * 25 for letter in "xyz"}
    keys = [("", "a", "x"), ("blob", "b", "x"), ("", "b", "y"), ("", "a", "z"), ("", "b", "z")]
    text = "".join(f"{kind}chainid:sha256:{chains[c]}::{ids[r]}" for kind, c, r in keys)
    database = tmp_path / "buildkit" / "metadata_v2.db"
    database.parent.mkdir()
    database.write_bytes(b"\0" * 7 + text.encode() + b"\xff" * 9)
    records = tuple(CacheRecord(i, description="pulled from r/base:1") for i in ids.values())
    engine = EngineFacts("id", "host", "28.5", "1.51", "overlay2")
    inventory = Inventory(engine, 0.0, cache=records)
    for chunk in (1, 50, 117, 4096):
        monkeypatch.setattr(cache_bases, "_CHUNK", chunk)
        told = cache_bases.with_base_sizes(inventory, str(tmp_path)).cache
        assert [record.size for record in told] == [100, 101, 0]
        assert [record.size_at_most for record in told] == [100, 101, None]
    assert cache_bases.with_base_sizes(inventory, str(tmp_path / "none")) == inventory
