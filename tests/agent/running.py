"""A real agent as a process of its own, and an engine on a small disk of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from holystone.operations.agent_client import NoAgent, ask
from tests.engines import Engine, start_engine

QUIET = """
[schedule]
routine = "never"
weekly = "never"

[agent]
check_disk = "1s"
"""
"""No job begins by the clock."""
FULL = """
[disk]
high = "99.8%"
critical = "99.9%"
"""
"""The demo host's disk is above its mark by default: then cleans for space come between."""


class RunningAgent:
    """``holystone agent`` for one host; a context manager."""

    def __init__(
        self,
        host: str,
        folder: Path,
        config: str = QUIET,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        folder.mkdir(exist_ok=True)
        self.host = host
        self.folder = folder
        self.config = folder / "holystone.toml"
        self.config.write_text(config)
        self.log = folder / "agent.log"
        self.socket = folder / "agent.sock"
        self.arguments = arguments
        self.environment = environment or {}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Start it, and wait until it answers."""
        command = [
            *(sys.executable, "-m", "holystone", "agent", "--host", self.host),
            *("--config", str(self.config), "--log", "json", *self.arguments),
        ]
        own = {"HOLYSTONE_STATE": str(self.folder), "HOME": str(self.folder)}
        environment = {**os.environ, **own, **self.environment}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        self.wait(lambda told: told is not None)
        return self

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> int:
        """End it as systemd does; its exit code."""
        process, self.process = self.process, None
        if process is None:
            return 0
        process.send_signal(signal.SIGTERM)
        try:
            return process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"the agent did not end within 15 s: {self.told}") from None

    def kill(self) -> None:
        """End it without a word."""
        process, self.process = self.process, None
        assert process is not None
        process.kill()
        process.wait()

    @property
    def told(self) -> str:
        """The end of its log."""
        return self.log.read_text()[-3000:]

    @property
    def entries(self) -> list[dict[str, Any]]:
        """Its log."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def status(self) -> dict[str, Any] | None:
        """What it tells of itself; None where it does not answer."""
        try:
            told: dict[str, Any] = ask(str(self.socket), "GET", "/api/v1/status")
        except NoAgent:
            return None
        return told

    def wait(
        self, until: Callable[[dict[str, Any] | None], object], limit: float = 60.0
    ) -> dict[str, Any]:
        """The status once this holds of it."""
        end = time.monotonic() + limit
        while True:
            told = self.status()
            if until(told):
                return told or {}
            assert self.process is None or self.process.poll() is None, self.told
            assert time.monotonic() < end, f"{told}\n{self.told}"
            time.sleep(0.05)

    def ready(self) -> dict[str, Any]:
        """The status once the host was looked at."""
        return self.wait(lambda told: told and told["engine"]["state"] == "up")

    def run(self, job: str) -> dict[str, Any]:
        """Ask for a job, and wait for its end; how it ended."""
        before = (self.status() or {})["jobs"]["last"].get(job)
        ask(str(self.socket), "POST", "/api/v1/jobs", {"job": job})
        told = self.wait(lambda told: told and told["jobs"]["last"].get(job) != before)
        result: dict[str, Any] = told["jobs"]["last"][job]
        return result


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A folder on a file system of its own; ``size`` may have more options of tmpfs behind it."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    subprocess.run(mount, check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def engine_on_a_small_disk(kind: str, folder: Path, size: str) -> Iterator[Engine]:
    """An engine that has a disk of this size for itself."""
    with small_disk(folder, size) as disk:
        engine = start_engine(kind, data=disk / "e")
        try:
            yield engine
        finally:
            engine.stop()
