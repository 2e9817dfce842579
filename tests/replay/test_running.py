"""Replays side by side give what they give one by one, and leave no process behind."""

from __future__ import annotations

import multiprocessing

import pytest

from holystone.replay import running
from holystone.replay.budgets import between, flattening, rounds, sweep, usual
from holystone.replay.orders import ORDERS
from holystone.replay.result import Replayed, facts_of
from holystone.replay.running import Job, ReplayFailed, Replays, run_job
from tests.replay.recorded import recorded

JOBS = [Job(order, budget) for order in ORDERS for budget in (10**9, 15 * 10**8, 2 * 10**9)]


def test_processes_give_the_same() -> None:
    trace = recorded("small")
    expected = [run_job(trace, None, job) for job in JOBS]
    for workers in (1, 3):
        with Replays(trace, workers) as replays:
            assert replays.run(JOBS) == expected
            once = sum(len(trace.use_times) for job in {running._really(job) for job in JOBS})
            assert replays.uses_done() == once
            # What is known is not replayed again.
            assert replays.run(list(reversed(JOBS))) == expected[::-1]
            assert replays.uses_done() == once
            assert replays.curve("lru") == [
                (job.budget_bytes, result.pulled_bytes)
                for job, result in zip(JOBS, expected, strict=True)
                if job.order == "lru"
            ]
    assert multiprocessing.active_children() == []


def test_an_error_ends_the_workers() -> None:
    replays = Replays(recorded("small"), 2)
    replays.__enter__()
    assert len(multiprocessing.active_children()) == 2
    replays.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert multiprocessing.active_children() == []


def test_a_worker_that_is_killed() -> None:
    with Replays(recorded("small"), 2) as replays:
        for process in multiprocessing.active_children():
            # The pool may have ended it already, once another one is dead.
            process.kill()
            process.join()
        with pytest.raises(ReplayFailed, match=r"was killed.*try --parallel 1"):
            replays.run(JOBS)
    assert multiprocessing.active_children() == []


def test_budgets_that_are_worth_a_replay() -> None:
    facts = facts_of(recorded("small"))
    assert facts.largest_image_bytes == 1_131_821_961
    assert facts.working_set_bytes == 1_954_121_451
    assert usual(facts) == [1_200_000_000, 2_000_000_000]
    swept = sweep(facts)
    assert len(swept) == 10
    assert swept[0] == 1_200_000_000
    assert swept[-1] == 3_000_000_000
    assert between(10, 1000, 3) == [10, 100, 1000]


def test_budgets_of_next_to_nothing() -> None:
    facts = facts_of(recorded("small"))._replace(
        layers_bytes=0, largest_image_bytes=0, working_set_bytes=0
    )
    assert usual(facts) == [1]
    assert sweep(facts)[0] == 1
    assert sweep(facts)[-1] > 1


def test_where_curves_flatten() -> None:
    trace = recorded("small")
    facts = facts_of(trace)
    orders = ["lru", "oracle", "prune-all"]
    with Replays(trace, 1) as replays:
        found = flattening(facts, orders, replays.run)
        done = replays.uses_done()
    assert set(found) == {"lru", "oracle"}
    assert done <= rounds(facts, orders) * facts.uses
    for order, budget in found.items():
        assert budget is not None
        enough = facts.layers_bytes * 1.1
        assert run_job(trace, None, Job(order, budget)).pulled_bytes <= enough
        assert run_job(trace, None, Job(order, int(budget / 1.06))).pulled_bytes > enough


def test_a_curve_that_never_flattens() -> None:
    facts = facts_of(recorded("small"))

    def run(jobs: list[Job]) -> list[Replayed]:
        return [Replayed(job.order, job.budget_bytes, 10**15, 1, facts.uses, 1) for job in jobs]

    assert flattening(facts, ["lru"], run) == {"lru": None}  # type: ignore[arg-type]
