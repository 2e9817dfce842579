"""What is remembered of uses, what holds the bytes of a disk, what a removal left."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holystone.planner.inventory import Disk
from holystone.planner.totals import Account, Beside, Log, Orphan, account
from holystone.planner.usage import NEWEST_GAP, SAME_USE, Use
from holystone.planner.verdict import Left, lost

moments = st.integers(0, 10_000).map(float)


def test_uses_within_a_minute_are_one() -> None:
    """A pull, a container made of it and its start; the next job is another use."""
    use = Use(100.0, 100.0).again(101.0).again(101.5)
    assert use == Use(100.0, 101.5, began=100.0)
    assert use.again(700.0) == Use(100.0, 700.0, 2, 600.0)


def test_what_is_used_all_the_time_counts_each_minute() -> None:
    """The next use is one that begins a minute after the last one began, not after it was seen."""
    use = Use(0.0, 0.0)
    for at in range(20, 601, 20):
        use = use.again(float(at))
    assert use == Use(0.0, 600.0, 11, 60.0)


def test_the_gap_is_a_running_mean_in_which_the_newest_counts_for_more() -> None:
    use = Use(0.0, 0.0).again(1000.0)
    assert use.gap == 1000.0
    assert use.again(1100.0).gap == 1000.0 + NEWEST_GAP * (100.0 - 1000.0)


def test_a_use_that_goes_on_is_one_and_the_gap_runs_from_its_beginning() -> None:
    """Jobs that overlap are asked for as often as they begin."""
    running = Use(0.0, 0.0).until(500.0)
    assert running == Use(0.0, 500.0, 1, None, 0.0)
    assert running.again(300.0) == Use(0.0, 500.0, 2, 300.0, 300.0)
    assert running.again(600.0) == Use(0.0, 600.0, 2, 600.0)
    assert running.until(400.0) == running


@given(st.lists(moments, min_size=1))
def test_what_was_seen_before_changes_nothing(seen: list[float]) -> None:
    first, *rest = sorted(seen)
    use = Use(first, first)
    for at in rest:
        use = use.again(at)
    for at in rest:
        assert use.again(at) == use
    assert use.last == max(seen)
    assert 1 <= use.count <= len(seen)


@given(st.lists(st.tuples(moments, st.booleans())))
def test_it_never_ends_before_it_began(seen: list[tuple[float, bool]]) -> None:
    use = Use(0.0, 0.0)
    for at, begins in seen:
        before = use
        use = use.again(at) if begins else use.until(at)
        assert use.first <= use.latest <= use.last
        assert use.last == max(before.last, at)
        assert use.count - before.count in ((0, 1) if begins else (0,))
        assert (use.gap is None) == (use.count == 1)
        assert use.gap is None or use.gap >= SAME_USE


LOGS = (Log("c", "web", "/a", 30, limited=False), Log("d", "db", "/b", 4, limited=None))
BESIDE = Beside(read=True, logs=LOGS, orphans=(Orphan("/x", 5), Orphan("/y", 1)), own=8, holes=3)
FOUND = {"used": 700, "images": 200, "containers": 97, "cache": 50, "volumes": 20, "logs": 34,
         "orphans": 6, "own": 8, "other": 285}  # fmt: skip


@pytest.mark.parametrize(
    ("beside", "instead"),
    [
        (BESIDE, {}),
        (Beside(), {"containers": 100, "logs": 0, "orphans": 0, "own": 0, "other": 330}),
        (BESIDE._replace(holes=101), {"containers": 0, "other": 382}),
        (BESIDE._replace(elsewhere=("images",)),
         {"images": 0, "cache": 0, "containers": 0, "other": 632}),
        (BESIDE._replace(elsewhere=("volumes",)), {"volumes": 0, "other": 305}),
        (BESIDE._replace(elsewhere=("logs",)), {"logs": 0, "own": 0, "other": 327}),
    ],
)  # fmt: skip
def test_the_parts_of_an_account_add_up_to_what_is_used(
    beside: Beside, instead: dict[str, int]
) -> None:
    told = account(Disk(1000, 300), beside, images=200, containers=100, cache=50, volumes=20)
    assert told == Account(**(FOUND | instead))
    assert sum(told[1:]) == told.used


@pytest.mark.parametrize("disk", [Disk(), Disk(1000), Disk(None, 300)])
def test_of_a_disk_out_of_sight_there_is_no_account(disk: Disk) -> None:
    assert account(disk, BESIDE, images=1, containers=1, cache=1, volumes=1) is None


def test_what_is_left_of_an_image_whose_removal_got_no_answer() -> None:
    assert lost(("a:1", "b:1", "a:1", "c:1"), {"b:1"}) == ("a:1", "c:1")
    assert Left(there=False, lost=("a:1",)).detail == "no answer came, and it is gone"
    assert Left(there=True).detail == "no answer came, and it is still there"
    assert Left(there=True, lost=("a:1", "c:1")).detail == (
        "no answer came, and it is still there, without a:1, c:1"
    )
