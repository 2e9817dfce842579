"""An agent that ends says so to clients that wait for an answer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from holystone.agent.host_watch import HostWatch
from holystone.agent.jobs import Jobs
from holystone.agent.options import AgentOptions
from holystone.agent.owner import Owner
from holystone.agent.state import OK, JobResult, State
from holystone.agent.worker import Worker
from holystone.operations.errors import AgentEnds

PATIENCE = 30.0
DONE = JobResult("restore", 1.0, 2.0, OK)


@pytest.fixture
def worker(tmp_path: Path) -> Worker:
    """The worker of an agent for the demo host, before it begins."""
    options = AgentOptions(host="demo:", state=str(tmp_path), environ={})
    state = State("demo:")
    return Worker(HostWatch(options, state, lambda _: None), state, Owner(options))


def waits(worker: Worker) -> bool:
    return bool(worker.orders.restores)


def until(held: Callable[[], bool]) -> None:
    moment = threading.Event()
    for _ in range(int(PATIENCE * 1000)):
        if held():
            return
        moment.wait(0.001)
    raise AssertionError("it did not come to that")


def test_a_restore_that_waits_is_told_when_the_worker_ends(worker: Worker) -> None:
    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(worker.orders.restore, 1, (), "writer")
        until(lambda: waits(worker))
        # It ends before it comes to it.
        worker.stop()
        worker.start()
        with pytest.raises(AgentEnds, match=r"the agent ends\. Ask the next one"):
            asked.result(PATIENCE)
    worker.join(PATIENCE)


def test_one_under_way_is_told_too_and_does_no_harm(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go = threading.Event(), threading.Event()

    def slow(*_: Any) -> JobResult:
        begun.set()
        assert go.wait(PATIENCE)
        return DONE

    monkeypatch.setattr(Jobs, "restore", slow)
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(worker.orders.restore, 1, (), "writer")
        worker.start()
        assert begun.wait(PATIENCE)
        second = threads.submit(worker.orders.restore, 2, (), "writer")
        until(lambda: worker.orders.restores == 2)
        worker.stop()
        worker.orders.give_up()
        for each in (first, second):
            with pytest.raises(AgentEnds):
                each.result(PATIENCE)
        go.set()
    worker.join(PATIENCE)
    assert not worker.is_alive()


def test_a_restore_that_ends_is_answered(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Jobs, "restore", lambda *_: DONE)
    worker.start()
    assert worker.orders.restore(1, (), "writer") == DONE
    worker.stop()
    worker.join(PATIENCE)
    assert not worker.is_alive()


def test_nothing_is_taken_on_by_one_that_ends(worker: Worker) -> None:
    worker.stop()
    with pytest.raises(AgentEnds):
        worker.orders.restore(None, (), "writer")
    with pytest.raises(AgentEnds):
        worker.orders.ask("routine", "writer")
