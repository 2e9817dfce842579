"""containerd's content store read from its files: what is whole, what is missing, what is odd."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from holystone.engine.storage.containerd import read_content
from holystone.planner.inventory import Blob
from holystone.usage.store_port import ImageFacts
from tests.engine.cleaning import observed
from tests.engines import Engine, Registry
from tests.engines.images import SCRATCH, ImageToLoad, build, layer, load


class Store:
    """A content store in a folder, as an engine with its own containerd keeps it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / "containerd/daemon/io.containerd.content.v1.content/blobs/sha256"
        self.folder.mkdir(parents=True)

    def blob(self, content: bytes) -> Blob:
        digits = hashlib.sha256(content).hexdigest()
        (self.folder / digits).write_bytes(content)
        return Blob(f"sha256:{digits}", len(content))

    def document(self, content: Any) -> Blob:
        return self.blob(json.dumps(content).encode())

    def manifest(self, name: str, layers: int = 2, kind: str = "tar+gzip") -> list[Blob]:
        """The blobs of a manifest: itself, its config, its layers."""
        parts = [self.blob(f"{name} {number}".encode()) for number in range(layers)]
        config = self.document(
            {"name": name, "rootfs": {"diff_ids": [f"{name} {n}" for n in range(layers)]}}
        )
        manifest = self.document(
            {
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": {"digest": config.digest},
                "layers": [{"digest": part.digest, "mediaType": kind} for part in parts],
            }
        )
        return [manifest, config, *parts]

    def index(self, manifests: Iterable[Blob]) -> Blob:
        return self.document({"manifests": [{"digest": blob.digest} for blob in manifests]})

    def remove(self, blob: Blob) -> None:
        (self.folder / blob.digest.removeprefix("sha256:")).unlink()

    def read(self, *ids: str) -> dict[str, ImageFacts]:
        known = {image_id: ImageFacts(first_seen=5.0) for image_id in ids}
        return read_content(str(self.root), ids, known)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


@pytest.mark.parametrize("layers", [0, 2])
def test_a_single_manifest(store: Store, layers: int) -> None:
    blobs = store.manifest("a", layers)
    found = store.read(blobs[0].digest)
    stack = tuple(f"a {number}" for number in range(layers))
    assert found == {
        blobs[0].digest: ImageFacts(first_seen=5.0, diff_ids=stack, blobs=tuple(blobs))
    }


def test_an_index_with_an_attestation(store: Store) -> None:
    image = store.manifest("a")
    attestation = store.manifest("how", layers=1, kind="application/vnd.in-toto+json")
    index = store.index([image[0], attestation[0]])
    fact = store.read(index.digest)[index.digest]
    assert fact.diff_ids == ("a 0", "a 1")
    assert set(fact.blobs or ()) == {index, *image, *attestation}


@pytest.mark.parametrize("missing", [0, -1], ids=["not at all", "in part"])
def test_a_platform_that_was_not_pulled(store: Store, missing: int) -> None:
    """What is there of it counts; its stack is not the image's."""
    image, other = store.manifest("a"), store.manifest("b")
    index = store.index([other[0], image[0]])
    store.remove(other[missing])
    fact = store.read(index.digest)[index.digest]
    assert fact.diff_ids == ("a 0", "a 1")
    assert set(fact.blobs or ()) == {index, *image, *(other[:-1] if missing else ())}


def test_of_two_platforms_the_engine_tells_the_layers(store: Store) -> None:
    """It has a stack for each; the engine tells which one it means. The blobs are all here."""
    first, second = store.manifest("a"), store.manifest("b")
    index = store.index([first[0], second[0]])
    fact = store.read(index.digest)[index.digest]
    assert fact.diff_ids is None
    assert set(fact.blobs or ()) == {index, *first, *second}


@pytest.mark.parametrize("missing", [1, 2, 3])
def test_of_what_is_not_whole_the_engine_tells_the_layers(store: Store, missing: int) -> None:
    blobs = store.manifest("a")
    store.remove(blobs[missing])
    fact = store.read(blobs[0].digest)[blobs[0].digest]
    assert fact.diff_ids is None
    assert list(fact.blobs or ()) == [each for each in blobs if each != blobs[missing]]


