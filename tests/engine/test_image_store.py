"""The classic store's files tell what the engine tells, and nothing where they are not its own."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import pytest

from holystone.engine.image_facts import inspect_images, weigh_images
from holystone.engine.storage.classic import read_images
from holystone.planner.inventory import Image, Layer
from holystone.usage.store_port import ImageFacts
from tests.engine_client.clients import client_of
from tests.engines import Engine
from tests.engines.images import SCRATCH, ImageToLoad, build, layer, load


@pytest.mark.engine("classic")
def test_the_files_say_what_the_engine_says(fresh_engine: Engine, unique: str) -> None:
    tag = f"localhost/{unique}:1"
    load(fresh_engine, ImageToLoad([layer(unique), "ENV A=1"], [tag]))
    build(fresh_engine, SCRATCH + "RUN mkdir /a\nRUN true\nWORKDIR /b\n", "-t", tag)
    build(fresh_engine, SCRATCH + "RUN true\nWORKDIR /c\nENV B=1\n", "-t", tag, buildkit=True)
    client = client_of(fresh_engine.host)
    info = client.get("/info")
    ids = [image["Id"] for image in client.get("/images/json?all=1")]
    known = {image_id: ImageFacts(first_seen=1.0) for image_id in ids}
    images = [Image(image_id) for image_id in ids]
    inspected = inspect_images(client, images, known)
    told = weigh_images(client, inspected.facts, images, "classic").known
    client.close()
    assert len(ids) > 4
    assert any(fact.last_tagged for fact in told.values())
    assert read_images(info["DockerRootDir"], info["Driver"], ids, known) == told


def test_a_config_that_is_not_the_image_is_not_believed(tmp_path: Path) -> None:
    """A file of the right name with another content is of some other engine, or damaged."""
    known, image_id = _store(tmp_path, [])
    assert set(read_images(str(tmp_path), "overlay2", [image_id], known)) == {image_id}
    name = image_id.removeprefix("sha256:")
    (tmp_path / "image/overlay2/imagedb/content/sha256" / name).write_text("{}")
    assert read_images(str(tmp_path), "overlay2", [image_id], known) == {}


def test_a_layer_that_is_missing_leaves_the_image_to_the_engine(tmp_path: Path) -> None:
    """Without the size of each layer nothing is said; with it, the sizes are those of the files."""
    diff_id = "sha256:" + "1" * 64
    known, image_id = _store(tmp_path, [diff_id])
    assert read_images(str(tmp_path), "overlay2", [image_id], known) == {}
    folder = tmp_path / "image/overlay2/layerdb/sha256" / ("1" * 64)
    folder.mkdir(parents=True)
    (folder / "size").write_text("4711")
    (fact,) = read_images(str(tmp_path), "overlay2", [image_id], known).values()
    assert fact.layers == (Layer(diff_id, 4711),)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    """The engine's data folder is on another machine: nothing is known, nothing fails."""
    assert read_images(str(tmp_path / "none"), "overlay2", ["sha256:1"], {}) == {}


def _store(root: Path, diff_ids: list[str]) -> tuple[dict[str, ImageFacts], str]:
    """A store with one image of these layers, none of which is there."""
    folder = root / "image/overlay2/imagedb/content/sha256"
    folder.mkdir(parents=True)
    config = json.dumps({"rootfs": {"diff_ids": diff_ids}, "history": []})
    digest = sha256(config.encode()).hexdigest()
    (folder / digest).write_text(config)
    return {f"sha256:{digest}": ImageFacts(first_seen=1.0)}, f"sha256:{digest}"
