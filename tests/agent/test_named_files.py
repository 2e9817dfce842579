"""Files with secrets are checked before alerts need them: at the start and at each SIGHUP."""

from __future__ import annotations

import io
import json
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from holystone.agent import webhook
from holystone.agent.private_file import NotPrivate
from holystone.agent.start_checks import check
from holystone.agent.web.listening import ListenSettingsError
from holystone.config.agent_settings import AgentSettings, Alerts, Service
from tests.agent.running import QUIET, RunningAgent
from tests.cli.command import Command

CONTENT = {"secret_file": "a long secret\n", "urls_file": "json://hooks.example.com/HUSH\n"}


@pytest.fixture(autouse=True)
def no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(webhook.SECRET, raising=False)


def missing(file: Path) -> None:
    file.unlink()


def too_open(file: Path) -> None:
    file.chmod(0o644)


def empty(file: Path) -> None:
    file.write_text("")


def folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


FAULTS = [
    (missing, "no such file or directory. Write it, or correct "),
    (too_open, "everybody on this machine can read it (mode 644). Mend it with 'chmod o-rwx,g-w "),
    (folder, "it is a directory, not a regular file. Correct "),
]


def made(tmp_path: Path, key: str) -> Path:
    file = tmp_path / key
    file.write_text(CONTENT[key])
    file.chmod(0o600)
    return file


@pytest.mark.parametrize("key", CONTENT)
@pytest.mark.parametrize(("fault", "said"), FAULTS)
def test_a_file_with_a_secret_that_cannot_be_used_ends_the_start(
    tmp_path: Path, key: str, fault: Callable[[Path], None], said: str
) -> None:
    file = made(tmp_path, key)
    config = tmp_path / "holystone.toml"
    config.write_text(f'[alerts]\n{key} = "{file}"\n')
    fault(file)
    # The command ends by itself: it would serve, and not end, if the check were left out.
    done = Command(tmp_path)("agent", "--host", "demo:", "--config", str(config))
    error = done.failed(64)
    assert f"cannot use {file} (alerts.{key}): {said}" in error
    assert "HUSH" not in error


@pytest.mark.parametrize("key", CONTENT)
def test_an_empty_file_is_refused(tmp_path: Path, key: str) -> None:
    file = made(tmp_path, key)
    alerts = Alerts(secret_file=str(file)) if key == "secret_file" else Alerts(urls_file=str(file))
    settings = AgentSettings(Service(socket=str(tmp_path / "s")), alerts=alerts)
    check(settings)
    empty(file)
    with pytest.raises(NotPrivate, match=rf"alerts\.{key}"):
        check(settings)


def test_on_sighup_the_configuration_before_is_kept(tmp_path: Path) -> None:
    file = made(tmp_path, "secret_file")
    wanted = f'[alerts]\nsecret_file = "{file}"\n' + QUIET.replace(
        'weekly = "never"', 'weekly = "0 4 * * *"'
    )
    too_open(file)
    with RunningAgent("demo:", tmp_path / "a") as agent:
        agent.ready()
        assert agent.process is not None
        agent.config.write_text(wanted)
        agent.process.send_signal(signal.SIGHUP)
        told = agent.wait(lambda told: told and told["problems"]["configuration"])
        assert f"cannot use {file} (alerts.secret_file)" in told["problems"]["configuration"]
        assert not told["jobs"]["next_at"].get("weekly")
        file.chmod(0o600)
        agent.process.send_signal(signal.SIGHUP)
        told = agent.wait(lambda told: told and told["jobs"]["next_at"].get("weekly"))
        assert told["problems"]["configuration"] is None


def test_a_certificate_that_nothing_uses_is_named(log: io.StringIO) -> None:
    service = Service(tls_cert="/etc/a.crt", tls_key="/etc/a.key", socket="/tmp/x.sock")
    check(AgentSettings(service._replace(tls_cert="", tls_key="")))
    assert log.getvalue() == ""
    check(AgentSettings(service))
    (line,) = log.getvalue().splitlines()
    assert " warning " in line
    assert json.dumps(["agent.tls_cert", "agent.tls_key"]) in line
    assert "set agent.listen" in line
    with pytest.raises(ListenSettingsError, match=r"cannot use agent.tls_cert /etc/a.crt"):
        check(AgentSettings(service._replace(listen="127.0.0.1:0")))
