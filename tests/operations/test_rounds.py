"""Whether a clean with a target plans once more."""

from __future__ import annotations

import pytest

from holystone.engine.host import REMOVED, SKIPPED, Removal
from holystone.operations.execute import Outcome
from holystone.operations.rounds import MOST, MOST_IN_VAIN, Round, another
from holystone.planner.inventory import Disk, Engine, Inventory
from holystone.planner.verdict import Plan

GB = 10**9
ENGINE = Engine("", "", "", "", "")


def a_round(result: str, *, target: int | None = 2 * GB, planned: int = GB) -> Round:
    """One image was to go; afterwards 1 GB is free."""
    disk = Disk(10 * GB, GB)
    plan = Plan(
        level="routine",
        taken_at=0.0,
        engine=ENGINE,
        disk=disk,
        verdicts=(),
        steps=(),
        freed_bytes=planned,
        estimated=False,
        at_least=planned,
        at_most=planned,
        target_free=target,
    )
    outcome = Outcome(
        results={("image", "a"): Removal(result)},
        freed={},
        freed_bytes=0,
        seconds=0.0,
        interrupted="",
    )
    inventory = Inventory(
        engine=ENGINE,
        taken_at=0.0,
        images=(),
        containers=(),
        cache=(),
        volumes=(),
        networks=(),
        disk=disk,
    )
    return Round(plan, inventory, outcome, disk)


def test_where_jobs_take_what_was_to_go_it_plans_something_else() -> None:
    """Those rounds are not those in which the disk gained too little."""
    in_vain = [a_round(SKIPPED)] * (MOST_IN_VAIN - 1)
    for rounds in ([a_round(REMOVED)] * (MOST - 1), in_vain, [a_round(REMOVED), *in_vain]):
        assert another(rounds, whole=True), len(rounds)
    for rounds in ([a_round(REMOVED)] * MOST, [*in_vain, a_round(SKIPPED)]):
        assert not another(rounds, whole=True), len(rounds)


@pytest.mark.parametrize(
    "last",
    [
        a_round(REMOVED, target=None),
        a_round(REMOVED, target=GB),
        a_round(REMOVED, planned=0),
        a_round("failed"),
    ],
    ids=["no target", "reached", "all that may go went", "nothing went"],
)
def test_what_ends_a_clean(last: Round) -> None:
    assert not another([last], whole=True)
