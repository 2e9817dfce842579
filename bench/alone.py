"""What needs no engine: the command's start, and the planner."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.measure import Result, in_turn, run, seconds

HOLYSTONE = str(Path(sys.executable).with_name("holystone"))


def startup(runs: int = 25) -> Iterator[Result]:
    """``--version`` against bare Python; the aim is 80 ms over Python's own start."""
    environment = dict(os.environ)
    ours, theirs = in_turn(
        lambda: run([HOLYSTONE, "--version"], environment),
        lambda: run([sys.executable, "-c", "pass"], environment),
        runs,
    )
    aim = round((theirs + 0.080) / theirs, 1)
    yield Result("start-up", "--version", "bare `python -c pass`", ours, theirs, aim, runs)


CONFIG = """
[protect]
images = ["python:*-slim", "registry.example.com/team/*"]
labels = ["keep", "stage=prod*"]
larger_than = "20GB"
[[images.rules]]
name = "branches"
images = ["registry.example.com/team/*:feature-*"]
unused_for = "3d"
[build_cache]
budget = "15%"
"""


def configuration(runs: int = 25) -> Iterator[Result]:
    """A plan of the demo host with a configuration file and without; 150 ms more at most."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "holystone.toml")
        path.write_text(CONFIG)
        plain = {"PATH": os.environ["PATH"], "HOME": folder, "HOLYSTONE_STATE": folder}
        command = [HOLYSTONE, "plan", "weekly", "--host", "demo:"]
        ours, theirs = in_turn(
            lambda: run(command, {**plain, "HOLYSTONE_CONFIG": str(path)}),
            lambda: run(command, plain),
            runs,
        )
    aim = round((theirs + 0.150) / theirs, 1)
    yield Result(
        "a configuration file", "plan weekly -H demo:", "the same without", ours, theirs, aim, runs
    )


def planner(images: int = 10_000, layers: int = 20, runs: int = 5) -> Iterator[Result]:
    """A plan of a large host in memory, against one second."""
    from holystone.planner.inventory import Engine, Image, Inventory, Layer
    from holystone.planner.plan import plan
    from holystone.planner.policy import Policy
    from holystone.planner.usage import Usage

    def stack(number: int) -> tuple[Layer, ...]:
        bases = [Layer(f"base {number % 50} {n}", 1_000_000 + n) for n in range(layers - 8)]
        middle = [Layer(f"middle {number // 10} {n}", 10_000) for n in range(4)]
        return (*bases, *middle, *(Layer(f"own {number} {n}", 1000) for n in range(4)))

    inventory = Inventory(
        Engine("id", "bench", "0", "1.41", "overlay2"),
        1e9,
        tuple(
            Image(f"sha256:{n}", (f"app:{n}",) if n % 2 else (), layers=stack(n))
            for n in range(images)
        ),
    )
    took, _ = in_turn(
        lambda: seconds(lambda: plan(inventory, Usage(), Policy(), 1e9)), lambda: 1.0, runs
    )
    yield Result(
        f"planner alone, {images} images of {layers} layers", "plan()", "one second",
        took, 1.0, 1.0, runs,
    )  # fmt: skip


def pressure(images: int = 5_000, runs: int = 5) -> Iterator[Result]:
    """A plan that gives up nearly a third of a large host in memory, against 300 ms."""
    from holystone.planner.inventory import Disk, Engine, Image, Inventory, Layer
    from holystone.planner.plan import plan
    from holystone.planner.policy import Mark, Policy
    from holystone.planner.usage import Usage, Use

    now = 1e9

    def stack(number: int) -> tuple[Layer, ...]:
        bases = [Layer(f"base {number % 50} {n}", 10_000_000 + n) for n in range(12)]
        middle = [Layer(f"middle {number // 10} {n}", 1_000_000) for n in range(4)]
        return (*bases, *middle, *(Layer(f"own {number} {n}", 5_000_000) for n in range(4)))

    names = [f"registry.example.com/app{n % 300}" for n in range(images)]
    inventory = Inventory(
        Engine("id", "bench", "0", "1.41", "overlay2"),
        now,
        tuple(
            Image(
                f"sha256:{n}",
                (f"{names[n]}:{n}",),
                (f"{names[n]}@sha256:{n}",),
                layers=stack(n),
                last_tagged=now - 90_000 - 50 * n,
            )
            for n in range(images)
        ),
        disk=Disk(10**12, 10**9),
    )
    usage = Usage(
        references={
            f"{names[n]}:{n}": Use(now - 10**7, now - 90_000 - 50 * n, 5, 86_400.0 + n)
            for n in range(images)
        }
    )
    policy = Policy(target=Mark(free_bytes=31 * 10**9))
    took, _ = in_turn(
        lambda: seconds(lambda: plan(inventory, usage, policy, now)), lambda: 0.3, runs
    )
    yield Result(
        f"plan under pressure, {images} images of 20 layers", "plan()", "300 ms",
        took, 0.3, 1.0, runs,
    )  # fmt: skip
