"""The bytes of a host in pieces: each byte once, with every object that must go to free it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from typing import NamedTuple

from holystone.planner.holders import holders as count_holders
from holystone.planner.holders import shares_of_records
from holystone.planner.inventory import Image, Inventory
from holystone.planner.sizes import content_alone, freed_by_record, freed_content
from holystone.planner.usage import Key


class Piece(NamedTuple):
    """Bytes that the same objects hold. They come free when the last of these objects goes."""

    kind: str
    """What the bytes are: ``image``, ``container``, ``cache`` or ``volume``."""
    holders: tuple[Key, ...]
    """The kind and ID of each holder, in order; an image's layers can have build cache as well."""
    size: int
    """Bytes, more than 0."""
    layers: tuple[tuple[str, int], ...] = ()
    """The layers that an image's bytes consist of: chain ID and bytes, the largest first."""

    def freed_by(self, gone: Collection[Key]) -> bool:
        """Whether these bytes come free when exactly these objects go."""
        return all(holder in gone for holder in self.holders)


def pieces_of(inventory: Inventory) -> list[Piece]:
    """Every piece of this host, the largest first; layers of all images must be known.

    A layer counts once, however many images and build cache records hold it: the layers with the
    same holders are one piece. So the sum over the pieces of images is what the images take, and
    the pieces whose holders a plan takes are the bytes that it frees. Where the engine tells no
    exact sizes, these are estimates, as the plan's are.
    """
    found = [*_of_images(inventory), *_others(inventory)]
    return sorted(found, key=lambda piece: (-piece.size, piece.kind, piece.holders))


def _others(inventory: Inventory) -> Iterator[Piece]:
    """The pieces that one object holds: what it writes, or a volume, or a record's own bytes."""
    copies = inventory.engine.store == "containerd"
    blobs = shares_of_records(inventory).blobs
    sized = [("container", each.id, each.freed_bytes) for each in inventory.containers]
    sized += [
        ("cache", each.id, freed_by_record(each, copies=copies, blobs=blobs))
        for each in inventory.cache
    ]
    sized += [("volume", each.name, each.size or 0) for each in inventory.volumes]
    for kind, name, size in sized:
        if size > 0:
            yield Piece(kind, ((kind, name),), size)


def _of_images(inventory: Inventory) -> Iterator[Piece]:
    parts = _Parts()
    shares = shares_of_records(inventory)
    for image in inventory.images:
        key = ("image", image.id)
        for layer in image.held:
            parts.hold(key, layer.chain_id, layer.size, layer=True)
        parts.hold(key, f"own {image.id}", image.metadata_size)
        if image.layers is None:
            whole = max(0, image.size - image.content_size)
            parts.hold(key, f"whole {image.id}", whole)
    for record_id, layers in shares.layers.items():
        for chain_id in layers:
            parts.join(("cache", record_id), chain_id)
    if all(image.blobs is not None for image in inventory.images):
        for image in inventory.images:
            for blob in set(image.blobs or ()):
                parts.hold(("image", image.id), f"blob {blob.digest}", blob.size)
        for record_id, blob in (shares.blobs or {}).items():
            parts.join(("cache", record_id), f"blob {blob.digest}")
    else:
        _hold_content(parts, inventory.images)
    yield from parts.pieces()


def _hold_content(parts: _Parts, images: tuple[Image, ...]) -> None:
    """Compressed content of which only sums are known: what each image has alone, and the rest."""
    count = count_holders(images)
    alone = [each.freed for each in content_alone(images, count)]
    for image, size in zip(images, alone, strict=True):
        parts.hold(("image", image.id), f"content {image.id}", size)
    rest = sum(each.freed for each in freed_content(images, images, count)) - sum(alone)
    for image in images:
        if image.content_size and any(count[layer.chain_id] > 1 for layer in image.held):
            parts.hold(("image", image.id), "content of shared layers", max(0, rest))


class _Parts:
    """What is stored once, by name, with its bytes and its holders."""

    def __init__(self) -> None:
        self._sizes: dict[str, int] = {}
        self._holders: defaultdict[str, dict[Key, None]] = defaultdict(dict)
        self._layers: set[str] = set()

    def hold(self, holder: Key, name: str, size: int, *, layer: bool = False) -> None:
        """The holder holds this; all of its holders give it one size."""
        self._sizes.setdefault(name, size)
        self._holders[name][holder] = None
        if layer:
            self._layers.add(name)

    def join(self, holder: Key, name: str) -> None:
        """One more holder, if anything holds this at all."""
        if name in self._sizes:
            self._holders[name][holder] = None

    def pieces(self) -> Iterator[Piece]:
        together: defaultdict[tuple[Key, ...], list[str]] = defaultdict(list)
        for name, holders in self._holders.items():
            if self._sizes[name] > 0:
                together[tuple(sorted(holders))].append(name)
        for keys, names in together.items():
            size = sum(self._sizes[name] for name in names)
            layers = [(name, self._sizes[name]) for name in names if name in self._layers]
            layers.sort(key=lambda layer: (-layer[1], layer[0]))
            yield Piece("image", keys, size, tuple(layers))
