"""How many bytes the disk gains when objects go, and how sure that is.

A layer comes free with its last holder. Images hold layers, and on the classic store build cache
records do as well: there the last of both frees it, whichever that is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from holystone.planner.content import blob_holders, freed_content
from holystone.planner.holders import (
    RecordBlobs,
    RecordLayers,
    blobs_of_records,
    holders,
    layers_of_records,
    may_share,
    unsized,
)
from holystone.planner.inventory import CacheRecord, Container, Image, Inventory, Volume
from holystone.planner.verdict import Step

_CONTAINER_SNAPSHOT = 65536
"""Bytes a container takes on the containerd store beside what it wrote; 28,672 were seen."""

_OWN_FILES = {"classic": 65536, "containerd": 32768}
"""Bytes that the engine's own files of a layer, record or container take, by store: folders,
metadata and whole blocks. 53,000 and 24,000 were measured on ext4 for records of one small file."""
_FEW = 1_000_000
"""Bytes of such files below which they are left out of the bounds."""


class Slack(NamedTuple):
    """How far the true figure may lie from the sum of the steps, in bytes."""

    estimated: bool
    below: int
    above: int


class Freed(NamedTuple):
    """What goes, image by image and record by record, in bytes."""

    images: list[int]
    records: list[int]
    slack: Slack
    held_by_cache: int
    """Bytes of these images' layers that build cache keeps on the disk. They are in no figure."""


class LayerHolders:
    """Who holds each layer: images for certain, build cache records as far as it can be told.

    A record that may hold any of several layers counts as a holder of each of them. So what comes
    free by this account comes free for certain.
    """

    def __init__(self, images: Iterable[Image], records: RecordLayers) -> None:
        images = tuple(images)
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


def free(
    inventory: Inventory,
    going: Sequence[Image],
    cut: Sequence[CacheRecord],
    layers: RecordLayers | None = None,
) -> Freed:
    """The bytes each image and record frees when exactly these go, images first, in this order.

    The sum is what they free in whatever order. An image whose layers are not known counts with
    its whole size, and may free nothing; one of those that stays may hold what the others
    are thought to free, as far as its own size goes. ``layers`` is ``layers_of_records``, where
    the caller has it.
    """
    if not going and not cut:
        return Freed([], [], Slack(estimated=False, below=0, above=0), 0)
    if inventory.engine.store == "containerd":
        return _free_with_copies(inventory, going, cut)
    layers = layers_of_records(inventory) if layers is None else layers
    account = LayerHolders(inventory.images, layers)
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
    inventory: Inventory, going: Sequence[Image], cut: Sequence[CacheRecord]
) -> Freed:
    """``free`` on the containerd store, where a record shares no more than a compressed blob."""
    blobs = blobs_of_records(inventory)
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


def containerd_slack(inventory: Inventory, steps: Sequence[Step], slack: Slack) -> Slack:
    """What the interface does not tell of the containerd store, as bounds.

    Each container has a snapshot of a few files beside its writable layer, and takes whole blocks.
    Build cache that may share content with images keeps what of theirs it needs, and keeps its own
    share while they stay.
    """
    if not steps:
        return slack._replace(estimated=False)
    blobs = blobs_of_records(inventory)
    unclear = {record.id: record for record in inventory.cache if may_share(record, blobs)}
    containers = sum(1 for step in steps if step.kind == "container")
    images = sum(step.freed_bytes for step in steps if step.kind == "image")
    cut = [step for step in steps if step.kind == "cache" and step.id in unclear]
    return Slack(
        estimated=bool(steps),
        below=max(slack.below, images if unclear else 0)
        + sum(step.freed_bytes for step in cut if unclear[step.id].shared),
        above=slack.above
        + containers * _CONTAINER_SNAPSHOT
        + sum(unclear[step.id].size - step.freed_bytes for step in cut),
    )


def block_slack(inventory: Inventory, going: Sequence[Image], others: int) -> Slack:
    """How much more comes free since the engine keeps files of its own for each object that goes.

    ``others`` is how many build cache records and containers go. That makes nothing an estimate:
    it counts only where the objects are many.
    """
    gone = {image.id for image in going}
    layers = {layer.chain_id for image in going for layer in image.held}
    if layers:
        staying = (image for image in inventory.images if image.id not in gone)
        layers.difference_update(layer.chain_id for image in staying for layer in image.held)
    above = (len(layers) + others) * _OWN_FILES.get(inventory.engine.store, 0)
    return Slack(estimated=False, below=0, above=above if above >= _FEW else 0)


def container_slack(containers: Iterable[Container]) -> Slack:
    """How much less than their ``writable_size`` these containers may free."""
    below = sum(
        container.writable_size - container.writable_at_least
        for container in containers
        if container.writable_at_least is not None
    )
    return Slack(estimated=below > 0, below=below, above=0)


def volume_slack(volumes: Iterable[Volume]) -> Slack:
    """How much less than their size these volumes may free; one of unknown size counts as 0."""
    estimated, below = False, 0
    for volume in volumes:
        if volume.size is None:
            estimated = True
        elif volume.at_least is not None:
            below += volume.size - volume.at_least
    return Slack(estimated or below > 0, below, 0)


def freed_by_record(record: CacheRecord, *, copies: bool, blobs: RecordBlobs | None = None) -> int:
    """The bytes a build cache record frees that are its own. ``copies``: on the containerd store.

    There a record is an unpacked copy and a compressed one, and an image shares the compressed one
    alone. Where ``blobs`` does not tell which that is, half of the record is assumed. On the
    classic store a record that shares its layer with an image has nothing of its own: see
    ``LayerHolders``.
    """
    if not copies:
        return 0 if record.shared else record.size
    if blobs and record.id in blobs:
        return record.size - blobs[record.id].size
    return record.size // 2 if may_share(record, blobs) else record.size
