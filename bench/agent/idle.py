"""An agent with nothing to do: the memory it holds, and the CPU time it takes."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.agent.figure import Curve, Figure, Measured
from bench.agent.process import cpu_seconds, resident
from bench.hosts import fill
from tests.agent.running import RunningAgent
from tests.engines import Engine, start_engine

KIND = "docker20"
MEMORY_AIMS = {500: 60.0, 2000: 80.0}
"""MB by the number of images."""
CPU_AIM = 0.5
CONFIG = """
[schedule]
routine = "never"
weekly = "never"
"""
"""The defaults, but that no job begins while something is measured."""
_SETTLES = 15.0
"""Seconds after the first look until the figures are taken: first use loads some code."""
_STEP = 2.0


@contextmanager
def agent_of(engine: Engine, config: str = CONFIG) -> Iterator[tuple[RunningAgent, int]]:
    """An agent that has looked at the engine, and its process."""
    with (
        tempfile.TemporaryDirectory(prefix="hs-agent-") as folder,
        RunningAgent(engine.host, Path(folder), config) as agent,
    ):
        # A containerd store takes long to list many images for the first time.
        agent.wait(lambda told: told and told["engine"]["state"] == "up", 400)
        assert agent.process is not None
        yield agent, agent.process.pid


def measure(seconds: float) -> Measured:
    """Memory with few and many images, CPU time with many, each watched for so many seconds."""
    engine = start_engine(KIND)
    figures: list[Figure] = []
    lines = {}
    try:
        filled = 0
        for images, aim in MEMORY_AIMS.items():
            fill(engine, images - filled, tagged=True, seed=f"idle{images}")
            filled = images
            with agent_of(engine) as (_, process):
                memory, cpu, points = _watch(engine, process, seconds)
            figures += _figures(images, aim, memory, cpu, seconds)
            lines[f"{images} images"] = points
    finally:
        engine.stop()
    return Measured(figures, [Curve("idle", "resident, idle, MB", lines)])


def _watch(
    engine: Engine, process: int, seconds: float
) -> tuple[tuple[float, float], tuple[float, float], list[tuple[float, float]]]:
    """MB at the most, and per cent of a core, each of the agent and the engine; MB over time."""
    daemons = engine.processes()
    time.sleep(_SETTLES)
    began = time.monotonic()
    before = cpu_seconds([process]), cpu_seconds(daemons)
    points = []
    while (now := time.monotonic()) < began + seconds:
        points.append((now - began, resident([process]) / 1e6))
        time.sleep(_STEP)
    took = time.monotonic() - began
    ours, theirs = cpu_seconds([process]) - before[0], cpu_seconds(daemons) - before[1]
    memory = max(value for _, value in points), resident(daemons) / 1e6
    return memory, (100 * ours / took, 100 * theirs / took), points


def _figures(
    images: int,
    aim: float,
    memory: tuple[float, float],
    cpu: tuple[float, float],
    seconds: float,
) -> Iterator[Figure]:
    yield Figure(
        f"memory-{images}", f"resident, idle, {images:,} images, {KIND}", memory[0], "MB", aim,
        "dockerd and containerd", memory[1],
    )  # fmt: skip
    yield Figure(
        f"cpu-{images}", f"CPU, idle for {seconds:.0f} s, {images:,} images, {KIND}",
        cpu[0], "% of a core", CPU_AIM, "dockerd and containerd", cpu[1],
    )  # fmt: skip
