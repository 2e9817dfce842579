"""The account of a classic engine's data folder: graph drivers, of which overlay2 is the usual."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from holystone.engine.storage.cache_bases import chains_of_records, held_by_containers, with_lower
from holystone.engine.storage.layer_folders import Folders, named_by_buildkit, read_folders
from holystone.operations.audit import objects
from holystone.operations.audit.cuts import arriving_folder, layers_folder
from holystone.operations.audit.facts import IDLE, PULLING
from holystone.operations.audit.ground import Ground, modified
from holystone.operations.audit.kinds import KINDS
from holystone.operations.audit.record import Entry, Kind, Safety
from holystone.outside.heaps import Heap

_BY_HAND = KINDS[Kind.ORPHAN].frees


class Names(NamedTuple):
    """What the engine's files name at one moment."""

    folders: Folders
    held: frozenset[str]
    """The chain IDs of layers below containers."""
    cached: frozenset[str]
    """The chain IDs of layers that BuildKit's records hold."""


def read_names(root: str, driver: str) -> Names:
    """What the files in this data folder name. Raises OSError."""
    layers = f"{root}/image/{driver}/layerdb"
    return Names(
        read_folders(root, driver),
        frozenset(map(_chain, held_by_containers(layers))),
        frozenset(map(_chain, with_lower(layers, chains_of_records(root)))),
    )


def _chain(digest: str) -> str:
    return f"sha256:{digest}"


def entries(ground: Ground, names: Sequence[Names]) -> Iterator[Entry]:
    """The entries of the data folder. ``names``: what its files named before and after the walk."""
    engine = ground.facts.engine
    store = layers_folder(engine)
    listed = [name for name in ground.names(*store.split("/")) if name != "l"]
    writers: dict[str, list[str]] = {}
    rest = []
    for name in listed:
        owner = _container(name, names)
        if owner:
            writers.setdefault(owner, []).append(ground.at(*store.split("/"), name))
        else:
            rest.append(name)
    yield from objects.containers(ground, "containers", writers)
    yield from _layers(ground, store, rest, names)
    links = ground.pile.take_all(ground.at(*store.split("/"), "l"))
    yield ground.entry(Kind.ENGINE, "short names of layers", links, ground.at(store, "l"))
    for name in ground.names(*arriving_folder(engine).split("/")):
        path = ground.at(*arriving_folder(engine).split("/"), name)
        entry = objects.passing(ground, name, ground.pile.take_all(path), path)
        if entry.kind is Kind.LEFTOVER:
            why = f"the record of an interrupted pull or build, {entry.evidence}"
            entry = entry._replace(evidence=why, frees=_BY_HAND, safety=Safety.UNKNOWN)
        yield entry
    yield from objects.plugins(ground)
    for folder in ("tmp", "tmp-old"):
        yield from objects.temporary(ground, folder)
    yield from objects.own_files(ground, [store.partition("/")[0]])


def _container(folder: str, names: Sequence[Names]) -> str:
    bare = folder.removesuffix("-init")
    found = (each.folders.containers.get(bare) for each in names)
    return next(filter(None, found), "")


def _layers(
    ground: Ground, store: str, listed: Sequence[str], names: Sequence[Names]
) -> Iterator[Entry]:
    """An entry for each folder of a layer that no container writes to."""
    root = ground.path(ground.base)
    strays = [name for name in listed if not any(each.folders.knows(name) for each in names)]
    by_buildkit = named_by_buildkit(root, strays)
    for name in listed:
        path = ground.at(*store.split("/"), name)
        heap = ground.pile.take_all(path)
        for each in reversed(names):
            if name in each.folders.layers:
                yield _layer(ground, each.folders.layers[name], heap, path, names)
                break
            if name in each.folders.removing or name in each.folders.arriving:
                yield _interrupted(ground, name, heap, path, each.folders)
                break
        else:
            if name in by_buildkit:
                yield _cached(ground, name, heap, path, by_buildkit[name])
            else:
                why = "no layer, container or build cache record of the engine names this folder"
                yield ground.stray(name, heap, path, why)


def _layer(ground: Ground, chain: str, heap: Heap, path: str, names: Sequence[Names]) -> Entry:
    """A layer of images, which the engine's files name."""
    holders = ground.facts.smallest_first(ground.facts.holders.get(chain, ()))
    if holders:
        return ground.entry(Kind.IMAGE, holders[0], heap, path, identifier=chain, holders=holders)
    if any(chain in each.cached for each in names):
        why = "a build cache record holds this layer, and no image"
        return ground.entry(Kind.CACHE, chain, heap, path, identifier=chain, evidence=why)
    if any(chain in each.held for each in names):
        why = "a container is made from this layer, and no image has it"
        return ground.entry(Kind.IMAGE, chain, heap, path, identifier=chain, evidence=why)
    if ground.facts.age(heap.modified) < PULLING:
        why = "no image has this layer yet: a pull may be under way"
        return ground.entry(Kind.IMAGE, chain, heap, path, identifier=chain, evidence=why)
    return ground.entry(
        Kind.LEFTOVER,
        chain,
        heap,
        path,
        identifier=chain,
        evidence="the engine has this layer, and no image, container or cache record holds it: "
        "an interrupted pull",
        frees="pull the image again and remove it",
        safety=Safety.COSTS,
    )


def _interrupted(ground: Ground, name: str, heap: Heap, path: str, folders: Folders) -> Entry:
    """A layer whose removal or arrival has a record of its own."""
    if name in folders.removing:
        why = f"its removal was interrupted: {folders.removing[name]}"
        frees, safety = ground.facts.by_restart()
        return ground.entry(
            Kind.LEFTOVER, name, heap, path, evidence=why, frees=frees, safety=safety
        )
    record = folders.arriving[name]
    if ground.facts.age(max(heap.modified, modified(record))) < IDLE:
        why = "a layer that is being made"
        return ground.entry(Kind.IMAGE, name, heap, path, evidence=why)
    why = f"an interrupted pull or build: {record}"
    entry = ground.entry(Kind.LEFTOVER, name, heap, path, evidence=why)
    return entry._replace(frees=_BY_HAND, safety=Safety.UNKNOWN)


def _cached(ground: Ground, name: str, heap: Heap, path: str, database: str) -> Entry:
    """A folder that BuildKit's databases name."""
    record = name.removesuffix("-init")
    listed = record in ground.facts.cache
    why = "" if listed else f"named in buildkit/{database}, and not in the engine's list"
    return ground.entry(
        Kind.CACHE, ground.facts.record(record), heap, path, identifier=record, evidence=why
    )
