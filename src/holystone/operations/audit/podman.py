"""The account of a Podman's data folder (containers/storage)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from holystone.engine.storage.podman_records import Layers
from holystone.operations.audit import objects
from holystone.operations.audit.cuts import layers_folder
from holystone.operations.audit.facts import PULLING, untagged
from holystone.operations.audit.ground import Ground
from holystone.operations.audit.record import Entry, Kind
from holystone.outside.heaps import Heap

_CHECK = "podman system check --repair (Podman 5), which asks nothing: read what it says first"

_ID = re.compile("[0-9a-f]{64}")
_STAGING = ("staging", "tempdirs")
_EMPTY = 1 << 16
"""Bytes that such a folder takes with nothing but locks and empty folders in it."""


def entries(ground: Ground, records: Sequence[Layers]) -> Iterator[Entry]:
    """The entries of the data folder. ``records``: what its files named before and after."""
    store = layers_folder(ground.facts.engine)
    inside = store.split("/")
    writers: dict[str, list[str]] = {}
    rest = []
    for name in ground.names(*inside):
        writer = next((each.containers[name] for each in records if name in each.containers), "")
        if writer:
            writers.setdefault(writer, []).append(ground.at(*inside, name))
        elif name != "l":
            rest.append(name)
    yield from objects.containers(ground, f"{store}-containers", writers)
    for name in rest:
        path = ground.at(*inside, name)
        if name in _STAGING:
            yield _staging(ground, name, ground.pile.take_all(path), path)
            continue
        yield _layer(ground, name, ground.pile.take_all(path), path, records)
    yield from objects.temporary(ground, "tmp")
    own = [store.partition("/")[0], f"{store}-containers", f"{store}-images", f"{store}-layers"]
    yield from objects.own_files(ground, own)


def _called(image: str) -> str:
    """What an image is called that Podman's files name; one without a name they name by its ID."""
    return untagged(image) if _ID.fullmatch(image) else image


def _staging(ground: Ground, name: str, heap: Heap, path: str) -> Entry:
    """A folder in which Podman makes or removes layers."""
    if heap.size <= _EMPTY:
        return ground.entry(Kind.ENGINE, "staging of layers", heap, path)
    return objects.passing(ground, name, heap, path)


def _layer(ground: Ground, name: str, heap: Heap, path: str, records: Sequence[Layers]) -> Entry:
    """An entry for the folder of a layer that no container writes to."""
    names = next((each.images[name] for each in records if name in each.images), ())
    holders = ground.facts.smallest_first(map(_called, names))
    if holders:
        return ground.entry(Kind.IMAGE, holders[0], heap, path, identifier=name, holders=holders)
    if not any(name in each.known for each in records):
        why = "the layer database has no layer of this name"
        return ground.stray(name, heap, path, why)._replace(frees=_CHECK)
    if ground.facts.age(heap.modified) < PULLING:
        why = "no image has this layer yet: a pull or build may be under way"
        return ground.entry(Kind.IMAGE, name, heap, path, identifier=name, evidence=why)
    why = "Podman has this layer, and no image or container holds it: an interrupted pull or build"
    return ground.entry(
        Kind.LEFTOVER, name, heap, path, identifier=name, evidence=why, frees=_CHECK
    )
