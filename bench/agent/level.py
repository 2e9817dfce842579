"""From crossing the high mark to below it, against an engine that deletes as much by itself."""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from bench.agent.figure import Curve, Figure, Measured
from bench.agent.large_images import put_image
from bench.agent.process import cpu_seconds
from tests.agent.running import RunningAgent
from tests.engines import Engine, start_engine, start_registry
from tests.engines.places import DOCKER

KINDS = ("docker20", "docker28c")
AIM = 2.0
SIZES = (120, 180, 240)
"""MB of the images, in turn."""
_DISK = 2.5
"""The size of the disk, by what is to be freed."""
_SPARE = 1.1
"""The evictable images, by what is to be freed."""
_AT_A_TIME = 3
"""Images that are made, or pulled."""
CONFIG = """
[schedule]
routine = "never"
weekly = "never"

[disk]
high = "50%"
critical = "99%"

[grace]
untagged = "0s"
never_tagged = "0s"
tagged = "0s"
other = "0s"
"""
"""The agent looks at the disk as often as it does by default."""
_HIGH = 0.5
_STEP = 0.05
_POINT = 0.5
"""Seconds between points of the picture."""
_PATIENCE = 900.0


class Round(NamedTuple):
    """One way to come below the mark."""

    seconds: float
    """From the crossing to the first moment below the mark."""
    noticed: float
    """From the crossing until the agent noticed it; 0 for the engine."""
    removed: int
    cpu: float
    """Seconds of CPU time that the agent took."""
    used: Sequence[tuple[float, float]]
    """GB in use on the disk over seconds."""
    mark: float
    """GB in use at the high mark."""


class Small(NamedTuple):
    """An engine on a disk of its own, and the images that a registry has for it."""

    engine: Engine
    disk: Path
    images: Sequence[str]
    free: int
    """Bytes that are to be freed."""


