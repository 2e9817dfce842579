"""A plan through the agent, against what the docker command needs to tell of the same host."""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
from collections.abc import Callable
from contextlib import closing

from bench.agent.figure import Figure, Measured
from bench.agent.idle import agent_of
from bench.cleaning import HOLYSTONE
from bench.hosts import fill
from bench.measure import run, seconds
from holystone.operations.agent_client import agent_connection
from tests.agent.running import RunningAgent
from tests.engines import Engine, start_engine
from tests.engines.places import CLEAN_PATH

KIND = "docker28c"
AIM = 100.0
"""ms."""
_RUNS = 9
_OK = 200


def current_docker() -> str:
    """The docker command that comes first in the search path."""
    found = shutil.which("docker", path=CLEAN_PATH)
    if found is None:
        raise RuntimeError(f"there is no docker in {CLEAN_PATH}")
    return found


def measure(images: int) -> Measured:
    """The request alone, and the whole command with and without the agent."""
    engine = start_engine(KIND)
    try:
        fill(engine, images, tagged=True, seed="plan")
        with agent_of(engine) as (agent, _):
            return Measured(_figures(engine, agent, images))
    finally:
        engine.stop()


def _figures(engine: Engine, agent: RunningAgent, images: int) -> list[Figure]:
    environment = {**engine.environment, "HOLYSTONE_STATE": str(agent.folder)}
    docker = current_docker()
    version = subprocess.check_output([docker, "--version"], text=True).split()[2].rstrip(",")
    command = [HOLYSTONE, "plan"]
    ways: dict[str, Callable[[], float]] = {
        "request": lambda: seconds(lambda: _plan(agent)),
        "command": lambda: run(command, environment),
        "alone": lambda: run(command, {**environment, "HOLYSTONE_AGENT": "off"}),
        "df": lambda: run([docker, "system", "df"], environment),
    }
    # Each once before: the first one reads what the others find in memory.
    for way in ways.values():
        way()
    took: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(_RUNS):
        for name, way in ways.items():
            took[name].append(1000 * way())
    middle = {name: statistics.median(times) for name, times in took.items()}
    against, other = f"`docker system df` of {version}", middle["df"]
    of = f"{images:,} images, {KIND}"
    return [
        Figure(
            "plan-request", f"`GET /api/v1/plan` over the socket, {of}",
            middle["request"], "ms", AIM, against, other,
        ),
        Figure(
            "plan-command", f"`holystone plan` with an agent, {of}",
            middle["command"], "ms", AIM, against, other,
        ),
        Figure(
            "plan-alone", f"`holystone plan` without an agent, {of}",
            middle["alone"], "ms", 1.0, against, other, aims_at_ratio=True,
        ),
    ]  # fmt: skip


def _plan(agent: RunningAgent) -> None:
    with closing(agent_connection(str(agent.socket), 30.0)) as connection:
        connection.request("GET", "/api/v1/plan?level=routine")
        answer = connection.getresponse()
        if answer.status != _OK or "items" not in json.loads(answer.read()):
            raise RuntimeError(f"the agent answers {answer.status}")
