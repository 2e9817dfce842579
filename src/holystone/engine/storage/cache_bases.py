"""Which layers the build cache holds, and how large its base layers are (classic image store).

For ``FROM`` BuildKit pulls layers and makes no image of them, and tells the record of each with
size 0. Its database (``buildkit/metadata_v2.db``) names the layer of each such record in an index
whose keys are plain text, ``chainid:sha256:LAYER::RECORD``, and ``layerdb`` has the size of each
layer (see ``engine.storage.classic``). The database is searched for that text, not parsed. A record
keeps its layer for life, so what an outdated page of it says of a record is true as well.

Of a base that was an image here BuildKit makes records anew, "from local", which have neither a
size nor the date of the layer: by the interface one may hold any layer that fits. What a running
step writes on top of it is in a folder named by that step's record, and its file ``lower`` names
the folder below, which the layer's ``cache-id`` names as well (moby
``daemon/graphdriver/overlay2`` and ``layer/filestore.go``).

When the step that made a layer ran tells which record holds the layer: BuildKit writes the date of
each record into the history of the image. An image's config has it to the nanosecond,
``GET /images/{id}/history`` to the second. It is asked only where sizes leave several records for a
layer, and not remembered.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

from holystone.engine.client import Client
from holystone.engine.clock import timestamp
from holystone.engine.errors import EngineError
from holystone.engine.reading import read_one
from holystone.engine.storage.classic import read_config
from holystone.planner.holders import ambiguous, layers_of_records
from holystone.planner.inventory import CacheRecord, Image, Inventory

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
Dates = tuple[float | None, ...]


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


def with_layers(inventory: Inventory, root: str) -> Inventory:
    """The inventory with the layers of those records that may hold several, where files tell.

    ``root`` is the engine's data folder where it is in sight, else empty.
    """
    if not root or inventory.engine.storage_driver != "overlay2":
        return inventory
    unclear = {r: held for r, held in layers_of_records(inventory).items() if len(held) > 1}
    if not unclear:
        return inventory
    found: dict[str, str] = {}
    for record in inventory.cache:
        if len(record.parents) != 1 or record.parents[0] not in unclear:
            continue
        below = _folder_below(root, record.id)
        if below is None:
            continue
        layer = _layer_in(root, below, unclear[record.parents[0]])
        if layer is not None:
            found[record.parents[0]] = layer
    return inventory._replace(
        cache=tuple(
            record._replace(layer=found[record.id]) if record.id in found else record
            for record in inventory.cache
        )
    )


def _folder_below(root: str, record_id: str) -> str | None:
    """The name of the folder that what a record writes lies upon; None where that is not told."""
    if not record_id.isalnum():
        return None
    with suppress(OSError, ValueError, IndexError):
        with open(f"{root}/overlay2/{record_id}/lower") as file:
            link = file.read().partition(":")[0]
        if link.startswith("l/") and link[2:].isalnum():
            return os.readlink(f"{root}/overlay2/{link}").split("/")[-2]
    return None


def _layer_in(root: str, folder: str, layers: Iterable[str]) -> str | None:
    """That of these layers which is unpacked in a folder of this name."""
    for chain_id in layers:
        path = f"{root}/image/overlay2/layerdb/sha256/{chain_id.removeprefix('sha256:')}/cache-id"
        with suppress(OSError, ValueError), open(path) as file:
            if file.read().strip() == folder:
                return chain_id
    return None


def with_dates(client: Client, inventory: Inventory, root: str) -> Inventory:
    """The inventory with the dates of those layers that several build cache records may hold.

    ``root`` is the engine's data folder where it is in sight, else empty.
    """
    unclear = ambiguous(inventory)
    if not unclear:
        return inventory
    images = {image.id: image for image in inventory.images if image.id in unclear}
    dates: dict[str, Dates] = {}
    folder = f"{root}/image/{inventory.engine.storage_driver}"
    if root:
        for image in images.values():
            told = _of_config(read_config(folder, image.id) or {}, len(image.layers or ()))
            if told is not None:
                dates[image.id] = told
    dates |= _ask_dates(client, [image for image in images.values() if image.id not in dates])
    return inventory._replace(
        images=tuple(
            image._replace(layer_dates=dates[image.id]) if image.id in dates else image
            for image in inventory.images
        )
    )


def _of_config(config: Mapping[str, Any], count: int) -> Dates | None:
    """The dates of an image's layers by its config; None where it does not tell them."""
    try:
        steps = [step for step in config.get("history") or () if not step.get("empty_layer")]
        dates = tuple(timestamp(step.get("created")) for step in steps)
    except (AttributeError, TypeError, ValueError):
        return None
    return dates if len(dates) == count else None


def _ask_dates(client: Client, images: Collection[Image]) -> dict[str, Dates]:
    """The dates of the images' layers as far as their histories tell them."""
    paths = [client.versioned(f"/images/{image.id}/history") for image in images]
    dates: dict[str, Dates] = {}
    with suppress(EngineError):
        answers = client.send(("GET", path) for path in paths)
        for image, answer in zip(images, answers, strict=True):
            with suppress(EngineError):
                dates[image.id] = read_one(list, answer, partial(_of_history, image))
    return dates


def _of_history(image: Image, steps: Sequence[Mapping[str, Any]]) -> Dates:
    """The dates of the layers with anything in them, where each has its step; else none.

    A history does not tell which of the steps of size 0 made a layer.
    """
    made = [float(step["Created"]) for step in reversed(steps) if step.get("Size")]
    layers = image.layers or ()
    if len(made) != sum(1 for layer in layers if layer.size):
        return ()
    left = iter(made)
    return tuple(next(left) if layer.size else None for layer in layers)
