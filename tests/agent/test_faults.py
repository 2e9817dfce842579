"""Faults around a real agent: afterwards it is right again, without a restart."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import pytest

from holystone.store.folder import FILE
from tests.agent.running import QUIET, RunningAgent, engine_on_a_small_disk, small_disk
from tests.agent.test_level import CONFIG, MB, push
from tests.engines import Engine, Registry, start_registry
from tests.engines.images import ImageToLoad, busybox_layer, layer, load

NOW_GOES = """
[grace]
untagged = "0s"
never_tagged = "0s"
tagged = "0s"
other = "0s"

[containers]
created_for = "0s"
"""


def up(told: dict[str, Any] | None) -> bool:
    return bool(told and told["engine"]["state"] == "up")


def works(agent: RunningAgent, engine: Engine, unique: str) -> None:
    """It sees what happens, and cleans."""
    base = f"localhost/{unique}:works"
    load(engine, ImageToLoad([busybox_layer()], [base]))
    name = f"{unique}-{time.monotonic_ns()}"
    engine.docker("run", "--network", "none", "--name", name, base, "true")
    result = agent.run("routine")
    assert result["result"] == "ok", (result, agent.told)
    left = engine.docker("ps", "-a", "--format", "{{.Names}}").split()
    assert name not in left
    assert base in engine.docker("images", "--format", "{{.Repository}}:{{.Tag}}")


class Pipelines:
    """Jobs on an engine, one after another, until told to stop; they try again while it is away."""

    def __init__(self, engine: Engine, unique: str) -> None:
        self.engine, self.base = engine, f"localhost/{unique}:job"
        self.failures: list[str] = []
        self.done = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def _work(self) -> None:
        while not self._stopping.is_set():
            try:
                self.engine.docker("run", "--rm", "--network", "none", self.base, "true")
                self.done += 1
            except (subprocess.CalledProcessError, AssertionError) as error:
                told = f"{error} {getattr(error, 'stderr', '')}"
                if "No such image" in told or "Unable to find image" in told:
                    self.failures.append(told)
                self._stopping.wait(0.2)

    def __enter__(self) -> Self:
        load(self.engine, ImageToLoad([busybox_layer()], [self.base]))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join(60)
        assert not self.failures, "no job misses an image"


FAKED = """
import time

_real = time.time


def _faked():
    with open({file!r}) as file:
        return _real() + float(file.read() or 0)


