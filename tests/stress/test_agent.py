"""Ten workers make jobs while an agent works beside them without pause: no job may notice."""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from holystone.operations.agent_client import ask
from tests.agent.running import QUIET, RunningAgent
from tests.engines import Engine, Registry
from tests.stress.cleans import PROTECTIVE
from tests.stress.jobs import Worker, push_bases
from tests.stress.test_beside_jobs import AGE, LONGEST, WORKERS, told
from tests.stress.witness import Witness

JOBS = ("routine", "weekly", "deep", "observe")
ALMOST_FULL = """
[disk]
high = "0.01%"
critical = "99.9%"
"""
"""The disk is always above its mark, so that the agent always wants to evict."""


@pytest.mark.engine("docker20", "docker28c")
def test_no_job_notices_the_agent(
    fresh_engine: Engine,
    registry: Registry,
    unique: str,
    tmp_path: Path,
    stress_seconds: float,
    figures_told: list[str],
) -> None:
    engine = fresh_engine
    bases = push_bases(engine, registry, unique, often=6, seldom=60, never=40)
    workers = [Worker(engine, registry, unique, bases, number) for number in range(WORKERS)]
    needed = (f'"{registry.address}/{unique}-{use}*"' for use in ("often", "seldom", "app-"))
    config = PROTECTIVE.replace("{protected}", ", ".join(needed)) + ALMOST_FULL + QUIET
    # Beside ten workers on a few cores the engine may take long for a list of all images.
    agent = RunningAgent(engine.host, tmp_path / "agent", config, "--timeout", "60s")
    witness = Witness(engine, tmp_path / "events.jsonl")
    with witness, agent, ThreadPoolExecutor(WORKERS) as pool:
        agent.ready()
        begin = time.monotonic()
        for each in [pool.submit(w.work, lambda: time.monotonic() > begin) for w in workers]:
            each.result()
        time.sleep(AGE)
        end = time.monotonic() + stress_seconds
        turns = 0

        def over() -> bool:
            """Time is up, and each job of the agent had its turn."""
            now = time.monotonic()
            return now > end + LONGEST or (now > end and turns > len(JOBS))

        running = [pool.submit(worker.work, over) for worker in workers]
        while not all(each.done() for each in running):
            ask(str(agent.socket), "POST", "/api/v1/jobs", {"job": JOBS[turns % len(JOBS)]})
            agent.wait(lambda told: told and not told["jobs"]["waiting"], 600)
            turns += 1
        for each in running:
            each.result()
        told_at_end = agent.status()
        entries = agent.entries
    removed_ids = removed_by(agent.folder)
    failed = [failure for worker in workers for failure in worker.failures]
    failures = [failure for failure in failed if not failure.engines_own(removed_ids)]
    ended = [entry for entry in entries if entry["message"] == "ended"]
    results = Counter(f"{entry['job']} {entry['result']}" for entry in ended)
    removed = sum(entry["removed"] for entry in ended)
    figures_told.append(
        f"{engine.kind}: the agent beside {WORKERS} workers for {stress_seconds:.0f} s, "
        f"{sum(worker.jobs for worker in workers)} jobs; {told(results)}; removed {removed}; "
        f"failures: {len(failures)}; {len(failed) - len(failures)} builds that the engine failed "
        "over images that other jobs removed"
    )
    assert not failures, "\n\n".join(
        f"{failure}\n{witness.account(failure.needed, failure.began - 1, failure.ended + 1)}"
        for failure in failures
    )
    assert told_at_end is not None
    assert removed > 0
    assert removed_ids
    assert {"routine", "weekly", "deep"} <= {entry["job"] for entry in ended}
    assert not [(e["job"], e["why"]) for e in ended if e["result"] == "failed"]
    assert not [e for e in entries if e["level"] == "error" and "alert" not in e["message"]]


def removed_by(state: Path) -> set[str]:
    """The IDs of all images that runs of this ledger tried to remove."""
    with closing(sqlite3.connect(state / "holystone.db")) as database:
        return {image_id for (image_id,) in database.execute("SELECT id FROM removal")}
