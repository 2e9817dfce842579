"""Reading an export as it streams: whole, compressed, cut, garbled."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import random
import tarfile
from collections.abc import Iterator, Mapping

import pytest

from holystone.operations.digest_check import Damage, check, first_missing, misnamed
from holystone.operations.image_archive import Archive, Part, read_archive
from tests.engines.images import ImageToLoad, layer, write_archive

LAYER = layer("archive", 700_000)
IMAGE = ImageToLoad([LAYER], ["localhost/app:1"])


def read(content: bytes, size: int = 7001) -> Archive:
    """Read an archive that comes in pieces of this size."""

    def pieces() -> Iterator[bytes]:
        for start in range(0, len(content), size):
            yield content[start : start + size]

    counted: list[int] = []
    archive = read_archive(pieces(), counted.append)
    assert sum(counted) == len(content)
    return archive


def saved(*images: ImageToLoad) -> bytes:
    target = io.BytesIO()
    write_archive(target, images)
    return target.getvalue()


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def tar(files: Mapping[str, bytes]) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return target.getvalue()


def layout(blob: bytes, diff_id: str) -> tuple[str, dict[str, bytes]]:
    """An image of one layer as an OCI layout: the digest of its manifest, and the files."""
    config = json.dumps({"rootfs": {"diff_ids": [diff_id]}}).encode()
    manifest = json.dumps(
        {"config": {"digest": digest(config)}, "layers": [{"digest": digest(blob)}]}
    ).encode()
    blobs = {digest(each): each for each in (blob, config, manifest)}
    return digest(manifest), {f"blobs/sha256/{name[7:]}": each for name, each in blobs.items()}


def test_a_whole_archive() -> None:
    archive = read(saved(IMAGE))
    assert archive.fault == ""
    found = check(archive, IMAGE.config_id, (LAYER.diff_id,), podman=False)
    assert (found.damages, found.notes, found.proven) == ((), (), frozenset([LAYER.diff_id]))
    other = check(archive, f"sha256:{'0' * 64}", (), podman=False)
    assert not other.exported


def test_a_layer_and_a_config_that_differ() -> None:
    content = bytearray(saved(IMAGE))
    content[content.index(LAYER.tar) + 5000] ^= 1
    at = content.index(b'"linux"') + 1
    content[at] ^= 1
    found = check(read(bytes(content)), IMAGE.config_id, (LAYER.diff_id,), podman=False)
    assert [(damage.part, damage.expected) for damage in found.damages] == [
        ("config", IMAGE.config_id),
        ("layer", LAYER.diff_id),
    ]
    assert not found.proven


def test_a_link_stands_for_its_layer() -> None:
    """As engines before 25 write a layer that is in an archive already."""
    entry = tarfile.TarInfo("second/layer.tar")
    entry.type, entry.linkname = tarfile.SYMTYPE, "../first/layer.tar"
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        first = tarfile.TarInfo("first/layer.tar")
        first.size = 3
        archive.addfile(first, io.BytesIO(b"abc"))
        archive.addfile(entry)
    part = read(target.getvalue()).part("second/layer.tar")
    assert part is not None
    assert part.digest == digest(b"abc")


@pytest.mark.parametrize("members", [1, 3])
def test_compressed_layers_are_unpacked_on_the_way(members: int) -> None:
    content = random.Random(1).randbytes(300_000) + bytes(3_000_000)
    step = len(content) // members + 1
    parts = [content[at : at + step] for at in range(0, len(content), step)]
    blob = b"".join(gzip.compress(part) for part in parts)
    image_id, files = layout(blob, digest(content))
    found = check(read(tar(files)), image_id, (), podman=False)
    assert (found.damages, found.notes) == ((), ())
    assert found.proven == {digest(content)}
    image_id, files = layout(blob, LAYER.diff_id)
    (damage,) = check(read(tar(files)), image_id, (), podman=False).damages
    assert damage == Damage("layer", LAYER.diff_id, digest(content), "its blob is whole")


def test_what_cannot_be_unpacked_is_said_so() -> None:
    for blob, words in (
        (b"\x28\xb5\x2f\xfdrest", "zstd"),
        (gzip.compress(b"x" * 99)[:-9], "middle"),
    ):
        image_id, files = layout(blob, LAYER.diff_id)
        found = check(read(tar(files)), image_id, (), podman=False)
        assert found.damages == ()
        assert words in found.notes[0]
        assert not found.proven


def test_a_blob_that_is_not_its_name() -> None:
    image_id, files = layout(LAYER.tar, LAYER.diff_id)
    name = f"blobs/sha256/{LAYER.diff_id[7:]}"
    files[name] = b"else"
    archive = read(tar(files))
    (damage,) = check(archive, image_id, (), podman=False).damages
    assert damage == Damage("layer", LAYER.diff_id, digest(b"else"))
    assert misnamed(archive) == [damage._replace(part="blob")]
    del files[name]
    (damage,) = check(read(tar(files)), image_id, (), podman=False).damages
    assert damage.words == "it is not in the export"


def test_the_words_of_an_engine_that_gave_up() -> None:
    files = layout(LAYER.tar, LAYER.diff_id)[1]
    content = tar(files).rstrip(b"\0")
    content += bytes(-len(content) % 512)
    told = b'{"errorDetail":{"message":"unexpected digest\\n copied"},"error":"same"}\r\n'
    assert read(content + told).fault == "unexpected digest copied"


def test_every_cut_and_garbage_are_noticed() -> None:
    content = saved(ImageToLoad([layer("small", 3000)]))
    end = len(content.rstrip(b"\0"))
    for length in range(0, end, 509):
        assert read(content[:length]).fault
    noise = random.Random(2)
    for _ in range(50):
        at = noise.randrange(0, end - 600) // 512 * 512
        assert read(content[:at] + noise.randbytes(600)).fault
    assert read(noise.randbytes(50_000)).fault
    assert read(b"").fault


INDEX, MANIFEST, CONFIG = (f"sha256:{digit * 64}" for digit in "123")
LAYERS = [f"sha256:{digit * 64}" for digit in "579"]


@pytest.mark.parametrize(
    ("written", "top", "missing"),
    [
        # In the order of digests: those after the first are missing because the export ended.
        ((INDEX, MANIFEST, CONFIG, LAYERS[0]), INDEX, LAYERS[1]),
        ((MANIFEST,), MANIFEST, CONFIG),
        # In any order, where only one is missing.
        ((LAYERS[1], MANIFEST, CONFIG, LAYERS[0]), MANIFEST, LAYERS[2]),
        # Without a manifest, or an order, none is named; nor where nothing is missing.
        ((CONFIG,), MANIFEST, ""),
        ((CONFIG, MANIFEST), MANIFEST, ""),
        ((MANIFEST, CONFIG, *LAYERS), MANIFEST, ""),
    ],
)
def test_which_blob_an_export_of_the_containerd_store_ends_at(
    written: tuple[str, ...], top: str, missing: str
) -> None:
    layers = [{"digest": each} for each in LAYERS]
    documents = {
        INDEX: {"manifests": [{"digest": MANIFEST}]},
        MANIFEST: {"config": {"digest": CONFIG}, "layers": layers},
    }
    names = {each: f"blobs/sha256/{each[7:]}" for each in written}
    parts = {name: Part(1, each, each) for each, name in names.items()}
    told = {names[each]: document for each, document in documents.items() if each in names}
    assert first_missing(Archive(parts, told, {}), top) == missing
