"""Weeks of pipelines against the agent: the small trace that is here, in a few seconds."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from bench.agent_weeks.report import flatness, most_used, picture, table
from bench.agent_weeks.simulation import Weeks, part, simulate
from tests.replay.recorded import recorded

BUDGET = 1_800_000_000
TIGHT = 1_500_000_000
"""Less than the images of some hours, which are spared as long as they are that recent."""


@pytest.fixture(scope="module")
def weeks() -> Weeks:
    return simulate(recorded("small"), BUDGET)


def test_the_disk_stays_between_its_marks(weeks: Weeks) -> None:
    assert weeks.cleans >= 3, "the trace must press on the disk"
    assert most_used(weeks) < weeks.critical_bytes
    assert not weeks.left_above, "a clean that ends well leaves the disk below the high mark"
    assert not weeks.missed
    flat = flatness(weeks)
    assert 0.6 * weeks.high_bytes < flat.mean < weeks.high_bytes
    assert flat.spread < 0.2 * weeks.high_bytes


def test_it_pulls_hardly_more_than_the_replay(weeks: Weeks) -> None:
    assert weeks.pulled_bytes > 0
    assert weeks.ratio <= 1.02


def test_what_is_too_recent_may_keep_it_above_the_high_mark_but_not_the_critical_one() -> None:
    weeks = simulate(recorded("small"), TIGHT)
    assert weeks.missed > 0
    assert weeks.high_bytes < most_used(weeks) < weeks.critical_bytes
    assert not weeks.left_above
    assert weeks.ratio <= 1.10


def test_a_part_of_a_trace() -> None:
    whole = recorded("small")
    one = part(whole, 1)
    rest = part(whole, 1, 1)
    assert 0 < len(one.use_times) < len(whole.use_times)
    assert one.use_times[-1] < one.use_times[0] + 7 * 86400 <= rest.use_times[0]
    assert one.use_times + rest.use_times == whole.use_times


def test_table_and_picture(weeks: Weeks) -> None:
    rows = table({"team": weeks}).splitlines()
    assert len(rows) == 3
    assert f"| **{weeks.ratio:.3f}** | {weeks.cleans} |" in rows[2]
    drawn = ET.fromstring(picture({"team": weeks}))
    assert [each.text for each in drawn.iter() if (each.text or "").startswith("team")]
    assert sum(each.tag.endswith("line") for each in drawn.iter()) > 100
