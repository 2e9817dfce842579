"""Folders of an engine in an account, made by hand: what no engine shows when it is asked to."""

from __future__ import annotations

from pathlib import Path

from holystone.engine.storage.podman_records import read_layers
from holystone.operations.audit import classic, objects, podman
from holystone.operations.audit.facts import IDLE, facts_of
from holystone.operations.audit.ground import Ground
from holystone.operations.audit.pile import Pile
from holystone.operations.audit.record import Kind
from holystone.outside.heaps import Heap
from holystone.planner.inventory import Container, Engine, Inventory

NOW = 1_750_000_000.0
OLD = NOW - 2 * IDLE
HERE, GONE = "aa" * 32, "ab" * 32


def ground(base: Path, sizes: dict[str, int], store: str = "classic") -> Ground:
    """A data folder with heaps of these sizes, all of them old."""
    engine = Engine("id", "host", "28.5.1", "1.51", "overlay2", store)
    inventory = Inventory(engine, NOW, containers=(Container(HERE, "web", "", "", "exited"),))
    inside = str(base).strip("/")
    heaps = {f"{inside}/{path}": Heap(size, size, 1, OLD) for path, size in sizes.items()}
    for path in sizes:
        (base / path).mkdir(parents=True, exist_ok=True)
    return Ground(Pile(heaps), "/", inside, facts_of([inventory], NOW))


def test_the_log_of_a_container_that_the_engine_does_not_have_is_an_orphan(tmp_path: Path) -> None:
    sizes: dict[str, int] = {}
    for each in (HERE, GONE):
        sizes |= {f"containers/{each}": 8192, f"containers/{each}/{each}-json.log": 4096}
    found = list(objects.containers(ground(tmp_path, sizes), "containers", {}))
    assert [(each.kind, each.name, each.size) for each in found] == [
        (Kind.LOG, "web", 4096),
        (Kind.CONTAINER, "web", 8192),
        (Kind.ORPHAN, GONE, 12288),
    ]


def test_the_record_of_an_interrupted_pull_is_left_over(tmp_path: Path) -> None:
    (tmp_path / "image/overlay2/layerdb").mkdir(parents=True)
    names = classic.read_names(str(tmp_path), "overlay2")  # No image yet: nothing to read.
    assert not any(names.folders)
    sizes = {"image": 40960, "image/overlay2/layerdb/tmp/write-set-1": 8192, "overlay2": 4096}
    found = {each.name: each for each in classic.entries(ground(tmp_path, sizes), [names])}
    record = found["write-set-1"]
    assert (record.kind, record.size) == (Kind.LEFTOVER, 8192)
    assert "interrupted pull" in record.evidence
    assert found["image database"].size == 40960


def test_where_podman_makes_layers_is_no_orphan(tmp_path: Path) -> None:
    layers = read_layers(str(tmp_path), "overlay2")
    sizes = {"overlay2/tempdirs": 8192, "overlay2/staging": 1 << 20}
    told = podman.entries(ground(tmp_path, sizes, "podman"), [layers])
    found = {each.name: each.kind for each in told if each.size}
    assert found == {"staging of layers": Kind.ENGINE, "staging": Kind.LEFTOVER}