def measure(kinds: Sequence[str], free: int, rounds: int) -> Iterator[Measured]:
    """Free so many bytes so often with the agent, and as often without, in turn.

    Yields what is known after each round, for a run takes long.
    """
    count = -int(-free * _SPARE * len(SIZES) // (sum(SIZES) * 10**6))
    registry = start_registry()
    try:
        with ThreadPoolExecutor(_AT_A_TIME) as pool:
            names = list(
                pool.map(
                    lambda number: put_image(
                        registry, f"level-{number}", SIZES[number % len(SIZES)] * 10**6
                    ),
                    range(count),
                )
            )
        for kind in kinds:
            yield from _on(kind, names, free, rounds)
    finally:
        registry.stop()


def _on(kind: str, names: Sequence[str], free: int, rounds: int) -> Iterator[Measured]:
    # A containerd store keeps the content of an image beside its files.
    images = names[: -(-len(names) // 2)] if kind == "docker28c" else names
    ours: list[Round] = []
    theirs: list[Round] = []
    with _disk(int(free * _DISK)) as disk:
        engine = start_engine(kind, data=disk / "e")
        try:
            host = Small(engine, disk, images, free)
            for number in range(rounds):
                for agent in (True, False) if number % 2 == 0 else (False, True):
                    _fill(host)
                    (ours if agent else theirs).append((_by_agent if agent else _by_engine)(host))
                yield Measured([_figure(kind, free, ours, theirs)], [_curve(kind, ours, theirs)])
        finally:
            engine.stop()


@contextmanager
def _disk(size: int) -> Iterator[Path]:
    """A file system of this size in a sparse file."""
    with tempfile.TemporaryDirectory(prefix="hs-level-") as folder:
        file, mount = Path(folder, "disk"), Path(folder, "m")
        mount.mkdir()
        with file.open("wb") as opened:
            opened.truncate(size)
        subprocess.run(["mkfs.ext4", "-q", "-m", "0", str(file)], check=True)
        subprocess.run(["mount", "-o", "loop", str(file), str(mount)], check=True)
        try:
            yield mount
        finally:
            subprocess.run(["umount", str(mount)], check=True)


def _fill(host: Small) -> None:
    """Pull what is not there, and let the disk come to rest."""
    _ballast(host).unlink(missing_ok=True)
    there = set(host.engine.docker("images", "--format", "{{.Repository}}:{{.Tag}}").split())
    missing = [each for each in host.images if each not in there]
    with ThreadPoolExecutor(_AT_A_TIME) as pool:
        list(pool.map(lambda image: host.engine.docker("pull", "--quiet", image), missing))
    subprocess.run(["sync", "-f", str(host.disk)], check=True)


def _ballast(host: Small) -> Path:
    return host.disk / "ballast"


def _used(host: Small) -> tuple[int, int]:
    """Bytes in use on the disk, and its size, as the marks count them."""
    told = os.statvfs(host.disk)
    return (told.f_blocks - told.f_bavail) * told.f_frsize, told.f_blocks * told.f_frsize


def _cross(host: Small) -> None:
    """Have the disk in use so far beyond its mark as is to be freed, all at once."""
    used, total = _used(host)
    with _ballast(host).open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, int(total * _HIGH) + host.free - used)


def _by_agent(host: Small) -> Round:
    with (
        tempfile.TemporaryDirectory(prefix="hs-agent-") as folder,
        RunningAgent(host.engine.host, Path(folder), CONFIG) as agent,
    ):
        agent.wait(lambda told: told and told["engine"]["state"] == "up", _PATIENCE)
        assert agent.process is not None
        process, before = agent.process.pid, len(_images(host))
        cpu = cpu_seconds([process])
        at = time.time()
        _cross(host)
        seconds, used = _watch(host, lambda: agent.process and agent.process.poll() is None)
        cpu = cpu_seconds([process]) - cpu
        agent.wait(lambda told: told and not told["jobs"]["running"], _PATIENCE)
        noticed = next(
            datetime.fromisoformat(each["time"]).timestamp()
            for each in agent.entries
            if each["message"] == "the disk" and each["mark"] == "high"
        )  # fmt: skip
        return Round(
            seconds, max(0.0, noticed - at), before - len(_images(host)), cpu, used, _mark(host)
        )


def _by_engine(host: Small) -> Round:
    """``docker rmi`` of as many images as it takes to come below the mark."""
    left = host.free
    going = []
    sizes = {each["Id"]: each["Size"] for each in host.engine.client.list("/images/json")}
    for name in host.images:
        if left > 0:
            going.append(name)
            left -= sizes[host.engine.api("GET", f"/images/{name}/json")["Id"]]
    # What a block more or less makes does not leave the disk above the mark.
    going += host.images[len(going) : len(going) + 1]
    _cross(host)
    command = subprocess.Popen(
        [DOCKER, "rmi", *going], env=host.engine.environment, stdout=subprocess.DEVNULL
    )
    seconds, used = _watch(host, lambda: command.poll() in (None, 0))
    if command.wait():
        raise RuntimeError("docker rmi failed")
    return Round(seconds, 0.0, len(going), 0.0, used, _mark(host))


def _images(host: Small) -> set[str]:
    return {each["Id"] for each in host.engine.client.list("/images/json")}


def _mark(host: Small) -> float:
    return _used(host)[1] * _HIGH / 1e9


def _watch(host: Small, goes_on: Callable[[], object]) -> tuple[float, list[tuple[float, float]]]:
    """Seconds until the disk is below its mark, and GB in use meanwhile."""
    began = time.monotonic()
    points: list[tuple[float, float]] = []
    while True:
        used, total = _used(host)
        passed = time.monotonic() - began
        below = used <= total * _HIGH
        if below or len(points) * _POINT <= passed:
            points.append((passed, used / 1e9))
        if below:
            return passed, points
        if not goes_on() or passed > _PATIENCE:
            raise RuntimeError(f"{used / 1e9:.1f} GB in use of {total / 1e9:.1f}, and no more goes")
        time.sleep(_STEP)


def _figure(kind: str, free: int, ours: Sequence[Round], theirs: Sequence[Round]) -> Figure:
    mine, other = (statistics.median(each.seconds for each in way) for way in (ours, theirs))
    note = (
        f"Rounds each, in turn: {len(ours)}. The agent: "
        f"{', '.join(f'{each.seconds:.1f} s' for each in ours)} for {ours[0].removed} images, of "
        f"which {statistics.median(each.noticed for each in ours):.1f} s until it looked at the "
        f"disk; it took {statistics.median(each.cpu for each in ours):.1f} s of CPU time. The "
        f"engine: {', '.join(f'{each.seconds:.1f} s' for each in theirs)} for "
        f"{theirs[0].removed} images."
    )
    return Figure(
        f"level-{kind}", f"from above the high mark to below it, {free / 1e9:g} GB, {kind}",
        mine, "s", AIM, "`docker rmi` of as much", other, aims_at_ratio=True, note=note,
    )  # fmt: skip


def _curve(kind: str, ours: Sequence[Round], theirs: Sequence[Round]) -> Curve:
    lines = {"agent": ours[0].used, "docker rmi": theirs[0].used}
    return Curve(
        f"level-{kind}", f"GB in use, {kind}", lines, ours[0].mark, "high mark"
    )  # fmt: skip
