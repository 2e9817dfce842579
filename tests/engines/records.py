"""Records of running engines, and clearing up after those whose keeper was killed."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from .places import records_folder

SPECIFICATION = "specification.json"
"""The file in a data folder that tells its keeper what to run, and that the folder is ours."""

CGROUPS = Path("/sys/fs/cgroup")


@dataclasses.dataclass(frozen=True, slots=True)
class Specification:
    """What a keeper is told: the command to run, where its data is, and how to end."""

    kind: str
    data: str
    command: list[str]
    environment: dict[str, str]
    url: str
    tied: bool
    """End when standard input closes."""


@dataclasses.dataclass(frozen=True, slots=True)
class Record:
    """What is on file of a running engine."""

    kind: str
    data: str
    url: str
    keeper: int
    born: str
    """The keeper's start time in clock ticks: tells it from a later process of the same number."""
    tied: bool = False
    """Whether it ends with the process that started it."""

    @property
    def path(self) -> Path:
        """The file this record is kept in."""
        return records_folder() / f"{self.keeper}.json"

    def write(self) -> None:
        """Put it on file."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(json.dumps(dataclasses.asdict(self)))

    @property
    def alive(self) -> bool:
        """Whether the keeper that wrote this still runs."""
        return bool(self.born) and birth(self.keeper) == self.born


def birth(pid: int) -> str:
    """A process's start time in clock ticks since boot, or nothing if there is no such process."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if status[0] == "Z" else status[19]


def records() -> Iterator[Record]:
    """The records on file, of engines that run and of those whose keeper was killed."""
    for path in sorted(records_folder().glob("*.json")):
        with contextlib.suppress(OSError, ValueError, TypeError):
            yield Record(**json.loads(path.read_text()))


def remove_data(data: Path) -> None:
    """Delete an engine's data, without ever crossing into another file system."""
    for _ in range(50):
        subprocess.run(["rm", "-rf", "--one-file-system", "--", data], check=False)
        if not data.exists():
            return
        time.sleep(0.1)


def remove_cgroups(data: Path) -> None:
    """Remove the cgroups that a killed engine with this data left empty, in every hierarchy."""
    containers = (data / "root" / "overlay-containers").glob("?" * 64)
    for name in (data.name, *(f"libpod_parent/libpod-{path.name}" for path in containers)):
        for top in (*CGROUPS.glob(name), *CGROUPS.glob(f"*/{name}")):
            for folder, _, _ in os.walk(top, topdown=False):
                with contextlib.suppress(OSError):
                    os.rmdir(folder)


def sweep() -> list[Record]:
    """Remove what engines left whose keeper was killed, and return their records."""
    dead = [record for record in records() if not record.alive]
    for record in dead:
        remove_cgroups(Path(record.data))
        if (Path(record.data) / SPECIFICATION).exists():
            remove_data(Path(record.data))
        record.path.unlink(missing_ok=True)
    return dead
