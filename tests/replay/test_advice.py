"""The budget that recorded use recommends, and what it comes to in a week."""

from __future__ import annotations

import pytest

from holystone.planner.policy import HEADROOM
from holystone.replay.advice import COMPARED, WEEK, Room, advise, last_week
from holystone.replay.host import replay
from holystone.replay.orders import LeastRecentlyUsed
from holystone.replay.running import ReplayFailed, Replays
from holystone.replay.trace import Trace, parse, written

DAY = 86_400.0
GB = 10**9


def made(days: int, daily: int = 3) -> Trace:
    """Each day the same images of a gigabyte, an hour apart, and each week another."""
    images = {f"i{n}": [(f"layer {n}", GB)] for n in range(daily)}
    images |= {f"w{n}": [(f"week {n}", GB)] for n in range(days // 7 + 1)}
    uses = []
    for day in range(days):
        uses += [(day * DAY + 3600 * n, f"daily{n}:1", f"i{n}") for n in range(daily)]
        if day % 7 == 6:
            uses.append((day * DAY + 3600 * daily, f"weekly:{day}", f"w{day // 7}"))
    return parse((line.encode() for line in written(images, uses)), "made")


def test_a_budget_for_what_comes_back() -> None:
    """With room for what is used each day only what is new has to be pulled."""
    with Replays(made(70), 1) as replays:
        advice = advise(replays)
    assert 3 * GB <= advice.budget_bytes <= 4.2 * GB
    assert advice.budget_bytes == advice.wanted_bytes
    assert [each.order for each in advice.week] == list(COMPARED)
    ours, lru, daily, each_job = advice.week
    assert advice.week_uses == 23
    # What comes each week takes the place of one that comes each day.
    assert (ours.pulled_bytes, ours.stalls) == (2 * GB, 2)
    assert lru.pulled_bytes >= ours.pulled_bytes
    assert daily.pulled_bytes == 16 * GB
    assert (each_job.pulled_bytes, each_job.stalls) == (23 * GB, 23)


def test_a_disk_without_the_room() -> None:
    with Replays(made(70), 1) as replays:
        advice = advise(replays, 2 * GB)
    assert advice.budget_bytes == 2 * GB < advice.wanted_bytes
    assert advice.week[0].stalls > 1


def test_the_last_week_is_the_end_of_the_whole() -> None:
    trace = made(70)
    whole = replay(trace, LeastRecentlyUsed(), 2 * GB)
    since = trace.use_times[-1] - WEEK
    count = sum(time < since for time in trace.use_times)
    before = trace._replace(
        use_times=trace.use_times[:count],
        use_references=trace.use_references[:count],
        use_images=trace.use_images[:count],
    )
    earlier = replay(before, LeastRecentlyUsed(), 2 * GB)
    week = last_week(trace, "lru", 2 * GB)
    assert week.pulled_bytes == whole.pulled_bytes - earlier.pulled_bytes > 0
    assert week.stalls == whole.stalls - earlier.stalls


@pytest.mark.parametrize(("days", "daily"), [(1, 20), (5, 3)])
def test_too_short_a_past(days: int, daily: int) -> None:
    """Of too little time, or too few uses."""
    with Replays(made(days, daily), 1) as replays, pytest.raises(ReplayFailed, match="a day at le"):
        advise(replays)


def test_watermarks_leave_images_their_budget() -> None:
    """While all else stays as large: a clean ends there, and begins a headroom above it."""
    room = Room(total=200 * GB, other=60 * GB, largest=5 * GB)
    marks = room.watermarks(40 * GB)
    assert marks.low_free_bytes == 100 * GB == room.total - room.other - 40 * GB
    assert marks.high_free_bytes == marks.low_free_bytes - HEADROOM
    assert marks.images_bytes == 40 * GB
    assert room.most == 200 * GB - 60 * GB - HEADROOM - 5 * GB
    assert room.watermarks(room.most).high_free_bytes == 5 * GB
    assert Room(10 * GB, 12 * GB, GB).most == 0
    assert Room(10 * GB, 0, 1).most == 10 * GB - HEADROOM - GB


def test_layers_that_lie_on_the_disk_twice() -> None:
    """With the containerd image store what came stays there, compressed."""
    room = Room(total=200 * GB, other=60 * GB, largest=5 * GB, weight=1.5)
    marks = room.watermarks(40 * GB)
    assert marks.images_bytes == 60 * GB
    assert marks.low_free_bytes == 80 * GB
    assert room.watermarks(room.most).high_free_bytes == pytest.approx(7.5 * GB, abs=2)
