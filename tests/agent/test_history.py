"""What an agent knows of jobs that ended before it began, and of runs that were killed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from holystone.agent.alert import Alert, Key, Kind, Severity
from holystone.agent.history import results, with_alerts
from holystone.agent.state import FAILED, MISSED, OK, STOPPED, JobResult
from holystone.operations.connect import connect
from holystone.operations.survey import survey
from holystone.planner.policy import Policy
from holystone.store.store import Store
from tests.agent.running import QUIET, RunningAgent
from tests.agent.test_faults import NOW_GOES, ask_for
from tests.engines import Engine
from tests.engines.images import ImageToLoad, busybox_layer, layer, load

FREE = 100


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path), pytest.fail)


def test_the_last_run_of_each_job_counts(store: Store) -> None:
    with connect("demo:", environ={}) as session:
        found = survey(session, Policy())
    key = found.inventory.engine.key
    plan = replace(found.plan, steps=(), target_free=FREE)
    ends: list[tuple[str, dict[str, Any], int]] = [
        ("routine", {"failed": 1}, FREE), ("routine", {}, FREE), ("level", {}, FREE - 1),
        ("weekly", {"failed": 2}, FREE), ("deep", {"interrupted": "it ends"}, FREE),
    ]  # fmt: skip
    numbers = {}
    for job, told, free in ends:
        run = store.runs.begin(
            plan, found.inventory, endpoint="e", job="agent, disk", options=("agent", job)
        )
        assert run is not None
        counts = {"freed_bytes": 7, "removed": 2, "skipped": 0, "failed": 0, **told}
        run.end(freed={}, disk_free_after=free, **counts)
        numbers[job] = run.id
    # A clean of the command line, and one that is under way.
    other = store.runs.begin(plan, found.inventory, endpoint="e", options=("--yes", "routine"))
    assert other is not None
    known = results(store, key, {"verify": 1000.0, "routine": 2000.0})
    assert {job: each.result for job, each in known.items()} == {
        "verify": OK, "routine": OK, "level": MISSED, "weekly": FAILED, "deep": STOPPED,
    }  # fmt: skip
    assert {job: each.run for job, each in known.items() if each.run} == numbers
    assert known["weekly"].said == "2 could not be removed; see the history"
    assert known["deep"].said == "it ends"
    assert (known["level"].by, known["level"].freed_bytes) == ("disk", 7)
    assert results(store, "another/engine", {}) == {}


def test_failures_of_jobs_without_runs_are_known_by_their_alerts() -> None:
    known = {"verify": JobResult("verify", 10.0, 10.0, OK)}
    key = Key(Kind.IMAGE_CORRUPTED)
    alert = Alert(key, Severity.CRITICAL, "Damaged images were found: x", since=20.0)
    gone = Alert(Key(Kind.ENGINE_GONE), Severity.CRITICAL, "The engine does not answer", since=20.0)
    assert with_alerts(known, [gone]) == known
    told = with_alerts(known, [alert])["verify"]
    assert (told.result, told.ended, told.said) == (FAILED, 20.0, alert.summary)
    later = {"verify": JobResult("verify", 30.0, 30.0, OK)}
    assert with_alerts(later, [alert]) == later


@pytest.mark.engine("docker20")
def test_a_run_that_was_killed_is_settled_and_told(
    own_engine: Callable[..., Engine], unique: str, tmp_path: Path
) -> None:
    engine = own_engine()
    base = f"localhost/{unique}:base"
    load(engine, ImageToLoad([busybox_layer(), layer(unique, 1000)], [base]))
    for number in range(30):
        engine.docker("create", "--name", f"{unique}-{number}", base, "true")
    agent = RunningAgent(engine.host, tmp_path / "a", QUIET + NOW_GOES)
    agent.start().ready()
    ask_for(agent, "deep")
    # It is killed between the first removal and the last.
    while len(engine.docker("ps", "-aq").split()) in (0, 30):
        assert agent.process is not None
        assert agent.process.poll() is None
        time.sleep(0.001)
    agent.kill()
    with agent:
        told = agent.ready()["jobs"]["last"]
        (settled,) = [e for e in agent.entries if e["message"] == "settled a run that was killed"]
        assert settled["clean"] == "deep"
        told = agent.wait(lambda told: told and "deep" in told["jobs"]["last"])["jobs"]["last"]
        assert (told["deep"]["result"], told["deep"]["said"]) == ("stopped", "it was killed")
        assert told["deep"]["run"] == settled["run"]
        assert told["deep"]["removed"] == settled["removed"] > 0
