"""What holds the used bytes of a disk, and what is left after a removal without an answer."""

from __future__ import annotations

import pytest

from holystone.planner.inventory import Disk
from holystone.planner.totals import Account, Beside, Log, Orphan, account
from holystone.planner.verdict import Left, lost

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
