"""When the disk will be full at the rate of the last hours, and how far a clean for space goes."""

from __future__ import annotations

import pytest

from holystone.agent.disk_watch import Forecast
from holystone.agent.level import Tries, space_policy
from holystone.planner.inventory import Disk
from holystone.planner.policy import HEADROOM, Mark, Policy, Watermarks
from holystone.store.samples import Sample

GB = 1_000_000_000
START = 1_750_000_000.0


def sample(
    minute: int, available: int | None, free: int = 50 * GB, total: int = 200 * GB
) -> Sample:
    """The sample of a minute."""
    return Sample(START + 60 * minute, total, free, available=available)


def filled(rate: float, minutes: int, free: float = 100 * GB) -> Forecast:
    """A disk that loses so many bytes a minute which no clean can free."""
    return Forecast([sample(n, int(free - rate * n)) for n in range(minutes)])


def test_a_steady_rate_tells_when_the_disk_is_full() -> None:
    made = filled(GB / 10, 61)
    # 94 GB are left, at 6 GB an hour.
    assert made.full_in() == pytest.approx(94 / 6 * 3600, rel=0.01)


@pytest.mark.parametrize(("rate", "minutes"), [(0, 120), (-GB, 30), (GB / 10, 15), (1, 300)])
def test_what_does_not_fill_or_is_too_new_has_no_forecast(rate: float, minutes: int) -> None:
    assert filled(rate, minutes).full_in() is None


def test_a_disk_that_fills_up_to_its_mark_for_the_first_time_has_none() -> None:
    """Half a GB a minute, all of which may go again: 1.7 hours, by the free bytes alone."""
    ramp = [sample(n, 150 * GB, free=150 * GB - n * GB // 2) for n in range(200)]
    assert Forecast(ramp).full_in() is None


def test_what_cannot_be_removed_counts_while_cleans_hold_the_disk_level() -> None:
    """The free bytes stay what they are: ever fewer others can be freed for them."""
    level = [sample(n, 100 * GB - n * GB // 10, free=30 * GB) for n in range(121)]
    assert Forecast(level).full_in() == pytest.approx(88 / 6 * 3600, rel=0.01)


def test_samples_that_do_not_tell_what_may_go_do_not_count() -> None:
    old = [sample(n, None, free=100 * GB - n * GB) for n in range(60)]
    assert Forecast(old).full_in() is None
    new = [sample(60 + n, 90 * GB - n * GB) for n in range(30)]
    assert Forecast([*old, *new]).full_in() == pytest.approx(61 * 60, rel=0.01)


def test_only_the_last_hours_count() -> None:
    made = filled(GB / 5, 60)
    for n in range(60, 60 + 7 * 60):
        made.add(sample(n, 88 * GB))
    assert made.full_in() is None


def test_a_clock_set_back_and_another_disk_begin_anew() -> None:
    made = filled(GB / 10, 61)
    made.add(sample(-60, 90 * GB))
    assert made.full_in() is None
    made = filled(GB / 10, 61)
    made.add(sample(62, 290 * GB, total=400 * GB))
    assert made.full_in() is None
    made.add(Sample(START + 63 * 60))
    assert made.full_in() is None


@pytest.mark.parametrize(
    ("total", "high", "free"),
    [
        (100 * GB, Mark(used_share=0.85), 15.5 * GB),
        (1000 * GB, Mark(used_share=0.85), 150 * GB + HEADROOM),
        (1000 * GB, Mark(free_bytes=20 * GB), 20 * GB + HEADROOM),
        # Almost nothing may be used: half of that.
        (100 * GB, Mark(used_share=0.0001), 100 * GB - 5_000_000),
    ],
)
def test_a_clean_for_space_ends_just_below_the_mark(total: int, high: Mark, free: float) -> None:
    policy = Policy()._replace(disk=Watermarks(high=high))
    target = space_policy(policy, Disk(total, 0)).target
    assert target is not None
    assert target.least_free(total) == pytest.approx(free, rel=1e-6)


def test_a_low_mark_of_the_owner_counts() -> None:
    low = Mark(free_bytes=50 * GB)
    policy = Policy()._replace(disk=Watermarks(low=low))
    assert space_policy(policy, Disk(100 * GB, 0)).target == low


def test_a_target_that_was_missed_is_tried_again_later_and_later() -> None:
    tries = Tries()
    assert tries.is_due(0.0)
    pauses = []
    at = 0.0
    for _ in range(7):
        tries.missed(at)
        begun = at
        while not tries.is_due(at):
            at += 1
        pauses.append(at - begun)
    assert pauses == [30, 60, 120, 240, 480, 600, 600]
    tries.missed(at)
    tries.reached()
    assert tries.is_due(at)
