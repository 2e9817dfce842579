"""Watermarks: what they leave free, and where a clean for room ends."""

from __future__ import annotations

import pytest

from holystone.planner.inventory import Disk
from holystone.planner.policy import Mark, Watermarks

GB = 10**9


@pytest.mark.parametrize(
    ("marks", "free"),
    [
        (Watermarks(), 17 * GB),
        (Watermarks(high=Mark(free_bytes=5 * GB)), 7 * GB),
        (Watermarks(low=Mark(used_share=0.7)), 30 * GB),
        (Watermarks(low=Mark(free_bytes=40 * GB)), 40 * GB),
    ],
)
def test_where_a_clean_for_room_ends(marks: Watermarks, free: int) -> None:
    """Without a low watermark a little beyond the high one."""
    assert marks.end.least_free(100 * GB) == free


def test_a_share_of_an_unknown_disk_is_unknown() -> None:
    assert Watermarks().end.least_free(None) is None
    assert Watermarks(low=Mark(free_bytes=GB)).end.least_free(None) == GB


@pytest.mark.parametrize(
    ("disk", "reached"),
    [
        (Disk(100 * GB, 16 * GB), ""),
        (Disk(100 * GB, 14 * GB), "high"),
        (Disk(100 * GB, 4 * GB), "critical"),
        (Disk(100 * GB, 50 * GB, 1000, 50), "inodes"),
        (Disk(), ""),
    ],
)
def test_what_is_reached(disk: Disk, reached: str) -> None:
    assert Watermarks().reached(disk) == reached
