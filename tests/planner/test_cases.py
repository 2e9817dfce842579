"""Every golden case: the plan has the verdicts, bytes and order written there."""

from __future__ import annotations

from pathlib import Path

import pytest

from holystone.demo.memory_host import SimulatedHost
from holystone.engine.host import REMOVED
from holystone.planner.plan import plan
from tests.planner.cases import FOLDER, NOW, details_of, in_bytes, read_case, verdicts_of

CASES = sorted(FOLDER.glob("*.toml"))


def test_there_are_cases() -> None:
    assert len(CASES) >= 25


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_case(path: Path) -> None:
    case = read_case(path)
    made = plan(case.inventory, case.usage, case.policy, NOW)
    wanted = {name: in_bytes(verdict) for name, verdict in case.verdicts.items()}
    assert verdicts_of(made) == wanted, case.title
    assert made.freed_bytes == case.freed
    assert made.estimated == (case.bounds is not None)
    assert (made.at_least, made.at_most) == (case.bounds or (case.freed, case.freed))
    assert details_of(made) == case.details


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_case_can_be_carried_out(path: Path) -> None:
    case = read_case(path)
    host = SimulatedHost(case.inventory, case.usage)
    before = host.stored_bytes
    made = plan(case.inventory, case.usage, case.policy, NOW)
    refused = [step for step in made.steps if host.remove(step).result != REMOVED]
    assert refused == []
    if case.bounds is None:
        assert before - host.stored_bytes == case.freed