def test_without_its_manifest_nothing_is_told(store: Store) -> None:
    blobs, whole = store.manifest("a"), store.manifest("b")
    store.remove(blobs[0])
    assert list(store.read(blobs[0].digest, whole[0].digest)) == [whole[0].digest]


def test_an_artifact(store: Store) -> None:
    """Its config names no layers, and may be no JSON: its blobs are known all the same."""
    parts = [store.blob(b"chart"), store.blob(b"no JSON")]
    manifest = store.document(
        {"config": {"digest": parts[1].digest}, "layers": [{"digest": parts[0].digest}]}
    )
    fact = store.read(manifest.digest)[manifest.digest]
    assert fact.diff_ids is None
    assert set(fact.blobs or ()) == {manifest, *parts}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no JSON",
        b"[]",
        b"[" * 100_000,
        b'{"manifests": 5}',
        b'{"manifests": {"digest": "x"}}',
        b'{"manifests": [5]}',
        b'{"manifests": [{"digest": 5}]}',
        b'{"layers": 5, "config": {}}',
        b'{"layers": [5]}',
        b'{"layers": [], "config": 5}',
        b'{"layers": [{"digest": "sha256:../../../../../../../etc/passwd"}]}',
        b'{"layers": [{"digest": "sha256:"}], "config": {"digest": null}}',
        b'{"config": {"digest": "sha256:0"}}',
    ],
)
def test_garbage_is_left_to_the_engine(store: Store, content: bytes) -> None:
    """Whatever a blob holds, and whole images beside it are still read."""
    garbage, whole = store.blob(content), store.manifest("a")
    assert list(store.read(garbage.digest, whole[0].digest)) == [whole[0].digest]


@pytest.mark.parametrize("rootfs", [5, {"diff_ids": 5}, {"diff_ids": ["one"]}, None])
def test_a_config_that_does_not_match_its_layers(store: Store, rootfs: object) -> None:
    parts = [store.blob(b"1"), store.blob(b"2")]
    config = store.document({"rootfs": rootfs})
    manifest = store.document(
        {"config": {"digest": config.digest}, "layers": [{"digest": p.digest} for p in parts]}
    )
    assert store.read(manifest.digest)[manifest.digest].diff_ids is None


@pytest.mark.parametrize("image_id", ["", "x", "sha256:", "sha256:..", "sha512:" + "0" * 128])
def test_an_id_that_is_no_digest(store: Store, image_id: str) -> None:
    """It names no file, inside the store or outside."""
    assert store.read(image_id) == {}


def test_no_store_tells_nothing(tmp_path: Path) -> None:
    assert read_content(str(tmp_path / "none"), ["sha256:1"], {}) == {}


@pytest.mark.engine("docker28c")
def test_real_blobs_sum_to_the_content_the_engine_lists(
    fresh_engine: Engine, registry: Registry, unique: str
) -> None:
    """Loaded, pulled and built images: read whole, and each one's blobs make its content size."""
    base = layer(f"{unique} base", 50_000)
    pulled = f"{registry.address}/{unique}:1"
    load(fresh_engine, ImageToLoad([base, layer(unique)], [pulled]))
    fresh_engine.docker("push", pulled)
    fresh_engine.docker("rmi", pulled)
    fresh_engine.docker("pull", pulled)
    load(
        fresh_engine,
        ImageToLoad([base, layer(f"{unique} 2"), layer(f"{unique} 3")], [f"localhost/{unique}:2"]),
        ImageToLoad([base, "ENV A=1", layer(f"{unique} 2")]),
    )
    build(fresh_engine, SCRATCH + "RUN true\n", "-t", f"localhost/{unique}:3", buildkit=True)
    images = observed(fresh_engine).images
    assert len(images) == 4
    for image in images:
        assert image.blobs is not None, image.tags
        assert sum(blob.size for blob in set(image.blobs)) == image.content_size, image.tags
        assert image.layers is not None


@pytest.mark.engine("docker28c")
def test_of_an_engine_elsewhere_no_local_files_are_read(fresh_engine: Engine, unique: str) -> None:
    """Over tcp the folder the engine names is on another machine, whatever is there on this one."""
    load(fresh_engine, ImageToLoad([layer(unique)], [f"localhost/{unique}:1"]))
    (image,) = observed(fresh_engine, remote=True).images
    assert image.blobs is None
    assert image.layers is not None
    assert image.content_size > 0
