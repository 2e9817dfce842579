"""What a report computes from a host's past: pulls as recorded, and a prune after every job."""

from __future__ import annotations

import pytest

from holystone.replay.advice import LEAST_USES
from holystone.replay.past import PRUNED, Pulls, pulls_of, saved_by
from holystone.replay.result import waited_seconds
from holystone.replay.running import Job, run_job
from holystone.replay.trace import Trace, parse, written
from holystone.store.use_log import PastUse

HOUR = 3600.0
IMAGES = {"a": [("base", 100), ("a", 50)], "b": [("base", 100), ("b", 70)], "c": [("c", 500)]}


def trace_of(uses: int, apart: float = 2 * HOUR) -> Trace:
    told = [
        (1e9 + number * apart, f"app:{'abc'[number % 3]}", "abc"[number % 3])
        for number in range(uses)
    ]
    return parse((line.encode() for line in written(IMAGES, told)), "a test")


def test_pulls_are_counted() -> None:
    uses = [
        PastUse(1.0, "app:1", 1, pulled=True),
        PastUse(2.0, "app:1", 1, pulled=False),
        PastUse(3.0, "app:2", 2, pulled=False),
        PastUse(4.0, "app:1", 1, pulled=True),
        PastUse(5.0, "app:2", 2, pulled=True),
    ]
    assert pulls_of(uses) == Pulls(uses=5, pulled=3, again=2)
    assert pulls_of([]) == Pulls()


def test_a_prune_costs_what_it_pulls_more() -> None:
    trace = trace_of(LEAST_USES)
    saved = saved_by(trace, 10_000, 100)
    assert saved is not None
    pruned = run_job(trace, None, Job(PRUNED, 10_000))
    assert (saved.pulled_bytes, saved.stalls) == (720, 3)
    assert (saved.pruned_bytes, saved.pruned_stalls) == (pruned.pulled_bytes, LEAST_USES)
    assert saved.uses == LEAST_USES
    ours = run_job(trace, None, Job("ours", 10_000))
    assert saved.seconds == pytest.approx(waited_seconds(pruned, 100) - waited_seconds(ours, 100))


@pytest.mark.parametrize(("uses", "apart"), [(LEAST_USES - 1, 2 * HOUR), (LEAST_USES, HOUR)])
def test_a_short_past_tells_nothing(uses: int, apart: float) -> None:
    assert saved_by(trace_of(uses, apart), 10_000, 100) is None
