"""Which layers images hold, who else holds them, and what comes free when a set of images goes.

A layer is stored once however many images hold it, and is deleted with its last holder
(moby ``layer/layer_store.go``: layers are counted by chain ID). So the bytes of a set of images
are never the sum of the bytes of the images.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain
from operator import itemgetter
from typing import NamedTuple

from holystone.planner.inventory import Image

_chain_id = itemgetter(0)


def chain_ids(diff_ids: Sequence[str]) -> list[str]:
    """Chain IDs of a stack of layers, bottom first, from their diff IDs (OCI image spec)."""
    from hashlib import sha256  # Loads OpenSSL, and only new images need it.

    chained: list[str] = []
    for diff_id in diff_ids:
        if chained:
            digest = sha256(f"{chained[-1]} {diff_id}".encode()).hexdigest()
            chained.append(f"sha256:{digest}")
        else:
            chained.append(diff_id)
    return chained


def holders(images: Iterable[Image]) -> Counter[str]:
    """How many of these images hold each layer, by chain ID."""
    return Counter(map(_chain_id, chain.from_iterable(image.held for image in images)))


class Share(NamedTuple):
    """An image's bytes told apart: those only it holds, and those it has in common."""

    unique: int
    shared: int


def share(image: Image, count: Counter[str]) -> Share:
    """Split an image's unpacked bytes by who else holds them, given ``holders`` of the host."""
    unique = shared = 0
    for layer in image.held:
        if count[layer.chain_id] > 1:
            shared += layer.size
        else:
            unique += layer.size
    return Share(unique, shared)


def freed_in_order(going: Sequence[Image], count: Counter[str]) -> list[int]:
    """Unpacked bytes each image frees when they go in this order: a layer with its last holder.

    ``count`` is ``holders`` of every image on the host, and is brought down by the images that
    go. The sum of the answer is what the whole set frees, in whatever order.
    """
    freed = []
    for image in going:
        total = 0
        for chain_id, size in image.held:
            count[chain_id] -= 1
            if count[chain_id] == 0:
                total += size
        freed.append(total)
    return freed


def stored_bytes(images: Iterable[Image]) -> int:
    """Unpacked bytes of all layers these images hold, each counted once."""
    sizes: dict[str, int] = {}
    for image in images:
        sizes.update(image.held)
    return sum(sizes.values())
