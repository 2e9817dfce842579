"""Which layer a base has that a running build stands on, by the engine's files (overlay2).

Of a base that was an image here BuildKit makes records anew, "from local", which have neither a
size nor the date of the layer: by the interface one may hold any layer that fits. What the running
step writes on top of it is in a folder named by that step's record, and its file ``lower`` names
the folder below, which the layer's ``cache-id`` names as well (moby
``daemon/graphdriver/overlay2`` and ``layer/filestore.go``).
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress

from holystone.planner.holders import layers_of_records
from holystone.planner.inventory import Inventory


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
