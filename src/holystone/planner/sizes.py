"""How many bytes the disk gains when objects go, exact or with bounds.

A layer comes free with its last holder. Images hold layers, and on the classic store build cache
records too: there the last of both frees it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from holystone.planner.bounds import Slack
from holystone.planner.holders import (
    LayerHolders,
    RecordBlobs,
    RecordShares,
    may_share,
    shares_of_records,
    unsized,
)
from holystone.planner.inventory import CacheRecord, Image, Inventory


class Freed(NamedTuple):
    """What goes, image by image and record by record, in bytes."""

    images: list[int]
    records: list[int]
    slack: Slack
    held_by_cache: int
    """Bytes of these images' layers that build cache keeps on the disk. They are in no figure."""


def free(
    inventory: Inventory,
    going: Sequence[Image],
    cut: Sequence[CacheRecord],
    shares: RecordShares | None = None,
) -> Freed:
    """The bytes each image and record frees when exactly these go, images first, in this order.

    The sum is the same in any order. An image whose layers are not known counts with
    its whole size, and may free nothing; one of those that stays may hold what the others
    are thought to free, as far as its own size goes. ``shares`` is ``shares_of_records``, where
    the caller has it.
    """
    if not going and not cut:
        return Freed([], [], Slack(), 0)
    shares = shares or shares_of_records(inventory)
    if inventory.engine.store == "containerd":
        return _free_with_copies(inventory, going, cut, shares.blobs)
    account = LayerHolders(inventory.images, shares.layers)
    images, slack = _free_images(inventory.images, going, account)
    records = [account.give_up_record(record) for record in cut]
    doubtful = account.doubtful
    doubtful += sum(max(0, (r.size_at_most or 0) - r.size) for r in cut)
    estimated = slack.estimated or doubtful > 0 or any(map(unsized, cut))
    slack = Slack(estimated, slack.below, slack.above + doubtful)
    return Freed(images, records, slack, sum(account.left.values()))


def free_images(images: Sequence[Image], going: Sequence[Image]) -> tuple[list[int], Slack]:
    """The bytes each image frees when these go in this order and no build cache holds a layer."""
    return _free_images(images, going, LayerHolders(images, {}))


def _free_with_copies(
    inventory: Inventory,
    going: Sequence[Image],
    cut: Sequence[CacheRecord],
    blobs: RecordBlobs | None,
) -> Freed:
    """``free`` on the containerd store, where a record shares no more than a compressed blob."""
    cached = Counter(blob.digest for blob in (blobs or {}).values())
    account = LayerHolders(inventory.images, {})
    images, slack = _free_images(inventory.images, going, account, cached)
    holders = blob_holders(inventory.images)
    left = {blob.digest: blob.size for image in going for blob in image.blobs or ()}
    holders.subtract(blob_holders(going))
    records = []
    for record in cut:
        freed = freed_by_record(record, copies=True, blobs=blobs)
        if blobs and record.id in blobs:
            digest, size = blobs[record.id]
            cached[digest] -= 1
            freed += 0 if cached[digest] or holders[digest] else size
        records.append(freed)
    held = sum(size for digest, size in left.items() if cached[digest] and not holders[digest])
    return Freed(images, records, slack, held)


def _free_images(
    images: Sequence[Image],
    going: Sequence[Image],
    account: LayerHolders,
    cached: Collection[str] = (),
) -> tuple[list[int], Slack]:
    contents = freed_content(going, images, account.images, cached)
    freed = []
    below = above = 0
    for image, content in zip(going, contents, strict=True):
        unpacked = account.give_up_image(image)
        whole = max(0, image.size - image.content_size)
        known = (whole if image.layers is None else unpacked) + image.metadata_size
        freed.append(known + content.freed)
        below += content.freed - content.at_least
        above += content.at_most - content.freed
        if image.layers is None or not image.exact:
            below += known
            above += max(0, image.size + image.metadata_size - known)
    gone = {image.id for image in going}
    holding = [image for image in images if image.layers is None and image.id not in gone]
    if holding:
        held = sum(freed) if any(each.odd for each in holding) else sum(i.size for i in holding)
        below = min(sum(freed), below + held)
    estimated = below + above > 0 or any(image.content_size for image in going)
    return freed, Slack(estimated, below, above)


def freed_by_record(record: CacheRecord, *, copies: bool, blobs: RecordBlobs | None = None) -> int:
    """The bytes a build cache record frees that are its own. ``copies``: on the containerd store.

    There a record is an unpacked copy and a compressed one, and an image shares the compressed one
    alone. Where ``blobs`` does not tell which that is, half of the record is assumed. On the
    classic store a record that shares its layer with an image has no separate bytes: see
    ``LayerHolders``.
    """
    if not copies:
        return 0 if record.shared else record.size
    if blobs and record.id in blobs:
        return record.size - blobs[record.id].size
    return record.size // 2 if may_share(record, blobs) else record.size


