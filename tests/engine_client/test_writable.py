"""What a container's writable layer frees: not its holes, nor what has links elsewhere."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from holystone.engine import containers
from holystone.planner.inventory import Container, Volume

SIZE = 50_000


def container(size: int) -> Container:
    """A container that the engine gives so many bytes."""
    return Container("c" * 64, "c", "sha256:1", "app:1", "exited", writable_size=size)


@pytest.fixture
def layer(tmp_path: Path) -> Path:
    """The writable layer, with a file of ``SIZE`` bytes in a folder."""
    folder = tmp_path / "root/overlay2/1/diff"
    (folder / "etc").mkdir(parents=True)
    (folder / "etc/full").write_bytes(os.urandom(SIZE))
    return folder


def weighed(listed: Container, layer: Path, store: str = "classic", root: str = "") -> Container:
    """The container with what the layer tells, by way of its inspection."""
    told: dict[str, Any] = {"GraphDriver": {"Data": {"UpperDir": str(layer)}}}
    return containers.weighed(listed, told, root or str(layer.parents[2]), store)


def test_a_layer_without_holes_is_what_the_engine_says(layer: Path) -> None:
    assert weighed(container(SIZE), layer) == container(SIZE)


def test_holes_take_no_room(layer: Path) -> None:
    with (layer / "lastlog").open("wb") as file:
        file.truncate(40 * 10**9)
    told = weighed(container(SIZE + 40 * 10**9), layer)
    assert (told.writable_size, told.writable_at_least) == (SIZE, None)
    assert told.writable_claimed == SIZE + 40 * 10**9


def test_links_within_count_once_and_links_elsewhere_not_at_all(
    layer: Path, tmp_path: Path
) -> None:
    os.link(layer / "etc/full", layer / "again")
    assert weighed(container(SIZE), layer).writable_size == SIZE
    os.link(layer / "etc/full", tmp_path / "elsewhere")
    assert weighed(container(SIZE), layer).writable_size == 0


def test_what_cannot_be_seen_is_bounded(
    layer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bounded = container(SIZE)._replace(writable_at_least=0)
    assert weighed(container(SIZE), layer / "gone") == bounded
    assert weighed(container(SIZE), layer, root=str(tmp_path / "other")) == bounded
    assert containers.weighed(container(SIZE), {"GraphDriver": None}, "/", "classic") == bounded
    (layer / "more").write_bytes(b"1")
    monkeypatch.setattr(containers, "_MOST_FILES", 1)
    told = weighed(container(SIZE + 1), layer)
    assert told.writable_size == SIZE + 1
    assert told.writable_at_least in (1, SIZE)


def test_the_containerd_store_counts_blocks_itself(layer: Path) -> None:
    assert weighed(container(7), layer, "containerd") == container(7)
    assert weighed(container(0), layer / "gone") == container(0)


def test_a_volume_is_measured_like_a_layer(tmp_path: Path) -> None:
    """Where it is the engine's own, and the folder may be read."""
    data = tmp_path / "volumes/db/_data"
    data.mkdir(parents=True)
    (data / "full").write_bytes(os.urandom(SIZE))
    with (data / "table").open("wb") as file:
        file.truncate(40 * 10**9)
    listed = Volume("db", size=SIZE + 40 * 10**9)
    root = str(tmp_path)
    assert containers.weighed_volume(listed, root, "classic") == Volume("db", size=SIZE)
    bounded = listed._replace(at_least=0)
    assert containers.weighed_volume(listed, "", "containerd") == bounded
    assert containers.weighed_volume(listed, root, "podman") == bounded
    assert containers.weighed_volume(Volume("db"), root, "classic") == Volume("db")
    nfs = Volume("share", driver="nfs", size=7)
    assert containers.weighed_volume(nfs, root, "classic") == nfs
