"""How much of a disk cleans for space could free: what the forecast is made from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from holystone.agent.host_watch import HostWatch
from holystone.agent.level import most
from holystone.agent.options import AgentOptions
from holystone.agent.orders import Order
from holystone.agent.owner import Owner
from holystone.agent.state import State
from holystone.agent.worker import Worker
from holystone.planner.inventory import Disk
from holystone.planner.plan import plan
from holystone.planner.policy import TAKES, Grace, Mark, Policy, Protect, Watermarks


def of_level(level: str) -> Policy:
    return Policy(level, TAKES[level])


def with_routine(**changes: object) -> Callable[[str], Policy]:
    return lambda level: of_level(level)._replace(**changes)  # type: ignore[arg-type]


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[HostWatch]:
    """A watch over the demo host."""
    made = HostWatch(
        AgentOptions(host="demo:", state=str(tmp_path), environ={}), State("demo:"), print
    )
    yield made
    made.close()


def available(watch: HostWatch, policy: Callable[[str], Policy]) -> int:
    watch.look(policy, look_again=3600.0, whole=True)
    assert watch.state.available is not None
    return watch.state.available


def test_it_is_what_is_free_and_all_that_may_go(watch: HostWatch) -> None:
    told = available(watch, of_level)
    snapshot = watch.state.now.snapshot
    assert snapshot is not None
    inventory, disk = snapshot.inventory, snapshot.inventory.disk
    assert disk.free_bytes is not None
    whole = of_level("routine")._replace(target=Mark(free_bytes=disk.total_bytes))
    made = plan(inventory, snapshot.usage, whole, inventory.taken_at)
    # A clean now leaves out what is too recent, and asks registries before it takes others.
    assert told > disk.free_bytes + made.freed_bytes > disk.free_bytes
    assert told < (disk.total_bytes or 0)


def test_what_is_protected_does_not_count_and_what_is_too_recent_does(
    tmp_path: Path, watch: HostWatch
) -> None:
    told = available(watch, of_level)
    for changes, holds in (
        ({"protect": Protect(images=("*",))}, False),
        ({"grace": Grace.uniform(10 * 365 * 86400.0)}, True),
    ):
        other = HostWatch(watch.options, State("demo:"), print)
        assert (available(other, with_routine(**changes)) == told) is holds
        other.close()


def test_where_no_clean_for_space_happens_the_free_bytes_alone_count(watch: HostWatch) -> None:
    never = with_routine(disk=Watermarks(high=Mark(free_bytes=0)))
    told = available(watch, never)
    snapshot = watch.state.now.snapshot
    assert snapshot is not None
    assert told == snapshot.inventory.disk.free_bytes


def test_a_disk_that_is_not_in_sight_tells_nothing() -> None:
    assert most(of_level("routine"), Disk()) is None


def test_a_new_look_is_planned_once_the_last_plans_are_a_minute_old(
    watch: HostWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr("holystone.agent.host_watch.time.monotonic", lambda: now[0])
    before = available(watch, of_level)
    never = with_routine(disk=Watermarks(high=Mark(free_bytes=0)))
    now[0] += 30
    assert available(watch, never) == before
    now[0] += 31
    # No look is needed for it.
    watch.plan_levels(never)
    after = watch.state.available
    assert after is not None
    assert after < before
    now[0] += 61
    # The same look is not planned again.
    watch.plan_levels(of_level)
    assert watch.state.available == after


def test_after_a_clean_the_next_look_tells_anew_what_levels_would_free(tmp_path: Path) -> None:
    # Otherwise they are planned once a minute.
    options = AgentOptions(host="demo:", state=str(tmp_path), environ={})
    state = State("demo:")
    watch = HostWatch(options, state, lambda _: None)
    worker = Worker(watch, state, Owner(options))
    watch.look(of_level, look_again=3600.0, whole=True)
    before = state.reclaimable["routine"]
    assert before[1]
    worker._do(Order("routine", "a test"))
    assert state.now.last["routine"].removed == before[1]
    watch.plan_levels(of_level)
    watch.look(of_level, look_again=3600.0, whole=False)
    assert state.reclaimable["routine"][1] == 0
    watch.close()