time.time = _faked
"""
"""What Python imports at its start: a clock that is as many seconds ahead as a file says."""
Fault = Callable[[Engine, RunningAgent], None]


def killed(engine: Engine, agent: RunningAgent) -> None:
    """The engine dies without a word, and comes back."""
    engine.crash()


def restarted(engine: Engine, agent: RunningAgent) -> None:
    """The engine is restarted as an upgrade does."""
    engine.restart()


def stopped(engine: Engine, agent: RunningAgent) -> None:
    """The engine answers nothing until the agent has noticed it."""
    engine.signal(signal.SIGSTOP)
    try:
        agent.wait(lambda told: told and told["engine"]["state"] == "down", 120)
    finally:
        engine.signal(signal.SIGCONT)


@pytest.mark.engine("docker20", "docker28c")
@pytest.mark.parametrize("fault", [killed, restarted, stopped])
def test_an_engine_that_goes_away(
    own_engine: Callable[..., Engine], unique: str, tmp_path: Path, fault: Fault
) -> None:
    engine = own_engine()
    config = QUIET + NOW_GOES
    with RunningAgent(engine.host, tmp_path / "a", config, "--timeout", "3s") as agent:
        agent.ready()
        with Pipelines(engine, unique):
            works(agent, engine, unique)
            fault(engine, agent)
            agent.wait(up, 90)
            works(agent, engine, unique)
        assert agent.status() is not None


@pytest.mark.engine("docker20")
def test_what_was_used_while_the_agent_was_away_is_known(
    own_engine: Callable[..., Engine], unique: str, tmp_path: Path
) -> None:
    """Neither a restart of the agent nor one of the engine loses a use that could be seen."""
    engine = own_engine()
    names = [f"localhost/{unique}-{number}:1" for number in range(3)]
    load(engine, *(ImageToLoad([busybox_layer(), layer(n, 100)], [n]) for n in names))
    agent = RunningAgent(engine.host, tmp_path / "a", QUIET + NOW_GOES)

    def use(name: str) -> None:
        engine.docker("run", "--rm", "--network", "none", name, "true")

    def uses(name: str) -> int:
        with sqlite3.connect(tmp_path / "a" / FILE) as database:
            rows = database.execute("SELECT count FROM used WHERE id LIKE ?", (f"%{name}",))
            return sum(count or 0 for (count,) in rows)

    with agent:
        agent.ready()
        use(names[0])
        agent.run("observe")
        assert uses(names[0])
    use(names[1])
    with agent:
        agent.ready()
        agent.run("observe")
        assert uses(names[1]), "it was used while no agent ran"
        engine.restart()
        agent.wait(up, 90)
        use(names[2])
        agent.run("observe")
        assert uses(names[2]), "it was used after the engine came back"


@pytest.mark.engine("docker20")
def test_a_registry_that_is_gone_fails_the_refresh_alone(
    engine: Engine, unique: str, tmp_path: Path
) -> None:
    registry = start_registry()
    try:
        name = push(engine, registry, unique, 1000)
        engine.docker("pull", name)
        config = f'{QUIET}{NOW_GOES}\n[protect]\nimages = ["{name}"]\n'
        with RunningAgent(engine.host, tmp_path / "a", config) as agent:
            agent.ready()
            assert agent.run("refresh")["result"] == "ok"
            registry.stop()
            result = agent.run("refresh")
            assert result["result"] == "failed", result
            assert name in result["said"]
            works(agent, engine, unique)
    finally:
        registry.stop()
    engine.docker("rmi", name)


@pytest.mark.engine("docker20")
def test_a_disk_that_others_fill(
    engine_kind: str, registry: Registry, unique: str, tmp_path: Path
) -> None:
    with engine_on_a_small_disk(engine_kind, tmp_path / "disk", "400m") as engine:
        images = [push(engine, registry, f"{unique}-{number}") for number in range(3)]
        with RunningAgent(engine.host, tmp_path / "a", CONFIG) as agent:
            agent.ready()
            for image in images:
                engine.docker("pull", image)
            filler = engine.data.parent / "filler"
            with filler.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, 270 * MB)
            told = agent.wait(lambda told: told and told["short_bytes"])
            assert told["watermark"], "all it may remove is less than what the others wrote"
            filler.unlink()
            agent.wait(lambda told: told and not told["watermark"] and not told["short_bytes"])
            for image in images:
                engine.docker("pull", image)
            works(agent, engine, unique)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Somebody writes to the ledger, and does not end."""
    database = sqlite3.connect(folder / FILE, isolation_level=None)
    database.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        database.execute("ROLLBACK")
        database.close()


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Nobody can write to the files of the ledger."""
    files = [str(path) for path in folder.glob(f"{FILE}*")]
    subprocess.run(["chattr", "+i", *files], check=True)
    try:
        yield
    finally:
        subprocess.run(["chattr", "-i", *files], check=True)


@contextmanager
def full(folder: Path) -> Iterator[None]:
    """The disk of the state folder is full."""
    filler = folder.parent / "state" / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while file.write(b"x" * 65536):
                pass
        except OSError:
            pass
    try:
        yield
    finally:
        filler.unlink()


@pytest.mark.engine("docker20")
@pytest.mark.parametrize("fault", [locked, read_only, full])
def test_a_ledger_that_cannot_be_written(
    engine: Engine, unique: str, tmp_path: Path, fault: Callable[[Path], Any]
) -> None:
    """It goes on, says so, and remembers again once that is possible."""
    with small_disk(tmp_path / "state", "20m") as folder:
        folder.chmod(0o700)
        log = tmp_path / "agent.log"
        agent = RunningAgent(engine.host, folder, QUIET + NOW_GOES)
        agent.log = log
        with agent:
            agent.ready()
            works(agent, engine, unique)
            with fault(folder):
                result = agent.run("routine")
                assert result["result"] in ("ok", "failed"), result
                assert up(agent.status())
            works(agent, engine, unique)
            end = time.monotonic() + 120
            while not agent.run("routine")["run"]:
                # After a fault that took long the ledger is left alone for a while.
                assert time.monotonic() < end, agent.told
                time.sleep(1)


@pytest.mark.engine("docker20")
def test_an_agent_that_is_killed_at_any_moment(
    own_engine: Callable[..., Engine],
    registry: Registry,
    unique: str,
    tmp_path: Path,
    pytestconfig: pytest.Config,
) -> None:
    """The next one goes on: nothing is lost, and what was removed can be brought back."""
    engine = own_engine()
    chance = random.Random(4)
    kept = f"localhost/{unique}:kept"
    load(engine, ImageToLoad([busybox_layer()], [kept]))
    pushed = push(engine, registry, unique, MB)
    agent = RunningAgent(engine.host, tmp_path / "a", QUIET + NOW_GOES)
    with Pipelines(engine, unique):
        for _ in range(10 * int(pytestconfig.getoption("--stress-faults"))):
            engine.docker("pull", pushed)
            agent.start()
            if chance.random() < 0.7:
                agent.wait(up)
                ask_for(agent, chance.choice(["routine", "deep", "observe"]))
            time.sleep(chance.random() * 0.3)
            agent.kill()
    with agent:
        told = agent.ready()
        assert told["crashed"]
        works(agent, engine, unique)
        assert kept in engine.docker("images", "--format", "{{.Repository}}:{{.Tag}}")
    environment = {**os.environ, "HOLYSTONE_STATE": str(agent.folder), "HOME": str(agent.folder)}
    listed = subprocess.run(
        [sys.executable, "-m", "holystone", "history", "--json"],
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    runs = json.loads(listed.stdout)["runs"]
    assert runs
    assert all(run["state"] != "running" for run in runs)


def ask_for(agent: RunningAgent, job: str) -> None:
    """Ask for a job, and wait for nothing."""
    from holystone.operations.agent_client import ask

    ask(str(agent.socket), "POST", "/api/v1/jobs", {"job": job})


@pytest.mark.engine("docker20")
def test_a_clock_that_is_set_forward_and_back(engine: Engine, unique: str, tmp_path: Path) -> None:
    """What was due in the time that was jumped over runs once, and nothing runs twice."""
    clock = tmp_path / "clock"
    (tmp_path / "sitecustomize.py").write_text(FAKED.format(file=str(clock)))
    faked = {"PYTHONPATH": f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"}
    # At a quarter past the hour, so that nothing is due while the test runs.
    to_quarter = 900 - int(time.time()) % 3600
    clock.write_text(f"{to_quarter}")
    config = QUIET.replace('routine = "never"', 'routine = "0 * * * *"') + NOW_GOES
    config = config.replace("[schedule]", '[schedule]\njitter = "0s"')
    agent = RunningAgent(engine.host, tmp_path / "a", config, environment=faked)
    with agent:
        agent.ready()
        works(agent, engine, unique)

        def by_schedule() -> int:
            return sum(e["message"] == "begins" and e["by"] == "schedule" for e in agent.entries)

        agent.wait(lambda told: told and told["jobs"]["next_at"].get("routine"))
        assert by_schedule() == 0
        clock.write_text(f"{to_quarter + 10 * 3600}")
        agent.wait(lambda told: by_schedule() == 1)
        works(agent, engine, unique)
        clock.write_text(f"{to_quarter}")
        works(agent, engine, unique)
        agent.wait(lambda told: told and told["jobs"]["next_at"].get("routine"))
        works(agent, engine, unique)
        assert by_schedule() == 1
        assert up(agent.status())
