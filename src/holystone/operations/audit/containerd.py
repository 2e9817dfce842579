"""The account of containerd's data folder, and of a Docker engine that keeps its images there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from holystone.engine.storage.containerd_records import (
    CONTENT,
    SNAPSHOTTER,
    Needs,
    Records,
    Snapshot,
)
from holystone.operations.audit import objects
from holystone.operations.audit.facts import YOUNG, Facts, image_name
from holystone.operations.audit.ground import Ground, modified
from holystone.operations.audit.record import Entry, Kind, Safety
from holystone.outside.heaps import Heap

LAZY = ("stargz", "soci", "nydus")
"""Snapshotters that fetch the files of an image when they are read."""
_DOCKER = "moby"
_UNNEEDED = "no image, lease or container needs it, by containerd's database"
_COLLECTED = "containerd's next garbage collection: the removal of any image starts one"
_ID = 64


def docker(ground: Ground) -> Iterator[Entry]:
    """The entries of the engine's data folder beside containerd's, which were taken before."""
    yield from objects.plugins(ground)
    for folder in ("tmp", "tmp-old"):
        yield from objects.temporary(ground, folder)
    yield from objects.own_files(ground)


def entries(ground: Ground, records: Sequence[Records], docker: Ground) -> Iterator[Entry]:
    """The entries of containerd's folder, and those of the containers of the engine above it.

    ``records``: what the databases named before and after the walk; none where they could not be
    read. ``docker``: the engine's data folder.
    """
    writers: dict[str, list[str]] = {}
    for folder in ground.names():
        if folder.startswith(SNAPSHOTTER):
            snapshotter = folder.removeprefix(SNAPSHOTTER)
            yield from _snapshots(ground, folder, snapshotter, records, writers)
    for algorithm in ground.names(CONTENT, "blobs"):
        for digits in ground.names(CONTENT, "blobs", algorithm):
            path = ground.at(CONTENT, "blobs", algorithm, digits)
            yield _blob(ground, f"{algorithm}:{digits}", path, records)
    for name in ground.names(CONTENT, "ingest"):
        path = ground.at(CONTENT, "ingest", name)
        heap = ground.pile.take_all(path)
        changed = modified(f"{ground.path(path)}/data")
        called = _reference(ground.path(path)) or name
        yield objects.passing(ground, called, heap, path, changed)._replace(frees=_COLLECTED)
    yield from objects.containers(docker, "containers", writers)
    rest = ground.pile.take_all(ground.base)
    yield ground.entry(Kind.ENGINE, "containerd's own files", rest, ground.base)


def _snapshots(
    ground: Ground,
    folder: str,
    snapshotter: str,
    records: Sequence[Records],
    writers: dict[str, list[str]],
) -> Iterator[Entry]:
    """An entry for each folder of a snapshot that is not a container's; of those it takes note."""
    read = any(snapshotter in each.snapshotters for each in records)
    for name in ground.names(folder, "snapshots"):
        path = ground.at(folder, "snapshots", name)
        known = [
            each.snapshots[snapshotter, name]
            for each in records
            if (snapshotter, name) in each.snapshots
        ]
        needed = next((each for each in known if each.needs), None)
        owner = needed and _container(needed)
        if owner:
            writers.setdefault(owner, []).append(path)
            continue
        heap = ground.pile.take_all(path)
        if snapshotter in LAZY:
            yield ground.entry(Kind.LAZY, f"{snapshotter} snapshot {name}", heap, path)
        elif needed:
            yield _snapshot(ground, needed, heap, path)
        elif known:
            why = f"snapshot {known[0].key}: {_UNNEEDED}"
            yield _unneeded(ground, known[0].key, heap, path, why)
        elif not read:
            yield ground.entry(Kind.UNKNOWN, f"snapshot {name}", heap, path)
        elif name.startswith(("new-", "rm-")):
            yield objects.passing(ground, f"snapshot {name}", heap, path)
        else:
            why = f"the database of the snapshotter {snapshotter} has no snapshot in this folder"
            yield ground.stray(f"snapshot {name}", heap, path, why)._replace(frees=_COLLECTED)
    # The layers that containers write to are taken later.
    rest = ground.pile.take(ground.at(folder), ground.at(folder, "snapshots"))
    kind = Kind.LAZY if snapshotter in LAZY else Kind.ENGINE
    yield ground.entry(kind, f"snapshotter {snapshotter}", rest, ground.at(folder))


def _container(snapshot: Snapshot) -> str:
    """The ID of the container that writes into a snapshot; empty where it is none."""
    bare = snapshot.key.removesuffix("-init")
    docker_id = len(bare) == _ID and not set(bare) - set("0123456789abcdef")
    return bare if docker_id and bare in snapshot.needs.leases else ""


def _snapshot(ground: Ground, snapshot: Snapshot, heap: Heap, path: str) -> Entry:
    """An entry for a snapshot that somebody needs."""
    holders = _holders(ground.facts, snapshot.needs, snapshot.namespace)
    if snapshot.needs.images:
        return ground.entry(
            Kind.IMAGE, holders[0], heap, path, identifier=snapshot.key, holders=holders
        )
    if snapshot.needs.leases:
        record = _record(snapshot.needs)
        return ground.entry(
            Kind.CACHE, ground.facts.record(record), heap, path, identifier=snapshot.key
        )
    return ground.entry(
        Kind.CONTAINER, snapshot.key, heap, path, identifier=snapshot.key, holders=holders
    )


def _blob(ground: Ground, digest: str, path: str, records: Sequence[Records]) -> Entry:
    """An entry for a file of the content store."""
    heap = ground.pile.take(path)
    known = [each.blobs[digest] for each in records if digest in each.blobs]
    needed = next((each for each in known if each.needs), None)
    if needed and needed.needs.images:
        holders = _holders(ground.facts, needed.needs, _DOCKER)
        kind = Kind.TWICE if needed.unpacked else Kind.CONTENT
        return ground.entry(kind, holders[0], heap, path, identifier=digest, holders=holders)
    if needed:
        record = ground.facts.record(_record(needed.needs))
        return ground.entry(Kind.CACHE, record, heap, path, identifier=digest)
    if known:
        return _unneeded(ground, digest, heap, path, _UNNEEDED)
    if not records:
        return ground.entry(Kind.UNKNOWN, digest, heap, path)
    stray = ground.stray(digest, heap, path, "containerd's database has no blob of this digest")
    return stray._replace(frees=_COLLECTED)


def _unneeded(ground: Ground, name: str, heap: Heap, path: str, why: str) -> Entry:
    if ground.facts.age(heap.modified) < YOUNG:
        return ground.stray(name, heap, path, why)
    return ground.entry(
        Kind.ORPHAN, name, heap, path, evidence=why, frees=_COLLECTED, safety=Safety.SAFE
    )


def _holders(facts: Facts, needs: Needs, namespace: str) -> tuple[str, ...]:
    """The names of those who need something, with the namespace where that is not Docker's."""
    names = needs.images or needs.leases or needs.others
    if namespace == _DOCKER:
        return facts.smallest_first(map(image_name, names))
    return tuple(f"{namespace}: {image_name(name)}" for name in names)


def _record(needs: Needs) -> str:
    """The ID of the build cache record by whose lease something is needed."""
    names = needs.leases or needs.others
    return min(names, key=len).removesuffix("-variants").removesuffix("-view")


def _reference(folder: str) -> str:
    """What a download is of, as containerd noted it."""
    try:
        with open(f"{folder}/ref", encoding="utf-8", errors="replace") as file:
            return file.read(500)
    except OSError:
        return ""
