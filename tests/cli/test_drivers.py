"""Where a storage driver's figures are not the disk's, the plan has bounds that hold."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.command import Command
from tests.cli.contract import check_plan
from tests.engines import Engine
from tests.engines.images import ImageToLoad, busybox_layer, layer, load


def used(engine: Engine) -> int:
    """Bytes below the folder of layers."""
    told = subprocess.run(
        ["du", "--summarize", "--block-size=1", str(engine.data / "root/vfs")],
        capture_output=True,
        text=True,
        check=True,
    )
    return int(told.stdout.split()[0])


@pytest.mark.engine("docker20")
def test_vfs_copies_every_layer_whole(
    own_engine: Callable[..., Engine], holystone: Command, tmp_path: Path
) -> None:
    """Three layers and a container: the disk gains several times what the engine tells."""
    engine = own_engine("--storage-driver=vfs")
    tag = "localhost/copied:1"
    layers = [busybox_layer(), layer("copied 1", 500_000), layer("copied 2", 300_000)]
    load(engine, ImageToLoad(layers, [tag]))
    engine.docker("run", "--network", "none", tag, "sh", "-c", "echo 1 > /written")
    config = tmp_path / "holystone.toml"
    config.write_text("[containers]\nstopped_for = '0s'\n[grace]\ntagged = '0s'\nother = '0s'\n")
    on = ("deep", "--include-local", "--min-age", "0s", "--config", config, "-H", engine.host)
    planned = holystone("plan", "--json", *on).json
    items = check_plan(planned)
    assert {key[0] for key, item in items.items() if item["action"] == "remove"} == {
        "container",
        "image",
    }
    assert planned["estimated"]
    before = used(engine)
    done = holystone("clean", "--yes", *on)
    assert (done.code, done.err) == (0, "")
    assert "as planned" not in done.out
    gained = before - used(engine)
    assert planned["at_least_bytes"] <= gained <= planned["at_most_bytes"] + 200_000
    assert gained > 2 * planned["freed_bytes"]
