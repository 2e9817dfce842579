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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

from holystone.engine.client import Client
from holystone.engine.clock import timestamp
from holystone.engine.errors import EngineError
from holystone.engine.reading import read_one
from holystone.engine.storage import text_of
from holystone.engine.storage.classic import read_config
from holystone.planner.holders import ambiguous, layers_of_records
from holystone.planner.inventory import Image, Inventory

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
    unsized = {r.id for r in inventory.cache if not (r.size or r.shared or r.type in _OTHER_TYPES)}
    driver = inventory.engine.storage_driver
    if inventory.engine.store != "classic" or not root or "/" in driver or not unsized:
        return inventory
    layers = f"{root}/image/{driver}/layerdb"
    chains: dict[str, set[str]] = {}
    try:
        for chain, record_id in _keys(f"{root}/buildkit/metadata_v2.db"):
            if record_id in unsized:
                chains.setdefault(record_id, set()).add(chain)
        by_record = {
            record_id: layer
            for record_id, named in chains.items()
            if len(named) == 1 and (layer := _read_layer(layers, named.pop())) is not None
        }
        in_containers = held_by_containers(layers) if by_record else set()
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


def chains_of_records(root: str) -> set[str]:
    """The layers that BuildKit's records name, without the algorithm. Raises OSError.

    ``root`` is the engine's data folder.
    """
    database = f"{root}/buildkit/metadata_v2.db"
    if not os.path.exists(database):
        return set()
    return {chain for chain, _ in _keys(database)}


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
    size, name = text_of(f"{folder}/size"), text_of(f"{folder}/cache-id")
    if not size.isdecimal() or not name:
        return None
    return _Layer(chain, int(size), made_here=not _PULLED.fullmatch(name))


def held_by_containers(layers: str) -> set[str]:
    """The layers below the writable layers of containers. Raises OSError."""
    mounts = f"{layers}/mounts"
    names = os.listdir(mounts) if os.path.isdir(mounts) else ()
    return with_lower(layers, [text_of(f"{mounts}/{name}/parent") for name in names])


def with_lower(layers: str, chains: Iterable[str]) -> set[str]:
    """These layers and those below them, without the algorithm of their IDs. Raises OSError.

    ``layers`` is the folder ``layerdb``.
    """
    held: set[str] = set()
    for each in chains:
        chain = each.removeprefix("sha256:")
        while chain and chain not in held:
            held.add(chain)
            chain = text_of(f"{layers}/sha256/{chain}/parent").removeprefix("sha256:")
    return held


def with_holders(client: Client, inventory: Inventory, root: str) -> Inventory:
    """The inventory with facts that show which record holds a layer: dates of layers, and files.

    ``root`` is the engine's data folder where it is in sight, else empty.
    """
    return with_layers(with_dates(client, inventory, root), root)


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
        (parent, *others) = record.parents or ("",)
        below = "" if others or parent not in unclear else _folder_below(root, record.id)
        for layer in unclear[parent] if below else ():
            if _folder_of(root, layer) == below:
                found[parent] = layer
    return inventory._replace(
        cache=tuple(
            record._replace(layer=found[record.id]) if record.id in found else record
            for record in inventory.cache
        )
    )


def _folder_below(root: str, record_id: str) -> str:
    """The name of the folder that what a record writes lies upon; empty where that is not told."""
    if record_id.isalnum():
        with suppress(OSError, IndexError):
            link = text_of(f"{root}/overlay2/{record_id}/lower").partition(":")[0]
            if link.startswith("l/") and link[2:].isalnum():
                return os.readlink(f"{root}/overlay2/{link}").split("/")[-2]
    return ""


def _folder_of(root: str, chain_id: str) -> str:
    """The name of the folder in which a layer is unpacked; empty where that is not told."""
    with suppress(OSError):
        digest = chain_id.removeprefix("sha256:")
        return text_of(f"{root}/image/overlay2/layerdb/sha256/{digest}/cache-id")
    return ""


def with_dates(client: Client, inventory: Inventory, root: str) -> Inventory:
    """The inventory with the dates of those layers that several build cache records may hold.

    ``root`` is the engine's data folder where it is in sight, else empty.
    """
    unclear = ambiguous(inventory)
    if not unclear:
        return inventory
    images = [image for image in inventory.images if image.id in unclear]
    folder = f"{root}/image/{inventory.engine.storage_driver}"
    dates: dict[str, Dates] = {}
    for image in images if root else ():
        told = _of_config(read_config(folder, image.id) or {}, len(image.layers or ()))
        if told is not None:
            dates[image.id] = told
    left = [image for image in images if image.id not in dates]
    paths = [client.versioned(f"/images/{image.id}/history") for image in left]
    with suppress(EngineError):
        for image, answer in zip(left, client.send(("GET", p) for p in paths), strict=True):
            with suppress(EngineError):
                dates[image.id] = read_one(list, answer, partial(_of_history, image))
    return inventory._replace(
        images=tuple(
            image._replace(layer_dates=dates[image.id]) if image.id in dates else image
            for image in inventory.images
        )
    )


def _of_config(config: Mapping[str, Any], count: int) -> Dates | None:
    """The dates of an image's layers from its config; None if it does not have them."""
    try:
        steps = [step for step in config.get("history") or () if not step.get("empty_layer")]
        dates = tuple(timestamp(step.get("created")) for step in steps)
    except (AttributeError, TypeError, ValueError):
        return None
    return dates if len(dates) == count else None


def _of_history(image: Image, steps: Sequence[Mapping[str, Any]]) -> Dates:
    """The dates of the layers with anything in them, where each has its step; else none.

    A history does not show which of the steps of size 0 made a layer.
    """
    made = [float(step["Created"]) for step in reversed(steps) if step.get("Size")]
    layers = image.layers or ()
    if len(made) != sum(1 for layer in layers if layer.size):
        return ()
    left = iter(made)
    return tuple(next(left) if layer.size else None for layer in layers)
