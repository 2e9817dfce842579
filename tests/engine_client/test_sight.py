"""Which disk counts where the images are in the folder of the system's containerd."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from holystone.engine import sight
from tests.engine_client.clients import client_of

SYSTEM = "/run/containerd/containerd.sock"


def info(root: Path, address: str) -> dict[str, Any]:
    status = [["driver-type", "io.containerd.snapshotter.v1"]]
    return {"DockerRootDir": str(root), "DriverStatus": status, "Containerd": {"Address": address}}


@pytest.fixture
def proved(monkeypatch: pytest.MonkeyPatch) -> dict[str, bool | None]:
    """What the engine's process proves, by path; nothing of all others."""
    told: dict[str, bool | None] = {}
    monkeypatch.setattr(sight, "_by_process", lambda _client, path, _name: told.get(path))
    return told


def find(root: Path, address: str) -> sight.Sight:
    client = client_of("unix:///nowhere.sock", 5)
    return sight.find(client, info(root, address), [], [])


def test_the_folder_of_the_systems_containerd(
    tmp_path: Path, proved: dict[str, bool | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the same disk it makes no difference; on another one, that counts where it is proved."""
    root = str(tmp_path)
    proved[root] = True
    assert find(tmp_path, "/run/docker/containerd/containerd.sock") == sight.Sight(root)
    monkeypatch.setattr(sight, "_SYSTEM_ROOT", str(tmp_path / ".."))
    assert find(tmp_path, SYSTEM) == sight.Sight(root)
    monkeypatch.setattr(sight, "_SYSTEM_ROOT", "/proc")
    for unproved in (None, False):
        proved["/proc"] = unproved
        there = find(tmp_path, f"/var{SYSTEM}")
        assert (there.root, there.images) == ("", "")
        assert "containerd's folder" in there.why
    proved["/proc"] = True
    assert find(tmp_path, SYSTEM) == sight.Sight(root, images="/proc")


def test_what_an_engine_says_of_its_folder_may_be_anything(tmp_path: Path) -> None:
    client = client_of("unix:///nowhere.sock", 5)
    for root in (None, 7, "", "relative", "/\0", str(tmp_path / "none"), str(tmp_path)):
        found = sight.find(client, {"DockerRootDir": root}, [], [])
        assert found.root == ""
        assert found.why
