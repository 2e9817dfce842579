"""The bytes that history keeps of a run: of an estimate what the disk gained, within its bounds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from holystone.operations.execute import Outcome
from holystone.operations.rounds import freed_for_certain
from holystone.planner.bounds import Slack
from holystone.planner.inventory import Disk
from tests.present import host

BEFORE = Disk(1000, 500)


@pytest.mark.parametrize(
    ("freed", "after", "kept"),
    [
        (100, 562, 62),
        (100, 500, 40),
        (100, 900, 130),
        (100, None, 40),
        (70, 900, 100),
        (70, 480, 10),
        (30, None, 0),
    ],
)
def test_an_estimate_is_kept_as_the_disk_tells(freed: int, after: int | None, kept: int) -> None:
    made = replace(host.plan(), disk=BEFORE, estimated=True)
    outcome = Outcome({}, {}, freed, 1.0, slack=Slack(estimated=True, below=60, above=30))
    assert freed_for_certain(made, outcome, Disk(1000, after)) == kept


def test_an_exact_figure_is_kept() -> None:
    made = replace(host.plan(), disk=BEFORE, estimated=False)
    assert freed_for_certain(made, Outcome({}, {}, 70, 1.0), Disk(1000, 900)) == 70
