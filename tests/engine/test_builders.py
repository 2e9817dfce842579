"""Builders outside the engine are asked what they keep, and pruned to a budget.

There is no image of moby/buildkit here: the builder's BuildKit is the one inside another Docker
engine, and the ``buildctl`` in its container is a program of ours that hands its input and output
on to that (see ``foreign_builder``). So the listed records and the removals are BuildKit's own;
what is not tried is moby/buildkit's own daemon and ``buildctl``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from holystone.engine.builders import with_builders
from holystone.planner.inventory import Builder, CacheRecord
from tests.engine.cleaning import live_host, wait_for_builds
from tests.engine.foreign_builder import make_builder, make_records
from tests.engines import Engine, start_engine
from tests.engines.emptying import empty
from tests.engines.session import Engines

pytestmark = pytest.mark.engine("docker20", "podman")


@pytest.fixture
def other(engines: Engines, engine: Engine) -> Iterator[Engine]:
    """The engine whose BuildKit is the builder's: its folder can be mounted in containers."""
    if engine.kind == "podman5":
        # It runs below a root of its own, where it sees no other engine's folder.
        inside = start_engine("docker28", data=engine.data / "builder")
        yield inside
        inside.stop()
        return
    shared = engines("docker28")
    empty(shared)
    yield shared
    empty(shared)


def builders(engine: Engine) -> dict[str, Builder]:
    """The builders of an engine by name, all of them asked."""
    with closing(live_host(engine)) as host:
        found = with_builders(host.client, host.observe(), lambda _: True).builders
    return {builder.name: builder for builder in found}


def own_ids(records: tuple[CacheRecord, ...] | None) -> set[str]:
    """BuildKit's own IDs of a builder's records."""
    assert records is not None
    return {record.id.partition("/")[2] for record in records}


def test_a_builder_says_what_it_keeps(fresh_engine: Engine, other: Engine, unique: str) -> None:
    """The records are those that the other engine lists, with the same facts."""
    make_builder(fresh_engine, "ci0", other)
    make_records(other, unique, 5)
    wait_for_builds(other)
    found = builders(fresh_engine)["ci0"]
    assert found.volume == "buildx_buildkit_ci0_state"
    assert not found.problem
    listed = {record["ID"]: record for record in other.disk_usage()["BuildCache"]}
    assert own_ids(found.records) == set(listed)
    for record in found.records or ():
        told = listed[record.id.removeprefix("ci0/")]
        facts = (record.size, record.type, record.description, record.in_use, record.shared)
        keys = ("Size", "Type", "Description", "InUse", "Shared")
        assert facts == tuple(told[key] for key in keys)
        parents = told.get("Parents") or told.get(" Parents") or ()
        assert record.parents == tuple(f"ci0/{each}" for each in parents)
        assert record.created > 1_600_000_000
    assert sum(bool(record.parents) for record in found.records or ()) >= 4


def test_thousands_of_records_come_whole(fresh_engine: Engine, other: Engine, unique: str) -> None:
    """The answer is larger than one piece of the engine's stream, and than a window of HTTP/2."""
    make_builder(fresh_engine, "ci0", other)
    for number in range(3):
        make_records(other, f"{unique}-{'long' * 40}-{number}", 100, size=1000)
    wait_for_builds(other)
    listed = {record["ID"] for record in other.disk_usage()["BuildCache"]}
    assert len(listed) >= 300
    assert own_ids(builders(fresh_engine)["ci0"].records) == listed


def test_a_builder_that_cannot_be_asked_says_why(fresh_engine: Engine, other: Engine) -> None:
    """Stopped, without a container, without its program: each with evidence, and the rest goes."""
    stopped = make_builder(fresh_engine, "stopped0", other)
    fresh_engine.docker("stop", "--time", "0", stopped)
    gone = make_builder(fresh_engine, "gone0", other)
    fresh_engine.docker("rm", "--force", gone)
    make_builder(fresh_engine, "empty0", other, buildctl=False)
    make_builder(fresh_engine, "ci0", other)
    found = builders(fresh_engine)
    assert set(found) == {"stopped0", "gone0", "empty0", "ci0"}
    assert "its container buildx_buildkit_stopped0 is exited" in found["stopped0"].problem
    assert "it has no container: none is called buildx_buildkit_gone0" in found["gone0"].problem
    assert "BuildKit did not answer" in found["empty0"].problem
    assert "buildctl" in found["empty0"].problem
    assert found["ci0"].records == ()
    assert all(found[name].records is None for name in ("stopped0", "gone0", "empty0"))
