"""From the state of the agent to a receiver: one alert a change, and no secret anywhere."""

import io
import logging
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from holystone.agent import alert_file
from holystone.agent.alarm import Alarm
from holystone.agent.alert_test import send_test
from holystone.agent.state import DOWN, FAILED, OK, UP, JobResult, Now
from holystone.config.agent_settings import Alerts as Settings
from holystone.planner.inventory import Disk
from tests.agent.receiver import Receiver, until

START = 1_800_000_000.0
WELL = Now(START, "unix:///e", engine=UP, disk=Disk(100_000_000_000, 4_000_000_000))
HIGH = replace(WELL, mark="high")


pytestmark = pytest.mark.usefixtures("no_proxy")


class Clock:
    """A ticker under a clock of the test."""

    def __init__(self, make: Callable[[], Alarm]) -> None:
        self.make = make
        self.alarm = make()
        self.at = START

    def sees(self, now: Now, seconds: int) -> None:
        for _ in range(seconds):
            self.alarm.tick(now, self.at)
            self.at += 1

    def restart(self) -> None:
        self.alarm.close(10)
        self.alarm = self.make()


@pytest.fixture
def clock(receiver: Receiver, tmp_path: Path) -> Iterator[Clock]:
    made = Clock(
        lambda: Alarm(Settings(webhook=receiver.url), "h", "unix:///e", str(tmp_path / "state"))
    )
    yield made
    made.alarm.close(10)


def told(receiver: Receiver) -> list[list[str]]:
    return [
        [f"{alert['kind']} {alert['state']}" for alert in request.told["alerts"]]
        for request in receiver.requests
    ]


def test_a_receiver_gets_exactly_one_alert_for_each_change(
    clock: Clock, receiver: Receiver
) -> None:
    clock.sees(WELL, 100)
    clock.sees(HIGH, 600)
    clock.sees(replace(HIGH, mark="critical"), 600)
    clock.sees(WELL, 600)
    gone = replace(WELL, engine=DOWN, engine_said="connection refused")
    clock.sees(gone, 20)
    clock.sees(WELL, 60)
    clock.sees(gone, 600)
    clock.sees(WELL, 600)
    failed = JobResult("weekly", START, START, FAILED, "no space left")
    clock.sees(replace(WELL, last={"weekly": failed}), 600)
    clock.sees(replace(WELL, last={"weekly": replace(failed, result=OK)}), 600)
    assert clock.alarm.close(10)
    assert told(receiver) == [
        ["disk_high firing"],
        ["disk_critical firing"],
        ["disk_critical resolved", "disk_high resolved"],
        ["engine_gone firing"],
        ["engine_gone resolved"],
        ["run_failed firing"],
        ["run_failed resolved"],
    ]


def test_a_restart_sends_nothing_again_and_what_ends_meanwhile_is_told(
    clock: Clock, receiver: Receiver
) -> None:
    clock.sees(HIGH, 60)
    for _ in range(5):
        clock.restart()
        clock.sees(replace(WELL, disk=Disk()), 5)
        clock.sees(HIGH, 60)
    assert [alert.key.kind for alert in clock.alarm.firing] == ["disk_high"]
    clock.restart()
    clock.sees(WELL, 100)
    assert clock.alarm.close(10)
    assert told(receiver) == [["disk_high firing"], ["disk_high resolved"]]


def test_nothing_is_sent_before_the_first_turn(clock: Clock, receiver: Receiver) -> None:
    # Another agent may have the state folder, which is found out only after this was made.
    receiver.answer = lambda _: 500
    clock.sees(HIGH, 20)
    receiver.wait(1)
    clock.alarm.close(10)
    kept = clock.alarm.waiting
    assert kept == 1
    receiver.answer = lambda _: 200
    clock.alarm = clock.make()
    assert clock.alarm.waiting == 1
    assert not clock.alarm.close(1)
    clock.alarm = clock.make()
    clock.sees(HIGH, 1)
    until(lambda: clock.alarm.waiting == 0)


def test_the_agent_does_not_load_apprise() -> None:
    program = "import sys, holystone.agent.alarm; sys.exit('apprise' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_another_configuration_counts(clock: Clock, receiver: Receiver) -> None:
    clock.alarm.use(Settings(webhook=receiver.url, group=0))
    clock.sees(HIGH, 1)
    receiver.wait(1)
    until(lambda: clock.alarm.waiting == 0)


