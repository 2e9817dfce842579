"""The log files of a stopped container, whose bytes come free with it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from holystone.engine.containers import LEAST, with_log
from holystone.planner.inventory import Container, Engine

STOPPED = Container("c" * 64, "c", "sha256:1", "app:1", "exited")
DOCKER = Engine("", "", "", "", "overlay2")
PODMAN = Engine("", "", "", "", "overlay", "podman")


def written(path: Path, size: int = LEAST) -> int:
    """Write a log file; the bytes it takes on the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(os.urandom(size))
    return path.stat().st_blocks * 512


def counted(root: Path, engine: Engine = DOCKER, container: Container = STOPPED) -> int:
    """The bytes of its log that come free with the container."""
    return with_log(container, str(root), engine).log_size


@pytest.mark.parametrize(
    ("engine", "folder", "names"),
    [
        (DOCKER, f"containers/{STOPPED.id}", ["x-json.log"]),
        (DOCKER, f"containers/{STOPPED.id}", ["x-json.log", "x-json.log.1", "x-json.log.2.gz"]),
        (DOCKER, f"containers/{STOPPED.id}/local-logs", ["container.log", "container.log.1"]),
        (PODMAN, f"overlay-containers/{STOPPED.id}/userdata", ["ctr.log"]),
    ],
)
def test_every_file_of_the_log_counts(
    tmp_path: Path, engine: Engine, folder: str, names: list[str]
) -> None:
    written(tmp_path / folder / "config.v2.json", 5000)
    size = sum(written(tmp_path / folder / name) for name in names)
    assert counted(tmp_path, engine) == size


def test_holes_and_other_names_free_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "containers" / STOPPED.id
    size = written(folder / "x-json.log", 2 * LEAST)
    written(folder / "x-json.log.1")
    os.link(folder / "x-json.log.1", tmp_path / "kept")
    with (folder / "x-json.log").open("r+b") as file:
        file.truncate(10**9)
    assert counted(tmp_path) == size


def test_what_is_small_running_or_out_of_sight_is_not_counted(tmp_path: Path) -> None:
    folder = tmp_path / "containers" / STOPPED.id
    written(folder / "x-json.log", LEAST // 2)
    assert counted(tmp_path) == 0
    written(folder / "x-json.log", LEAST)
    assert counted(tmp_path) >= LEAST
    assert counted(tmp_path, container=STOPPED._replace(state="running")) == 0
    assert with_log(STOPPED, "", DOCKER) == STOPPED
    assert counted(tmp_path / "elsewhere") == 0
