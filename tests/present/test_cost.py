"""What a run that has nothing to do must not pay for."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from types import FrameType

from holystone.planner.plan import plan as make_plan
from holystone.planner.usage import Usage
from holystone.present import document
from holystone.present.report import clean, plan
from holystone.present.terminal import Look
from tests.present import host


def test_a_big_host_that_stays_is_told_with_few_calls() -> None:
    node = host.images()[2]._replace(layers=None)
    seen = host.quiet()._replace(
        images=tuple(
            node._replace(id=host.digest(str(i)), tags=(f"team/app:{i}",)) for i in range(1000)
        )
    )
    made = make_plan(seen, Usage(), host.POLICY, host.NOW)
    outcome = host.outcome(made)
    assert calls(lambda: plan.render(seen, made, Look())) < 2 * len(made.verdicts)
    rendered = calls(lambda: clean.render(made, outcome, Look(), disk_after=made.disk))
    assert rendered < 10 * len(made.verdicts)


def test_a_big_document_is_written_with_few_calls() -> None:
    made = host.plan()
    many = replace(made, verdicts=made.verdicts * 200)
    written = calls(lambda: document.dump(document.plan(many)))
    assert written < 20 * len(many.verdicts)


def calls(work: Callable[[], object]) -> int:
    """How many functions of Python are called by this: a cost that no busy machine changes."""
    count = 0

    def called(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal count
        count += event == "call"

    before = sys.getprofile()
    sys.setprofile(called)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count
