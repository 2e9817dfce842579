"""Workers side by side: in order, to the end, and stopped without losing count."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable

import pytest

from holystone.engine.errors import ProtocolError
from holystone.engine.host import GONE, Removal
from holystone.operations.workers import INTERRUPTED, Crew, Job
from holystone.planner.verdict import Step
from tests.interrupting import interrupt_asleep

REMOVED = Removal("removed")


def step(name: str, *after: str) -> Step:
    return Step("image", name, (name,), 1, after)


def crew_for(
    steps: list[Step],
    carry_out: Callable[[Step], Removal] = lambda _: REMOVED,
    report: Callable[[Step, Removal], None] = lambda _, __: None,
    workers: int = 4,
) -> Crew:
    """A crew that has done its work."""

    def one(job: Job) -> list[Removal]:
        return [carry_out(job[0])]

    crew = Crew(report)
    crew.work([[each] for each in steps], one, workers)
    return crew


def test_a_step_waits_for_those_before_it() -> None:
    """Children before parents, however many workers there are, even where a child failed."""
    ended: list[str] = []
    steps = [step(f"{n}", *(f"{m}" for m in range(n) if m % 3 == n % 3)) for n in range(30)]

    def carry_out(each: Step) -> Removal:
        assert set(each.after) <= set(ended)
        time.sleep(0.001)
        ended.append(each.id)
        return Removal("failed" if int(each.id) % 5 == 0 else "removed")

    crew = crew_for(steps, carry_out, workers=8)
    assert len(crew.results) == len(ended) == 30


@pytest.mark.parametrize(
    "steps",
    [
        [step("a", "a")],
        [step("a", "b"), step("b", "a")],
        [step("a", "nobody")],
        [step("a", "b"), step("b")],
        [],
    ],
)
@pytest.mark.timeout(10)
def test_no_order_is_waited_for_for_ever(steps: list[Step]) -> None:
    """A circle, itself, or what is not there: an engine may tell of any parents."""
    assert set(crew_for(steps).results) == {("image", each.id) for each in steps}


def test_an_engine_that_goes_away_stops_all() -> None:
    """The step that found out failed with the reason; those not begun were not tried."""
    calls: list[str] = []

    def carry_out(each: Step) -> Removal:
        calls.append(each.id)
        if each.id == "3":
            raise ProtocolError("it broke")
        return REMOVED

    reported: list[str] = []
    steps = [step(str(n)) for n in range(10)]
    crew = crew_for(steps, carry_out, lambda each, _: reported.append(each.id), workers=1)
    assert calls == ["0", "1", "2", "3"]
    assert crew.stopped == GONE
    assert crew.results["image", "2"] == REMOVED
    assert crew.results["image", "3"] == Removal("failed", f"{GONE}: it broke")
    assert {crew.results["image", str(n)] for n in range(4, 10)} == {
        Removal("failed", f"not tried: {GONE}")
    }
    assert reported == [each.id for each in steps]


@pytest.mark.parametrize("where", ["step", "report", "last report"])
def test_a_bug_is_raised_where_the_work_was_asked_for(where: str) -> None:
    """Not lost in a thread, and nothing hangs."""
    last = "9" if where == "last report" else "3"

    def carry_out(each: Step) -> Removal:
        if where == "step" and each.id == last:
            raise ZeroDivisionError
        return REMOVED

    def report(each: Step, _: Removal) -> None:
        if where != "step" and each.id == last:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        crew_for([step(str(n)) for n in range(10)], carry_out, report)


@pytest.mark.parametrize("turn", range(10))
def test_ctrl_c_waits_for_what_is_under_way(turn: int) -> None:
    """Every step that was begun is told as it ended, and no worker works on afterwards."""
    begun, ended = [], []
    both = threading.Barrier(2)

    def carry_out(each: Step) -> Removal:
        begun.append(each.id)
        if int(each.id) in (4, 5):
            both.wait(5)
            if each.id == "5":
                os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.05 + turn / 1000)
        ended.append(each.id)
        return REMOVED

    steps = [step(str(n)) for n in range(100)]
    crew = crew_for(steps, carry_out, workers=2)
    assert crew.stopped == INTERRUPTED
    done = [i for (_, i), removal in crew.results.items() if removal == REMOVED]
    assert sorted(done) == sorted(begun) == sorted(ended)
    assert 6 <= len(done) < 100
    assert len(crew.results) == 100
    time.sleep(0.02)
    assert len(begun) == len(done)


@pytest.mark.timeout(20)
def test_ctrl_c_just_before_the_wait_begins() -> None:
    """It does not end the wait, for its signal has come already; it must still be noticed."""
    stopped = threading.Event()

    class Watched(Crew):
        def _stop(self, why: str) -> None:
            super()._stop(why)
            stopped.set()

    def one(_: Job) -> list[Removal]:
        interrupt_asleep("_wait")
        assert stopped.wait(10)
        return [REMOVED]

    crew = Watched(lambda _, __: None)
    crew.work([[step("a")], [step("b")]], one, 1)
    assert crew.stopped == INTERRUPTED
    assert crew.results["image", "b"] == Removal("failed", f"not tried: {INTERRUPTED}")
