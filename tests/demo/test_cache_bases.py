"""The folders of overlay2 tell which layer a running build stands on; odd ones tell nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from holystone.engine.storage.cache_bases import with_layers
from holystone.planner.inventory import CacheRecord, Engine, Image, Inventory, Layer

BASE, ONE, TWO = Layer("sha256:base", 1000), Layer("sha256:one", 70), Layer("sha256:two", 70)


def host(driver: str = "overlay2") -> Inventory:
    return Inventory(
        Engine("e", "n", "28", "1.51", driver),
        0.0,
        images=(Image("a", ("a:1",), layers=(BASE, ONE)), Image("b", ("b:1",), layers=(BASE, TWO))),
        cache=(
            CacheRecord("base", size=1000, shared=True),
            CacheRecord("began", ("base",), description="from local ", shared=True, in_use=True),
            CacheRecord("step", ("began",), in_use=True),
        ),
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An engine's data folder in which the step lies upon the layer ``two``."""
    for name, folder in (("one", "first"), ("two", "second")):
        layer = tmp_path / "image/overlay2/layerdb/sha256" / name
        layer.mkdir(parents=True)
        (layer / "cache-id").write_text(folder)
    (tmp_path / "overlay2/step").mkdir(parents=True)
    (tmp_path / "overlay2/step/lower").write_text("l/ABC:l/XYZ")
    (tmp_path / "overlay2/l").mkdir()
    (tmp_path / "overlay2/l/ABC").symlink_to("../second/diff")
    return tmp_path


def layers(inventory: Inventory) -> list[str]:
    return [record.layer for record in inventory.cache]


def test_the_step_that_runs_tells_the_layer_below_it(root: Path) -> None:
    assert layers(with_layers(host(), str(root))) == ["", "sha256:two", ""]


@pytest.mark.parametrize("lower", ["", "l/", "l/NONE", "../../etc:l/ABC", "/l/ABC", "l/ABC\udcff"])
def test_what_makes_no_sense_tells_nothing(root: Path, lower: str) -> None:
    (root / "overlay2/step/lower").write_bytes(lower.encode(errors="surrogateescape"))
    assert with_layers(host(), str(root)) == host()


@pytest.mark.parametrize("target", ["diff", "../third/diff"])
def test_a_folder_of_no_layer_tells_nothing(root: Path, target: str) -> None:
    (root / "overlay2/l/ABC").unlink()
    (root / "overlay2/l/ABC").symlink_to(target)
    assert with_layers(host(), str(root)) == host()


def test_other_drivers_and_other_machines_tell_nothing(root: Path) -> None:
    assert with_layers(host("vfs"), str(root)) == host("vfs")
    assert with_layers(host(), "") == host()
