"""An agent that is killed at any moment: no alert is lost, and none is told as two."""

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from holystone.agent import webhook
from tests.agent.receiver import receiving

KILLS = 12
# Its configuration is refused, and right again, over and over.
PROGRAM = """
import sys, time
from dataclasses import replace
from holystone.agent.alarm import Alarm
from holystone.agent.state import Now, UP
from holystone.config.agent_settings import Alerts

url, folder, turns = sys.argv[1:]
alarm = Alarm(Alerts(webhook=url, group=0, remind=0), "h", "unix:///e", folder)
well = Now(time.time(), "unix:///e", engine=UP)
turn = 0
print("began", flush=True)
while turn < int(turns):
    time.sleep(0.01)
    turn += alarm.waiting < 5  # more than a hundred would not be kept
    alarm.tick(replace(well, config_said="x" * (turn % 2)), time.time())
alarm.tick(well, time.time())
sys.exit(not alarm.close(30))
"""


def test_each_change_is_told_once_though_the_agent_is_killed_over_and_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.delenv(webhook.SECRET, raising=False)
    chance = random.Random(7)
    with receiving() as receiver:
        command = [sys.executable, "-c", PROGRAM, receiver.url, str(tmp_path / "state")]
        for _ in range(KILLS):
            with subprocess.Popen([*command, "1000000"], stdout=subprocess.PIPE) as agent:
                try:
                    assert agent.stdout is not None
                    assert agent.stdout.readline()
                    receiver.wait(len(receiver.requests) + chance.randrange(1, 6))
                finally:
                    agent.kill()
            assert agent.returncode == -signal.SIGKILL
        subprocess.run([*command, "0"], check=True, stdout=subprocess.DEVNULL, timeout=60)
        told = [(each.told["id"], each.told["alerts"]) for each in receiver.requests]
    # One that was received in the moment of the kill comes again, under the same number.
    assert len(told) - len({number for number, _ in told}) <= KILLS
    changes = list(dict(told).values())
    assert all(len(alerts) == 1 for alerts in changes)
    states = [alerts[0]["state"] for alerts in changes]
    assert states == ["firing", "resolved"] * (len(states) // 2)
    assert len(states) >= KILLS
