"""Addresses of Apprise that reach nobody are told before there is an alert."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from holystone.agent.receivers import Receivers
from holystone.agent.state import State
from tests.agent.running import QUIET, RunningAgent

PATIENCE = 60.0


def urls(tmp_path: Path, *lines: str) -> str:
    file = tmp_path / "apprise.urls"
    file.write_text("".join(f"{line}\n" for line in lines))
    file.chmod(0o600)
    return str(file)


def test_addresses_that_apprise_does_not_know_are_named(tmp_path: Path, log: io.StringIO) -> None:
    state = State("demo:")
    receivers = Receivers(state)
    file = urls(tmp_path, "json://127.0.0.1:1/HUSH", "slak://HUSH", "# no", "", "mailto://x")
    receivers.check(file).join(PATIENCE)
    said = state.now.receivers_said
    assert said == (
        "slak://... (line 2), mailto://... (line 5): Apprise does not know such an address"
    )
    assert "HUSH" not in log.getvalue()
    assert log.getvalue().count("some receivers of alerts cannot be used") == 1
    receivers.check("").join(PATIENCE)
    assert state.now.receivers_said == ""


def test_without_apprise_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "python"
    code = "import sys; sys.modules['apprise'] = None; sys.argv.pop(0)"
    run = "from holystone.agent.apprise_child import main; main()"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{code}; {run}"\n')
    program.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(program))
    state = State("demo:")
    Receivers(state).check(urls(tmp_path, "json://h/", "json://g/")).join(PATIENCE)
    wanted = "json://... (line 1), json://... (line 2): Apprise is not installed. Install "
    assert state.now.receivers_said.startswith(wanted)


def test_at_the_start_and_at_a_reload(tmp_path: Path) -> None:
    file = urls(tmp_path, "slak://HUSH")
    config = f'{QUIET}\n[alerts]\nurls_file = "{file}"\n'
    with RunningAgent("demo:", tmp_path / "a", config) as agent:
        told = agent.wait(lambda told: told and told["problems"]["receivers"])
        assert told["problems"]["receivers"].startswith("slak://... (line 1): Apprise does not")
        shown = subprocess.run(
            [sys.executable, "-m", "holystone", "agent", "status", "--socket", str(agent.socket)],
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        assert "Receivers of alerts: slak://... (line 1): Apprise does not know" in shown
        urls(tmp_path, "json://127.0.0.1:1/")
        assert agent.process is not None
        agent.process.send_signal(signal.SIGHUP)
        agent.wait(lambda told: told and not told["problems"]["receivers"])
