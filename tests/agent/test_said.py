"""What people are told whose settings cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.agent.receiver import receiving
from tests.cli.command import Command


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("61 * * * *", "its first field (minute) takes 0 to 59"),
        ("0 24 * * *", "its second field (hour) takes 0 to 23"),
        ("0 0 31 2 *", "its third field (day of month) takes 1 to 31"),
        ("0 0 * 13 *", "its fourth field (month) takes 1 to 12"),
        ("0 0 * * 9", "its fifth field (day of week) takes 0 to 7"),
    ],
)
def test_a_cron_expression(tmp_path: Path, written: str, said: str) -> None:
    config = tmp_path / "holystone.toml"
    config.write_text(f'[schedule]\nweekly = "{written}"\n')
    told = Command(tmp_path)("agent", "status", "--config", config)
    assert f"2: schedule.weekly: '{written}' is no cron expression: {said}" in told.err


def test_alerts_that_nobody_hears(tmp_path: Path) -> None:
    holystone = Command(tmp_path)
    config = tmp_path / "own.toml"
    config.write_text("[agent]\n")
    named = holystone("agent", "test-alert", "--host", "demo:", "--config", config).failed(1)
    assert f"Looked for [alerts] in {config} (has none)" in named
    found = holystone("agent", "test-alert", "--host", "demo:").failed(1)
    assert "holystone.toml (is not there)" in found
    assert "--config FILE" in found


def test_a_test_alert_says_how_it_went(tmp_path: Path) -> None:
    holystone, config = Command(tmp_path), tmp_path / "own.toml"
    test = ("agent", "test-alert", "--host", "demo:", "--config", config)
    with receiving() as receiver:
        config.write_text(f'[alerts]\nwebhook = "{receiver.url}"\n')
        assert holystone(*test).out.endswith(": sent\n")
        (told,) = holystone(*test, "--json").json["receivers"]
        assert (told["sent"], told["said"]) == (True, None)
        receiver.wait(2)
    done = holystone(*test, "--json")
    (told,) = done.json["receivers"]
    assert (done.code, told["sent"]) == (1, False)
    assert "refused" in told["said"]
