"""Work side by side: all of it, in order, ended by Ctrl-C at whatever moment that comes."""

from __future__ import annotations

import threading
import time

import pytest

from holystone.operations.workers import INTERRUPTED, side_by_side
from tests.interrupting import interrupt_asleep


def nothing() -> None:
    pass


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
