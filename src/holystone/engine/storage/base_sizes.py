"""The sizes of the base layers that build cache holds (classic image store).

For ``FROM`` BuildKit pulls layers and makes no image of them, and tells the record of each with
size 0. Its database (``buildkit/metadata_v2.db``) names the layer of each such record in an index
whose keys are plain text, ``chainid:sha256:LAYER::RECORD``, and ``layerdb`` has the size of each
layer (see ``engine.storage.classic``). The database is searched for that text, not parsed. A record
keeps its layer for life, so what an outdated page of it says of a record is true as well.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from contextlib import suppress
from typing import NamedTuple

from holystone.planner.inventory import CacheRecord, Inventory

_KEY = re.compile(rb"chainid:sha256:([0-9a-f]{64})::([0-9a-z]{25})")
"""It begins with plain letters: so ``re`` searches 100 MB in a twentieth of a second."""
_OTHER_INDEX = b"blob"
"""What stands before it in a key of another index."""
_LONGEST = len(b"blobchainid:sha256:") + 64 + len("::") + 25
_CHUNK = 1 << 22
_PULLED = re.compile(r"[0-9a-f]{64}")
"""How the engine names the folder of a layer that it unpacked; BuildKit names one that it made
with 25 letters and digits."""
_OTHER_TYPES = ("source.local", "source.git.checkout", "exec.cachemount", "internal")


class _Layer(NamedTuple):
    chain: str
    size: int
    made_here: bool
    """Whether a step of a build made it, whose record may hold it too."""


def with_base_sizes(inventory: Inventory, root: str) -> Inventory:
    """The inventory with the sizes of records that the engine tells with size 0.

    ``root`` is the engine's data folder. What cannot be read there stays as the engine tells it.
    """
    unsized = {r.id for r in inventory.cache if _may_be_base(r)}
    driver = inventory.engine.storage_driver
    if inventory.engine.store != "classic" or not root or "/" in driver or not unsized:
        return inventory
    layers = f"{root}/image/{driver}/layerdb"
    try:
        chains = _chains_of(f"{root}/buildkit/metadata_v2.db", unsized)
        by_record = {
            record_id: layer
            for record_id, chain in chains.items()
            if (layer := _read_layer(layers, chain)) is not None
        }
        in_containers = _held_by_containers(layers) if by_record else set()
    except OSError:
        return inventory
    steps = {r.size for r in inventory.cache if r.size and not r.shared}
    counted: set[str] = set()
    cache = []
    for record in inventory.cache:
        layer = by_record.get(record.id)
        if layer is not None:
            others = layer.chain in in_containers or layer.chain in counted
            others = others or (layer.made_here and layer.size in steps)
            counted.add(layer.chain)
            size = 0 if others else layer.size
            record = record._replace(size=size, size_at_most=layer.size)  # noqa: PLW2901
        cache.append(record)
    return inventory._replace(cache=tuple(cache))


def _may_be_base(record: CacheRecord) -> bool:
    return not record.size and not record.shared and record.type not in _OTHER_TYPES


def _chains_of(database: str, records: Collection[str]) -> dict[str, str]:
    """The layer of each of these records, where the database names one. Raises OSError."""
    found: dict[str, set[str]] = {}
    for chain, record_id in _keys(database):
        if record_id in records:
            found.setdefault(record_id, set()).add(chain)
    return {record_id: chains.pop() for record_id, chains in found.items() if len(chains) == 1}


def _keys(database: str) -> Iterator[tuple[str, str]]:
    """Layer and record of each key of the index. Raises OSError."""
    tail = b""
    with open(database, "rb") as file:
        while chunk := file.read(_CHUNK):
            text = tail + chunk
            for key in _KEY.finditer(text):
                # What ends in the tail was found before, and what it begins with may be cut off.
                before = text[max(0, key.start() - len(_OTHER_INDEX)) : key.start()]
                if key.end() > len(tail) and before != _OTHER_INDEX:
                    yield key[1].decode(), key[2].decode()
            tail = text[-_LONGEST:]


def _read_layer(layers: str, chain: str) -> _Layer | None:
    """A layer in the engine's files; None where it is not there. Raises OSError."""
    folder = f"{layers}/sha256/{chain}"
    with suppress(FileNotFoundError, ValueError):
        with open(f"{folder}/size", "rb") as file:
            size = int(file.read())
        with open(f"{folder}/cache-id") as file:
            made_here = not _PULLED.fullmatch(file.read().strip())
        return _Layer(chain, max(0, size), made_here)
    return None


def _held_by_containers(layers: str) -> set[str]:
    """The layers below the writable layers of containers. Raises OSError."""
    held: set[str] = set()
    mounts = f"{layers}/mounts"
    if not os.path.isdir(mounts):
        return held
    for name in os.listdir(mounts):
        chain = _parent(f"{mounts}/{name}")
        while chain and chain not in held:
            held.add(chain)
            chain = _parent(f"{layers}/sha256/{chain}")
    return held


def _parent(folder: str) -> str:
    """The layer that a layer lies on; empty where there is none. Raises OSError."""
    with suppress(FileNotFoundError), open(f"{folder}/parent") as file:
        return file.read().strip().removeprefix("sha256:")
    return ""