def test_alerts_are_in_the_log_without_any_receiver(tmp_path: Path, log: io.StringIO) -> None:
    clock = Clock(lambda: Alarm(Settings(), "h", "unix:///e", str(tmp_path / "state")))
    clock.sees(HIGH, 20)
    clock.sees(replace(HIGH, mark="critical"), 20)
    clock.sees(WELL, 100)
    clock.alarm.close(1)
    entries = [line.partition("Z ")[2] for line in log.getvalue().splitlines()]
    assert [entry.split(":")[0] for entry in entries] == [
        "warning alert",
        "error alert",
        "info resolved",
        "info resolved",
    ]
    assert "kind=disk_critical state=firing" in entries[1]


def settings(tmp_path: Path, port: int) -> Settings:
    secret, urls = tmp_path / "secret", tmp_path / "urls"
    secret.write_text("HUSH-signature")
    urls.write_text(f"json://HUSHuser:HUSHpw@127.0.0.1:{port}/HUSHpath?+X-Auth=HUSHhead\n")
    secret.chmod(0o600)
    urls.chmod(0o600)
    return Settings(
        webhook=f"http://HUSHuser:HUSHpw@127.0.0.1:{port}/HUSHpath?HUSH=query",
        secret_file=str(secret),
        urls_file=str(urls),
        group=0,
    )


@pytest.mark.parametrize("status", [200, 302, 500, 0])
def test_no_secret_is_in_a_log_an_answer_or_the_file(
    tmp_path: Path,
    receiver: Receiver,
    log: io.StringIO,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    status: int,
) -> None:
    caplog.set_level(logging.DEBUG)
    receiver.answer = lambda _: status
    receiver.headers = {"Location": "http://127.0.0.1:1/HUSHplace", "X-Told": "HUSH"}
    port = receiver.port if status else 1
    alarm = Alarm(settings(tmp_path, port), "h", "unix:///e", str(tmp_path / "state"))
    alarm.tick(HIGH, START)
    if status == 200:
        until(lambda: alarm.waiting == 0)
    else:
        until(lambda: log.getvalue().count("an alert was not delivered") >= 2)
    tried = send_test(settings(tmp_path, port), "h")
    alarm.close(10)
    assert [each.ok for each in tried] == [status == 200] * 2
    assert [each.target for each in tried] == [
        f"http://127.0.0.1:{port}/...",
        "json://... (line 1)",
    ]
    kept = (tmp_path / "state" / alert_file.NAME).read_text()
    out, err = capfd.readouterr()
    everything = "\n".join([log.getvalue(), repr(tried), kept, out, err, caplog.text])
    assert not re.findall(".{0,80}HUSH.{0,80}", everything)


def test_a_test_reaches_everybody(tmp_path: Path, receiver: Receiver) -> None:
    tried: list[Any] = send_test(settings(tmp_path, receiver.port), "runner-7")
    assert [tuple(each) for each in tried] == [
        (f"http://127.0.0.1:{receiver.port}/...", True, ""),
        ("json://... (line 1)", True, ""),
    ]
    first, second = (each.told for each in receiver.requests)
    assert first["alerts"][0]["kind"] == "test"
    assert first["text"].startswith("[test] This is a test: alerts of holystone arrive here (test)")
    assert "X-Holystone-Signature" in receiver.requests[0].headers
    assert second["title"].startswith("[test] runner-7: ")
    assert second["type"] == "info"


def test_a_test_with_nobody_to_tell_or_a_file_that_is_not_private(tmp_path: Path) -> None:
    assert send_test(Settings(), "h") == []
    urls = tmp_path / "urls"
    urls.write_text("mailto://HUSH@example.com")
    urls.chmod(0o644)
    ((target, ok, said),) = send_test(Settings(urls_file=str(urls)), "h")
    assert (target, ok) == ("Apprise", False)
    assert said == (
        f"cannot use {urls} (alerts.urls_file): everybody on this machine can read it (mode 644). "
        f"Mend it with 'chmod o-rwx,g-w {urls}'"
    )


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "there is no address in it"),
        (b"# only words\n\n", "there is no address in it"),
        (b"mailto://a@b\nHUSH\n", "line 2 is no address of Apprise"),
        (b"\xff\xfe", "it is not UTF-8"),
        (b"\n".join(b"json://h/%d" % n for n in range(101)), "there are more than 100 addresses"),
        (b"x" * 1_000_001, "it is larger than 1 MB"),
    ],
)
def test_a_file_of_addresses_that_is_none(tmp_path: Path, content: bytes, why: str) -> None:
    urls = tmp_path / "urls"
    urls.write_bytes(content)
    urls.chmod(0o600)
    ((_, ok, said),) = send_test(Settings(urls_file=str(urls)), "h")
    assert not ok
    assert why in said
    assert "HUSH" not in said
