"""The unit under a real systemd, beside a real engine: as a user installs and runs it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest

from holystone.agent.service.unit import NAME
from tests.agent.running import QUIET
from tests.agent.systemd_machine import DOCKER, Machine

pytestmark = [
    pytest.mark.skipif(
        os.geteuid() != 0 and os.environ.get("CI") != "true", reason="a machine takes root"
    ),
    pytest.mark.xdist_group("systemd"),
]
CONFIG = "/etc/holystone.toml"
RUNTIME = ("/run/holystone", "/run/holystone/agent.sock")


@pytest.fixture(scope="module")
def booted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine with a running engine, and the agent's unit made by ``agent install``."""
    with Machine(tmp_path_factory.mktemp("machine")) as machine:
        machine.write("/etc/systemd/system/docker.service", DOCKER)
        machine.write(CONFIG, QUIET)
        installed = machine.holystone("agent", "install", "--config", CONFIG)
        assert installed.returncode == 0, installed.stderr
        assert "systemctl daemon-reload && systemctl enable --now" in installed.stdout
        for words in (["daemon-reload"], ["start", "docker"], ["enable", NAME]):
            done = machine("systemctl", *words)
            assert done.returncode == 0, done.stderr
        yield machine


@pytest.fixture
def machine(booted: Machine) -> Iterator[Machine]:
    """The agent runs, with a configuration that is right."""
    booted.write(CONFIG, QUIET)
    booted("systemctl", "reset-failed")
    started = booted("systemctl", "restart", "docker", NAME)
    assert started.returncode == 0, started.stderr
    booted.wait(lambda: status(booted).get("engine", {}).get("state") == "up")
    yield booted
    booted("systemctl", "stop", NAME)


def status(machine: Machine) -> dict[str, Any]:
    """What the agent tells of itself; empty where it does not answer."""
    done = machine.holystone("agent", "status", "--json")
    told: dict[str, Any] = json.loads(done.stdout) if done.returncode == 0 else {}
    return told


def main_process(machine: Machine) -> str:
    (pid,) = machine.tells(NAME, "MainPID")
    return pid


def test_it_runs_and_sees_the_disk_with_the_rights_of_the_unit(machine: Machine) -> None:
    machine.wait(lambda: status(machine)["disk"]["total_bytes"])
    rights = machine("stat", "-c", "%A %n", "/var/lib/holystone", *RUNTIME)
    assert rights.stdout.split() == [
        *("drwx------", "/var/lib/holystone"),
        *("drwxr-xr-x", RUNTIME[0]),
        *("srw-rw----", RUNTIME[1]),
    ]
    ran = machine.holystone("agent", "run", "routine")
    assert ran.returncode == 0, ran.stderr


def test_a_kill_is_mended_and_told(machine: Machine) -> None:
    before = main_process(machine)
    machine("kill", "-KILL", before)
    machine.wait(lambda: main_process(machine) not in ("0", before))
    machine.wait(lambda: "agent_restarted" in json.dumps(status(machine).get("alerts", "")))
    assert machine.tells(NAME, "ActiveState", "NRestarts") == ["active", "1"]


def test_an_agent_that_hangs_is_started_again_by_the_watchdog(machine: Machine) -> None:
    machine.write(f"/run/systemd/system/{NAME}.d/short.conf", "[Service]\nWatchdogSec=3\n")
    machine("systemctl", "daemon-reload")
    machine("systemctl", "restart", NAME)
    before = main_process(machine)
    machine("kill", "-STOP", before)
    machine.wait(lambda: main_process(machine) not in ("0", before))
    machine.wait(lambda: status(machine))
    machine("rm", f"/run/systemd/system/{NAME}.d/short.conf")
    machine("systemctl", "daemon-reload")


def test_a_reload_takes_what_is_right_and_keeps_the_old_for_what_is_wrong(
    machine: Machine,
) -> None:
    def refused() -> str:
        return str(status(machine)["problems"]["configuration"] or "")

    before = main_process(machine)
    machine.write(CONFIG, "[disk]\nhigh = 'half'\n")
    assert machine("systemctl", "reload", NAME).returncode == 0
    machine.wait(lambda: "disk.high" in refused())
    machine.write(CONFIG, QUIET)
    assert machine("systemctl", "reload", NAME).returncode == 0
    machine.wait(lambda: not refused())
    assert main_process(machine) == before


def test_what_another_start_does_not_mend_is_not_started_again(machine: Machine) -> None:
    machine("systemctl", "stop", NAME)
    machine.write(CONFIG, "[disk]\nhigh = 'half'\n")
    assert machine("systemctl", "start", NAME).returncode != 0
    told = machine.tells(NAME, "ActiveState", "SubState", "Result", "NRestarts")
    assert told == ["failed", "failed", "exit-code", "0"]


def test_it_waits_for_the_engine_and_outlives_its_restart(machine: Machine) -> None:
    before = main_process(machine)
    machine("systemctl", "stop", "docker")
    machine.wait(lambda: status(machine)["engine"]["state"] == "down")
    machine("systemctl", "start", "docker")
    machine.wait(lambda: status(machine)["engine"]["state"] == "up")
    assert main_process(machine) == before


def test_it_stops_at_once_and_in_order(machine: Machine) -> None:
    assert machine("systemctl", "stop", NAME).returncode == 0
    told = machine.tells(NAME, "ActiveState", "Result", "ExecMainCode", "ExecMainStatus")
    assert told == ["inactive", "success", "1", "0"]
    assert machine("ls", "/run/holystone").returncode != 0
