"""Which layers and blobs images and build cache records hold.

A layer is stored once, even if many images hold it, and is deleted with its last holder
(moby ``layer/layer_store.go``: layers are counted by chain ID). So the bytes of a set of images
are never the sum of the bytes of the images.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import NamedTuple

from holystone.planner.inventory import Blob, CacheRecord, Image, Inventory

_chain_id = itemgetter(0)


def holders(images: Iterable[Image]) -> Counter[str]:
    """How many of these images hold each layer, by chain ID."""
    return Counter(map(_chain_id, chain.from_iterable(image.held for image in images)))


class Share(NamedTuple):
    """An image's bytes: those only it holds, and those it shares with other images."""

    unique: int
    shared: int


def share(image: Image, count: Counter[str]) -> Share:
    """Split an image's unpacked bytes by who else holds them, given ``holders`` of the host."""
    shared = sum(layer.size for layer in image.held if count[layer.chain_id] > 1)
    return Share(sum(layer.size for layer in image.held) - shared, shared)


def unpacked_bytes(images: Iterable[Image]) -> int:
    """Unpacked bytes of all layers these images hold, each counted once."""
    sizes: dict[str, int] = {}
    for image in images:
        sizes.update(image.held)
    return sum(sizes.values())


RecordLayers = Mapping[str, frozenset[str]]
"""By record ID the chain IDs of the layers of which it holds one. Only for records that share their
layer with an image, and only where the layers of images are known."""


def layers_of_records(inventory: Inventory) -> RecordLayers:
    """The layers that each build cache record may hold; empty on other stores than the classic."""
    if inventory.engine.store != "classic":
        return {}
    shared = {record.id: record for record in inventory.cache if record.shared}
    tree = _LayerTree(inventory.images if shared else ())
    if not tree.sizes:
        return {}
    order = _parents_first(shared)
    found: dict[str, set[str]] = {}
    for record in order:
        found[record.id] = tree.fitting(record, found)
    # A child's layer lies on its parent's: that narrows the parents, and then the children again.
    alone = [r for r in order if len(r.parents) == 1 and r.parents[0] in found]
    for record in reversed(alone):
        parent = record.parents[0]
        below = {tree.below[layer] for layer in found[record.id]}
        found[parent] = found[parent] & below or found[parent]
    for record in alone:
        lowers = found[record.parents[0]]
        above = {layer for layer in found[record.id] if tree.below[layer] in lowers}
        found[record.id] = above or found[record.id]
    return {record_id: frozenset(layers) for record_id, layers in found.items()}


def ambiguous(inventory: Inventory) -> set[str]:
    """IDs of the images whose layers' dates would show which record holds which of their layers."""
    unclear = set[str]().union(
        *(layers for layers in layers_of_records(inventory).values() if len(layers) > 1)
    )
    return {
        image.id
        for image in inventory.images
        if not image.layer_dates and any(x.chain_id in unclear for x in image.layers or ())
    }


def unsized(record: CacheRecord) -> bool:
    """Whether the bytes of a record of the classic store are unknown: no image has its layer."""
    told = record.size or record.shared or record.size_at_most is not None
    return not told and _is_pulled(record)


def _is_pulled(record: CacheRecord) -> bool:
    return record.description.startswith(("pulled from ", "from "))


def _parents_first(records: Mapping[str, CacheRecord]) -> list[CacheRecord]:
    order: dict[str, CacheRecord] = {}
    for start in records:
        path = [start]
        while path:
            record = records[path[-1]]
            waiting = (p for p in record.parents if p in records and p not in order)
            above = next((parent for parent in waiting if parent not in path), None)
            if above is None:
                order[path.pop()] = record
            else:
                path.append(above)
    return list(order.values())


class _LayerTree:
    """The layers of all images as a tree: each with the one below it."""

    def __init__(self, images: Iterable[Image]) -> None:
        self.sizes: dict[str, int | None] = {}
        """By chain ID; None where the size is not certain."""
        self.below: dict[str, str] = {}
        self.above: defaultdict[str, set[str]] = defaultdict(set)
        """The layers on each; the lowest layers under the empty name."""
        self.dates: defaultdict[str, set[float]] = defaultdict(set)
        """When the steps that made a layer ran, where that is known."""
        for image in images:
            lower = ""
            for chain_id, size in image.layers or ():
                if chain_id not in self.sizes:
                    self.below[chain_id] = lower
                    self.above[lower].add(chain_id)
                if image.exact:
                    self.sizes[chain_id] = size
                else:
                    self.sizes.setdefault(chain_id, None)
                lower = chain_id
            for layer, made in zip(image.layers or (), image.layer_dates, strict=False):
                if made is not None:
                    self.dates[layer.chain_id].add(made)

    def fitting(self, record: CacheRecord, found: Mapping[str, set[str]]) -> set[str]:
        """The layers a record may hold, as far as its own figures and its parent's layers tell."""
        if record.layer in self.sizes:
            return {record.layer}
        options = set(self.sizes)
        if not record.parents:
            options = self.above[""]
        elif len(record.parents) == 1 and record.parents[0] in found:
            options = {x for lower in found[record.parents[0]] for x in self.above.get(lower, ())}
        # Where no size fits, BuildKit measured the record before it was an image's: symbolic links
        # and the like count differently then.
        return (
            {layer for layer in options if self._made_by(layer, record)}
            or {layer for layer in options if self._is_sized(layer, record)}
            or set(options or self.sizes)
        )

    def _made_by(self, layer: str, record: CacheRecord) -> bool:
        """Whether a record is the step that made a layer; engines may tell whole seconds only."""
        return any(
            abs(made - record.created) < 1e-3 or made == int(record.created)
            for made in self.dates.get(layer, ())
        )

    def _is_sized(self, layer: str, record: CacheRecord) -> bool:
        """BuildKit tells a size of 0 for what it pulled as a base."""
        size = self.sizes[layer]
        return size is None or size == record.size or (not record.size and _is_pulled(record))


