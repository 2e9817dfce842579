"""Images on stores that were really damaged: what ``verify`` makes of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pytest

from holystone.engine.observe import Lists, read_lists
from holystone.operations.verifier import DAMAGED, OK, Entry, Verifier, read_subjects
from holystone.planner.inventory import Inventory
from tests.engine.damage import flip, payload
from tests.engine_client.clients import client_of
from tests.engines import Engine
from tests.engines.files import found_below
from tests.engines.images import ImageToLoad, layer, load


class Seen:
    """Counts what it is told."""

    def __init__(self) -> None:
        self.read = 0
        self.images = 0

    def moved(self, count: int) -> None:
        self.read += count

    def settled(self, count: int) -> None:
        self.images += count


def verify(engine: Engine, ids: Sequence[str] = ()) -> tuple[dict[str, Entry], int]:
    """What is with each image, and how many bytes it took."""
    client = client_of(engine.host)
    try:
        inventory: Inventory = read_lists(Lists(client, sizes=False), 0.0)
        subjects = read_subjects(client, inventory.images)
        seen = Seen()
        verifier = Verifier(client, inventory.engine.store, seen)
        chosen = [each for each in subjects if not ids or each.image.id in ids]
        results = verifier.verify(chosen)
    finally:
        client.close()
    assert seen.images == len(chosen)
    assert seen.read == verifier.bytes_read
    return results, seen.read


@pytest.mark.engine("docker20", "docker28", "docker28c", "podman5")
def test_whole_images_are_whole_and_shared_layers_come_once(
    fresh_engine: Engine, unique: str
) -> None:
    base = layer(f"{unique} base", 2_000_000)
    images = [
        ImageToLoad([base, layer(f"{unique} {n}")], [f"localhost/{unique}:{n}"]) for n in range(4)
    ]
    ids = load(fresh_engine, *images)
    results, read = verify(fresh_engine)
    assert {i: told.result for i, told in results.items()} == dict.fromkeys(ids, OK)
    if fresh_engine.store != "podman":
        assert all(told.notes == () for told in results.values())
        assert 2_000_000 < read < 3_000_000


@pytest.mark.engine("docker20", "docker28")
def test_a_changed_byte_on_overlay2(fresh_engine: Engine, unique: str) -> None:
    """The layer is named though the engine names only a file, and all its holders are known."""
    base, bad, good = (layer(f"{unique} {name}") for name in ("base", "bad", "good"))
    first, second, whole = load(
        fresh_engine,
        ImageToLoad([base, bad], [f"localhost/{unique}:first"]),
        ImageToLoad([base, bad, good], [f"localhost/{unique}:second"]),
        ImageToLoad([base, good], [f"localhost/{unique}:whole"]),
    )
    flip(payload(fresh_engine, bad))
    results, _ = verify(fresh_engine)
    assert results[whole].result == OK
    for image_id in (first, second):
        assert results[image_id].result == DAMAGED
        assert results[image_id].suspects == (bad.diff_id,)
        (damage,) = results[image_id].damages
        assert (damage.part, damage.expected) == ("layer", bad.diff_id)
        assert "file integrity checksum failed" in damage.words


@pytest.mark.engine("docker20", "docker28")
def test_a_lost_file_on_overlay2(fresh_engine: Engine, unique: str) -> None:
    bad = layer(unique)
    (image_id,) = load(fresh_engine, ImageToLoad([bad], [f"localhost/{unique}:1"]))
    payload(fresh_engine, bad).unlink()
    told = verify(fresh_engine)[0][image_id]
    assert told.result == DAMAGED
    assert told.damages[0].expected == bad.diff_id
    assert "no such file" in told.damages[0].words


@pytest.mark.engine("docker28c")
def test_a_changed_byte_in_the_content_store(fresh_engine: Engine, unique: str) -> None:
    base, bad, good = (layer(f"{unique} {name}") for name in ("base", "bad", "good"))
    damaged, whole = load(
        fresh_engine,
        ImageToLoad([base, bad], [f"localhost/{unique}:damaged"]),
        ImageToLoad([base, good], [f"localhost/{unique}:whole"]),
    )
    blob = payload(fresh_engine, bad)
    flip(blob)
    results, _ = verify(fresh_engine)
    assert (results[whole].result, results[whole].notes) == (OK, ())
    (damage,) = results[damaged].damages
    found = f"sha256:{hashlib.sha256(blob.read_bytes()).hexdigest()}"
    assert (damage.part, damage.expected, damage.found) == ("blob", bad.diff_id, found)
    assert results[damaged].suspects == (bad.diff_id,)


@pytest.mark.engine("docker28c")
def test_a_blob_that_is_gone(fresh_engine: Engine, unique: str) -> None:
    bad = layer(unique)
    (image_id,) = load(fresh_engine, ImageToLoad([bad], [f"localhost/{unique}:1"]))
    payload(fresh_engine, bad).unlink()
    told = verify(fresh_engine)[0][image_id]
    assert told.result == DAMAGED
    assert bad.diff_id in told.damages[0].words


@pytest.mark.engine("docker28c")
def test_unpacked_snapshots_are_not_what_is_exported(fresh_engine: Engine, unique: str) -> None:
    """docs/how-to/verify.md says so: damage there is not found."""
    part = layer(unique)
    (image_id,) = load(fresh_engine, ImageToLoad([part], [f"localhost/{unique}:1"]))
    unpacked = [
        path
        for path in found_below(fresh_engine.data, "snapshots/*/fs/payload/*")
        if path.read_bytes() in part.tar
    ]
    for path in unpacked:
        flip(path)
    assert unpacked
    assert verify(fresh_engine)[0][image_id].result == OK
