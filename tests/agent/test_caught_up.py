"""An agent that was off while a job was due does it once when it is back."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from holystone.store.folder import FILE
from tests.agent.running import FULL, QUIET, RunningAgent

DAILY = QUIET.replace('weekly = "never"', 'weekly = "0 4 * * *"\njitter = "0"')
DAYS = 3 * 86400.0


def rows(agent: RunningAgent) -> dict[str, tuple[float, float]]:
    """What is remembered of each job: its due time, and when it began."""
    with closing(sqlite3.connect(agent.folder / FILE)) as ledger:
        told = ledger.execute("SELECT job, due, began FROM scheduled").fetchall()
    return {job: (due, began) for job, due, began in told}


def known(agent: RunningAgent) -> dict[str, Any]:
    """Its status once it has its schedule."""
    return agent.wait(lambda told: told and told["jobs"]["next_at"].get("weekly"))


def test_a_run_missed_while_the_agent_was_off(tmp_path: Path) -> None:
    agent = RunningAgent("demo:", tmp_path / "a", DAILY + FULL)
    with agent:
        assert known(agent)["jobs"]["last"] == {}
    assert set(rows(agent)) == {"weekly"}
    with closing(sqlite3.connect(agent.folder / FILE)) as ledger, ledger:
        ledger.execute("UPDATE scheduled SET due = due - ?, began = began - ?", (DAYS, DAYS))
    with agent:
        told = agent.wait(lambda told: told and "weekly" in told["jobs"]["last"])
        assert told["jobs"]["last"]["weekly"]["by"] == "schedule"
    after = rows(agent)
    due, began = after["weekly"]
    assert began - 86400 - 3600 < due <= began
    # It is not due again.
    with agent:
        known(agent)
    assert rows(agent) == after


def test_a_job_that_is_taken_off_the_schedule_is_forgotten(tmp_path: Path) -> None:
    agent = RunningAgent("demo:", tmp_path / "a", DAILY + FULL)
    with agent:
        known(agent)
    agent.config.write_text(
        DAILY.replace('routine = "never"', 'routine = "0 5 * * *"').replace(
            'weekly = "0 4 * * *"', 'weekly = "never"'
        )
        + FULL
    )
    with agent:
        agent.wait(lambda told: told and told["jobs"]["next_at"].get("routine"))
    assert set(rows(agent)) == {"routine"}