RecordBlobs = Mapping[str, Blob]
"""By record ID the blob that it shares with images."""


def blobs_of_records(inventory: Inventory) -> RecordBlobs | None:
    """The blob that each build cache record shares with images of this host.

    None where the blobs of an image are not known: then nothing tells.
    """
    unknown = any(image.blobs is None and image.content_size for image in inventory.images)
    if inventory.partial or unknown:
        return None
    sizes = {record.size for record in inventory.cache if record.type == "regular"}
    blobs: dict[int, Blob] = {}
    for image in inventory.images if sizes else ():
        for unpacked in {layer.size for layer in image.held}:
            for blob in image.blobs or ():
                if unpacked + blob.size in sizes:
                    blobs.setdefault(unpacked + blob.size, blob)
    return {
        record.id: blobs[record.size]
        for record in inventory.cache
        if record.type == "regular" and record.size in blobs
    }


class RecordShares(NamedTuple):
    """What build cache records hold together with images."""

    layers: RecordLayers
    blobs: RecordBlobs | None
    """None on other stores than containerd, and where nothing tells."""


def shares_of_records(inventory: Inventory) -> RecordShares:
    """What the build cache records of a host hold together with its images."""
    copies = inventory.engine.store == "containerd"
    blobs = blobs_of_records(inventory) if copies else None
    return RecordShares(layers_of_records(inventory), blobs)


def may_share(record: CacheRecord, blobs: RecordBlobs | None) -> bool:
    """Whether a record may share a blob with an image, and it is unknown which."""
    if blobs is None:
        return record.shared or record.type == "regular"
    return record.shared and record.id not in blobs


class LayerHolders:
    """Who holds each layer: images for certain, build cache records as far as it can be told.

    A record that may hold any of several layers counts as a holder of each of them. So what comes
    free by this account comes free for certain.
    """

    def __init__(self, images: Sequence[Image], records: RecordLayers) -> None:
        self.images = holders(images)
        self.unknown = sum(1 for image in images if image.layers is None)
        """How many images may hold any layer, since theirs are not known."""
        self.layers_of = records
        self.records: Counter[str] = Counter()
        """How many records may hold a layer."""
        self.certain: Counter[str] = Counter()
        """How many records hold a layer and can hold no other."""
        for layers in records.values():
            self._count(layers, 1)
        self.left: dict[str, int] = {}
        """Sizes of the layers that no image holds any more and a record may."""

    def give_up_image(self, image: Image) -> int:
        """Unpacked bytes that come free with an image."""
        freed = 0
        self.unknown -= image.layers is None
        for chain_id, size in image.held:
            self.images[chain_id] -= 1
            if self.images[chain_id]:
                continue
            if self.records[chain_id]:
                self.left[chain_id] = size
            else:
                freed += size
        return freed

    def give_up_record(self, record: CacheRecord) -> int:
        """Bytes that come free with a build cache record of the classic store."""
        if not record.shared:
            return record.size
        layers = self.layers_of.get(record.id, frozenset())
        self._count(layers, -1)
        return sum(self.left.pop(c, 0) for c in layers if not self.records[c])

    def shared(self, record: CacheRecord) -> bool:
        """Whether an image that is left may hold the layer of a record too."""
        layers = self.layers_of.get(record.id)
        if not record.shared or self.unknown or not layers:
            return record.shared
        return any(self.images[chain_id] for chain_id in layers)

    def _count(self, layers: frozenset[str], change: int) -> None:
        for chain_id in layers:
            self.records[chain_id] += change
        if len(layers) == 1:
            self.certain.update(dict.fromkeys(layers, change))

    @property
    def doubtful(self) -> int:
        """Bytes of the layers that are left of which no record holds one for certain."""
        return sum(size for chain_id, size in self.left.items() if not self.certain[chain_id])
