"""How many bytes come free, and how sure that is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from holystone.core.content import freed_content
from holystone.core.decision import Step
from holystone.core.inventory import CacheRecord, Container, Image, Inventory, Volume
from holystone.core.layers import freed_in_order, freed_sizes, holders

_CONTAINER_SNAPSHOT = 65536
"""Bytes a container takes on the containerd store beside what it wrote; 28,672 were seen."""


class Slack(NamedTuple):
    """How far the true figure may lie from the sum of the steps, in bytes."""

    estimated: bool
    below: int
    above: int


def free_images(images: Sequence[Image], going: Sequence[Image]) -> tuple[list[int], Slack]:
    """The bytes each image frees when exactly these go in this order, and how sure that is.

    The sum is what the set frees in whatever order. An image whose layers are not known counts
    with its whole size, and may free nothing; one of those that stays may hold what the others are
    thought to free, as far as its own size goes.
    """
    count = holders(images)
    contents = freed_content(going, images, count)
    layers = freed_in_order(going, count)
    freed = []
    below = above = 0
    for image, unpacked, content in zip(going, layers, contents, strict=True):
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


def held_by_cache(inventory: Inventory, going: Sequence[Image], cut: Collection[str]) -> int:
    """Bytes of these images' layers that build cache may hold on to, on the classic store.

    BuildKit holds the layers it made as well, and the engine's figures count them twice: once as
    an image's, once as a record's. So they fall when the image goes, and the disk does not before
    the record goes. A record has the size of the layer it shares, which tells the two together.
    """
    shared = [r.size for r in inventory.cache if r.shared and r.size and r.id not in cut]
    if inventory.engine.store != "classic" or not shared or not going:
        return 0
    count = holders(inventory.images)
    freed_in_order(going, count)
    freed = freed_sizes(going, count)
    return sum(size * min(n, freed[size]) for size, n in Counter(shared).items())


def containerd_slack(inventory: Inventory, steps: Sequence[Step], slack: Slack) -> Slack:
    """What the interface does not tell of the containerd store, as bounds.

    Each container has a snapshot of a few files beside its writable layer, and takes whole blocks.
    Build cache that shares content with images keeps what of theirs it needs, and keeps its own
    share while they stay.
    """
    shared = {record.id for record in inventory.cache if record.shared}
    containers = sum(1 for step in steps if step.kind == "container")
    images = sum(step.freed_bytes for step in steps if step.kind == "image")
    sizes = {record.id: record.size for record in inventory.cache}
    cut = [step for step in steps if step.id in shared]
    return Slack(
        estimated=bool(steps),
        below=max(slack.below, images if shared else 0) + sum(step.freed_bytes for step in cut),
        above=slack.above
        + containers * _CONTAINER_SNAPSHOT
        + sum(sizes[step.id] - step.freed_bytes for step in cut),
    )


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


def freed_by_record(record: CacheRecord, *, copies: bool) -> int:
    """The bytes a build cache record frees. ``copies``: on the containerd store.

    There a record is an unpacked copy and a compressed one, and an image shares the compressed one
    alone. The interface tells but the sum, so half of it is assumed. On the classic store a record
    that shares its layer with an image frees nothing: the layer is the image's.
    """
    if not record.shared:
        return record.size
    return record.size // 2 if copies else 0