class Content(NamedTuple):
    """Compressed bytes one image frees: the likely figure and the bounds it lies within."""

    freed: int = 0
    at_least: int = 0
    at_most: int = 0


def freed_content(
    going: Sequence[Image],
    images: Sequence[Image],
    count: Counter[str],
    cached: Collection[str] = (),
) -> list[Content]:
    """What each image frees when they go in this order, unpacked layers aside.

    ``count`` is ``holders`` of every image on the host; it is not changed. Where the blobs
    of every image are known the answer is exact: a blob goes with its last holder. ``cached`` are
    the digests of blobs that build cache holds as well: they come free with no image.
    """
    if not any(image.content_size for image in going):
        return [Content()] * len(going)
    freed = []
    if all(image.blobs is not None for image in images):
        holders = blob_holders(images)
        for image in going:
            blobs = set(image.blobs or ())
            holders.subtract(blob.digest for blob in blobs)
            freed.append(
                _exact(b.size for b in blobs if not holders[b.digest] and b.digest not in cached)
            )
        return freed
    left = Counter(count)
    prefixes = _Prefixes(images)
    for image in going:
        left.subtract(layer.chain_id for layer in image.held)
        if image.other_layers:
            freed.append(_of_platforms(image, left))
        else:
            freed.append(prefixes.above(image, left, 0))
    return freed


def content_alone(images: Sequence[Image], count: Counter[str]) -> list[Content]:
    """What each of these images, all of a host, would free if it went and no other."""
    if not any(image.content_size for image in images):
        return [Content()] * len(images)
    if all(image.blobs is not None for image in images):
        holders = blob_holders(images)
        return [
            _exact(blob.size for blob in set(image.blobs or ()) if holders[blob.digest] == 1)
            for image in images
        ]
    prefixes = _Prefixes(images)
    return [prefixes.above(image, count, 1) for image in images]


def blob_holders(images: Iterable[Image]) -> Counter[str]:
    """How many of these images hold each blob, by digest."""
    return Counter(blob.digest for image in images for blob in set(image.blobs or ()))


def _exact(sizes: Iterable[int]) -> Content:
    total = sum(sizes)
    return Content(total, total, total)


def _of_platforms(image: Image, left: Counter[str]) -> Content:
    """The content of an image of several platforms; ``left`` says which layers others hold now.

    The interface reports the sum over its platforms, which counts shared blobs for each platform.
    """
    alone = sum(layer.size for layer in image.held if not left[layer.chain_id])
    unpacked = max(1, alone, image.size - image.content_size)
    shared = any(left[layer.chain_id] for layer in image.held)
    least = 0 if shared else image.content_size // max(1, len(image.platforms))
    return Content(max(least, image.content_size * alone // unpacked), least, image.content_size)


class _Prefixes:
    """What is known of the compressed size of a stack of layers, by its top chain ID."""

    def __init__(self, images: Iterable[Image]) -> None:
        self.ends: dict[str, int] = {}
        """Smallest content of an image whose topmost layer this is."""
        self.most: dict[str, int] = {}
        """Smallest content of an image that holds this layer: the stack weighs no more."""
        self.guess: dict[str, int] = {}
        """Elsewhere: the least of what the images that hold it give it by unpacked size."""
        for image in images:
            if not image.layers:
                continue
            content = image.content_size
            _lower(self.ends, image.layers[-1].chain_id, content)
            unpacked = sum(layer.size for layer in image.layers)
            below = 0
            for chain_id, size in image.layers:
                below += size
                _lower(self.most, chain_id, content)
                _lower(self.guess, chain_id, content * below // unpacked if unpacked else 0)

    def above(self, image: Image, count: Counter[str], own: int) -> Content:
        """The content of an image above its topmost layer that others hold.

        Others hold a layer where ``count`` is more than ``own``. Two sets of images on one stack
        then free the same in any order.
        """
        content = image.content_size
        # Layers may be unknown; an artifact, which has none, may share its blobs with another.
        if not image.layers:
            return Content(content, 0, content)
        shared = (each.chain_id for each in reversed(image.layers) if count[each.chain_id] > own)
        end = next(shared, None)
        if end is None:
            return Content(content, content, content)
        most = self.most[end]
        likely = min(self.ends.get(end, self.guess[end]), most)
        return Content(content - likely, content - most, content)


def _lower(least: dict[str, int], key: str, value: int) -> None:
    least[key] = min(least.get(key, value), value)
