"""An engine that takes connections and says nothing: every command ends, says so, and how to wait.

No test here looks at a clock: a command that waited for long would run into the limit of the test.
"""

from __future__ import annotations

import os
import signal
import socket
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import Command
from tests.cli.faulty import EMPTY
from tests.engine_client.misbehaving import HANG, Behaviour, InTurn, answers, misbehaving, silent
from tests.engines import Engine

SHORT = ("--timeout", "0.3s")
LONGER = ("--timeout", "1.5s")
"""For engines that do answer, on a machine that may be busy."""
COMMANDS = (
    "advise",
    "audit",
    "cache",
    "clean",
    "containers",
    "explain python:3.12",
    "images",
    "lease python:* --for 1h",
    "observe",
    "plan",
    "refresh python:3.12",
    "report -",
    "restore",
    "rm python:3.12",
    "status",
    "verify",
    "verify --repair",
    "volumes",
)
"""Every command that asks an engine; ``test_no_command_is_missing`` sees to that."""
PING: Behaviour = [
    b"HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nServer: Docker/20.10.24\r\nContent-Length: 0\r\n\r\n"
]
HEAD: Behaviour = [b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", HANG]
IMAGE = {"Id": "sha256:" + "1" * 64, "RepoTags": ["python:3.12"], "Size": 5, "Created": 9}
UNTAGGED = {**IMAGE, "Id": "sha256:" + "2" * 64, "RepoTags": None}
HANGS: dict[str, Mapping[str, Behaviour | InTurn]] = {
    "at the ping": {"GET /_ping": silent()},
    "in the head of the ping": {"GET /_ping": [b"HTTP/1.1 200 OK\r\n", HANG]},
    "at the version": {"GET /version": silent()},
    "after the ping": {"GET /_ping": PING, **dict.fromkeys(EMPTY, silent())},
    "in its body": {"GET /_ping": PING, **EMPTY, "GET /info": HEAD},
    "at a list": {"GET /_ping": PING, **EMPTY, "GET /images/json": silent()},
    "at another list": {"GET /_ping": PING, **EMPTY, "GET /containers/json": HEAD},
}


def assert_told(said: str, host: str) -> None:
    """The message names the engine, and the option that gives it more time."""
    assert host in said
    assert "--timeout" in said


@pytest.fixture
def listening() -> Iterator[str]:
    """A socket that takes connections and never looks at them."""
    with tempfile.TemporaryDirectory(prefix="hung-") as folder:
        path = os.path.join(folder, "engine.sock")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(path)
            listener.listen(64)
            yield f"unix://{path}"


@pytest.mark.parametrize("command", COMMANDS)
def test_never_an_answer(holystone: Command, listening: str, command: str) -> None:
    said = holystone(*command.split(), "-H", listening, *SHORT).failed(10)
    assert_told(said, listening)


@pytest.mark.parametrize("where", HANGS)
@pytest.mark.parametrize("command", ["clean --json", "verify --repair"])
def test_a_hang_half_way(holystone: Command, command: str, where: str) -> None:
    with misbehaving(HANGS[where]) as host:
        said = holystone(*command.split(), "-H", host, *SHORT).failed(10)
    assert_told(said, host)


def test_no_command_is_missing(holystone: Command) -> None:
    """Every command that has the option is tried above."""
    listed = holystone("--help").out.partition("commands:\n")[2].partition("\n\n")[0]
    names = [line.split()[0] for line in listed.splitlines()]
    asks = {name for name in names if "--timeout" in holystone(name, "--help").out}
    # A configuration is checked without an engine too, see below, a lease asks none, and an agent
    # goes on: see tests/agent.
    tried = {command.split()[0] for command in COMMANDS}
    assert asks == tried | {"config", "lease", "agent"}


def test_a_configuration_is_checked_without_an_answer(
    holystone: Command, listening: str, tmp_path: Path
) -> None:
    path = tmp_path / "holystone.toml"
    path.write_text('[protect]\nimages = ["python"]\n')
    done = holystone("config", "check", "--config", path, "-H", listening, *SHORT)
    assert (done.code, done.err) == (0, "")
    assert_told(" ".join(done.out.split()), listening)


def test_a_silent_event_stream_is_no_hang(holystone: Command) -> None:
    """Nothing happens on that host: its stream has a head, and no event ever."""
    with misbehaving({"GET /_ping": PING, **EMPTY}) as host:
        done = holystone("clean", "-H", host, *LONGER)
    assert (done.code, done.err) == (0, "")


def test_an_event_stream_that_does_not_begin(holystone: Command) -> None:
    with misbehaving({"GET /_ping": PING, **EMPTY, "GET /events": silent()}) as host:
        assert_told(holystone("clean", "-H", host, *SHORT).failed(10), host)


def test_an_engine_at_work_is_waited_for(holystone: Command) -> None:
    """A disk usage that takes longer than the time-out, while a ping is answered, counts."""
    mount = {"ID": "abc", "Type": "exec.cachemount", "Size": 7_000, "InUse": False}
    usage: Any = [2.5, *answers({"BuildCache": [mount], "Volumes": []})]
    script = {"GET /_ping": PING, **EMPTY, "GET /system/df": usage}
    with misbehaving(script) as host:
        done = holystone("status", "--json", "-H", host, *LONGER)
    assert (done.code, done.err) == (0, "")
    assert done.json["kinds"]["cache"]["count"] == 1


def test_an_engine_that_hangs_at_work_is_not(holystone: Command) -> None:
    """The ping that is asked in the meantime gets no answer."""
    pings = InTurn((PING, silent()))
    script = {"GET /_ping": pings, **EMPTY, "GET /system/df": silent()}
    with misbehaving(script) as host:
        said = holystone("status", "-H", host, *SHORT).failed(10)
    assert_told(said, host)


def test_many_images_may_take_their_time(holystone: Command) -> None:
    """A store that weighs each image is given time for each that ``/info`` counts."""
    info = {"ID": "x", "Name": "x", "Driver": "overlay2", "Images": 100}
    listed: Any = [2.5, *answers([IMAGE, UNTAGGED])]
    script = {
        "GET /_ping": PING, **EMPTY, "GET /info": answers(info), "GET /images/json": listed,
    }  # fmt: skip
    with misbehaving(script) as host:
        done = holystone("images", "--json", "-H", host, *LONGER)
        lists = [each for each in host.requests if "/images/json" in each]
    assert (done.code, done.err) == (0, "")
    assert len(lists) == 1


@pytest.mark.engine("docker20")
def test_an_engine_that_was_stopped(fresh_engine: Engine, holystone: Command) -> None:
    """The kernel goes on taking connections for it."""
    fresh_engine.signal(signal.SIGSTOP)
    try:
        said = holystone("plan", "-H", fresh_engine.host, *SHORT).failed(10)
    finally:
        fresh_engine.signal(signal.SIGCONT)
    assert_told(said, fresh_engine.host)
    assert holystone("plan", "-H", fresh_engine.host).code == 0
