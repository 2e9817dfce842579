"""A disk that fills on a real engine, and what a receiver of alerts hears of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.agent.receiver import receiving
from tests.agent.running import RunningAgent, engine_on_a_small_disk
from tests.agent.test_level import CONFIG, MB


@pytest.mark.engine("docker20")
def test_one_alert_for_each_change(engine_kind: str, tmp_path: Path) -> None:
    with (
        engine_on_a_small_disk(engine_kind, tmp_path / "disk", "200m") as engine,
        receiving() as receiver,
    ):
        alerts = f'\n[alerts]\nwebhook = "{receiver.url}"\ngroup = "1s"\n'
        with RunningAgent(engine.host, tmp_path / "agent", CONFIG + alerts) as agent:
            agent.ready()
            filler = engine.data.parent / "filler"
            with filler.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, 140 * MB)
            agent.wait(lambda told: told and len(told["alerts"]) == 2)
            filler.unlink()
            agent.wait(lambda told: told and not told["alerts"], 120)
            receiver.wait(2)
    told = [(each["kind"], each["state"]) for r in receiver.requests for each in r.told["alerts"]]
    assert sorted(told) == [
        ("disk_high", "firing"), ("disk_high", "resolved"),
        ("target_not_reached", "firing"), ("target_not_reached", "resolved"),
    ]  # fmt: skip
