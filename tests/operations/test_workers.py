"""Work side by side: in order, to the end, and stopped at any moment without losing count."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import pytest

from holystone.engine.errors import ProtocolError
from holystone.engine.host import GONE, Removal
from holystone.operations.workers import INTERRUPTED, NOT_WAITED, Crew, Job, side_by_side
from holystone.planner.verdict import Step
from tests.interrupting import interrupt_asleep

REMOVED = Removal("removed")
NOT_TRIED = Removal("not_tried", f"not tried: {INTERRUPTED}")


def nothing() -> None:
    pass


def step(name: str, *after: str) -> Step:
    return Step("image", name, (name,), 1, after)


def crew_for(
    steps: list[Step],
    carry_out: Callable[[Step], Removal] = lambda _: REMOVED,
    report: Callable[[Step, Removal], None] = lambda _, __: None,
    workers: int = 4,
) -> Crew:
    """A crew that has done its work."""
    crew = Crew(report)
    crew.work([[each] for each in steps], lambda job: [carry_out(job[0])], workers)
    return crew


@pytest.mark.parametrize("parallel", [1, 2, 7])
def test_all_is_done(parallel: int) -> None:
    done: list[int] = []
    assert side_by_side(20, done.append, parallel=parallel, cancel=nothing) == ""
    assert sorted(done) == list(range(20))
    assert side_by_side(0, done.append, parallel=parallel, cancel=nothing) == ""


def test_an_error_is_raised_once_the_others_have_ended() -> None:
    ended = []

    def work(place: int) -> None:
        if place == 0:
            raise ValueError("no")
        time.sleep(0.2)
        ended.append(place)

    with pytest.raises(ValueError, match="no"):
        side_by_side(9, work, parallel=2, cancel=nothing)
    assert len(ended) <= 1


def test_ctrl_c_before_every_thread_was_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is under way is cancelled and waited for, and it does not wait for the others."""
    cancelled = threading.Event()
    begun = threading.Event()
    ended: list[int] = []

    def work(place: int) -> None:
        begun.set()
        assert cancelled.wait(10)
        ended.append(place)

    class Thread(threading.Thread):
        made = 0

        def start(self) -> None:
            Thread.made += 1
            if Thread.made == 2:
                assert begun.wait(10)
                raise KeyboardInterrupt
            super().start()

    monkeypatch.setattr(threading, "Thread", Thread)
    assert side_by_side(5, work, parallel=3, cancel=cancelled.set) == INTERRUPTED
    assert ended == [0]


@pytest.mark.timeout(20)
def test_ctrl_c_just_before_the_wait_begins() -> None:
    """It does not end the wait, for its signal has come already; it must still be noticed."""
    cancelled = threading.Event()

    def work(place: int) -> None:
        interrupt_asleep("_wait")
        assert cancelled.wait(10)

    assert side_by_side(2, work, parallel=1, cancel=cancelled.set) == INTERRUPTED
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
    assert crew.results["image", "b"] == NOT_TRIED


@pytest.mark.timeout(20)
def test_a_second_ctrl_c_waits_for_nothing_any_more() -> None:
    """Nor does the crew begin what comes after, or wait for the engine that hangs."""
    answers = threading.Event()

    def hung(_: Job) -> list[Removal]:
        interrupt_asleep("_wait")
        while not crew.stopped:
            time.sleep(0.01)
        interrupt_asleep("_wait")
        answers.wait(100)
        return [REMOVED]

    crew = Crew(lambda _, __: None)
    crew.work([[step("a")], [step("b")]], hung, 1)
    assert crew.abandoned
    crew.work([[step("c")]], hung, 1)
    unknown = Removal("unknown", NOT_WAITED)
    assert [crew.results["image", each] for each in "abc"] == [unknown, NOT_TRIED, NOT_TRIED]
    answers.set()


def test_a_second_ctrl_c_while_the_rest_is_told_as_not_tried() -> None:
    """The rest is told all the same: else the run would be recorded as killed."""
    told: list[str] = []

    def report(step: Step, removal: Removal) -> None:
        told.append(step.id)
        if told == ["a", "b"]:
            raise KeyboardInterrupt

    crew = Crew(report, cancelled=lambda: True)
    crew.work([[step("a")], [step("b")], [step("c")]], lambda _: [REMOVED], 1)
    assert crew.results == {("image", each): NOT_TRIED for each in "abc"}
    assert (crew.abandoned, told) == (True, ["a", "b", "b", "c"])


@pytest.mark.timeout(20)
def test_a_program_that_leaves_does_not_wait_for_an_engine_that_hangs() -> None:
    """After a second Ctrl-C, caught by a program that uses the Python API."""
    program = (
        "import threading, time\n"
        "stopped = threading.Event()\n"
        "from holystone.operations.workers import side_by_side\n"
        "from tests.interrupting import interrupt_asleep\n"
        "def hang(place):\n"
        "    interrupt_asleep('_wait')\n"
        "    stopped.wait()\n"
        "    interrupt_asleep('_wait')\n"
        "    time.sleep(100)\n"
        "try:\n"
        "    side_by_side(1, hang, parallel=1, cancel=stopped.set)\n"
        "except KeyboardInterrupt:\n"
        "    print('left')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, timeout=15
    )
    assert (done.returncode, done.stdout) == (0, b"left\n")


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
        Removal("not_tried", f"not tried: {GONE}")
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
def test_ctrl_c_waits_for_what_is_under_way(turn: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every step that was begun is told as it ended, and no worker works on afterwards."""
    begun, ended = [], []
    both = threading.Barrier(2)
    stopped = threading.Event()
    stop = Crew._stop

    def stops(crew: Crew, why: str) -> None:
        stop(crew, why)
        stopped.set()

    monkeypatch.setattr(Crew, "_stop", stops)

    def carry_out(each: Step) -> Removal:
        begun.append(each.id)
        if int(each.id) in (4, 5):
            both.wait(5)
            if each.id == "5":
                os.kill(os.getpid(), signal.SIGINT)
            assert stopped.wait(30)
            time.sleep(turn / 1000)
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
