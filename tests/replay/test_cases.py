"""Every golden case: each order pulls, stalls and holds what is written there."""

from __future__ import annotations

from pathlib import Path

import pytest

from holystone.replay.bound import Bound
from holystone.replay.orders import ORDERS
from holystone.replay.result import Replayed
from holystone.replay.running import Job, run_job
from tests.replay.cases import FOLDER, read_case

CASES = sorted(FOLDER.glob("*.toml"))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_case(path: Path) -> None:
    case = read_case(path)
    uses = len(case.trace.use_times)
    assert case.expected
    for order, (pulled, stalls, peak) in case.expected.items():
        result = run_job(case.trace, None, Job(order, case.budget))
        assert result == Replayed(order, case.budget, pulled, stalls, uses, peak), case.title
    assert Bound(case.trace).pulled_bytes(case.budget) == case.bound


def test_every_order_has_a_case() -> None:
    expected = {order for path in CASES for order in read_case(path).expected}
    assert expected == set(ORDERS)
