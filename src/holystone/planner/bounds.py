"""Bounds: how far the bytes that the disk gains may differ from the sum of a plan's steps.

The engine's interface does not report all bytes, and some storage drivers store in other ways.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from holystone.planner.holders import RecordBlobs, may_share
from holystone.planner.inventory import Container, Image, Inventory, Volume
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

    estimated: bool = False
    below: int = 0
    above: int = 0

    def plus(self, other: Slack) -> Slack:
        """The slack of both together."""
        return Slack(
            self.estimated or other.estimated, self.below + other.below, self.above + other.above
        )


def slack_of(
    inventory: Inventory,
    steps: Sequence[Step],
    going: Sequence[Image] = (),
    measured: Slack | None = None,
    blobs: RecordBlobs | None = None,
) -> Slack:
    """How far what these steps free may lie from their sum.

    ``going`` are the images among them, ``measured`` the slack of their layers and of the build
    cache, ``blobs`` those that build cache records share with images.
    """
    ids = {(step.kind, step.id) for step in steps}
    leaving = [each for each in inventory.containers if ("container", each.id) in ids]
    volumes = [each for each in inventory.volumes if ("volume", each.name) in ids]
    slack = (measured or Slack()).plus(container_slack(leaving))
    slack = slack.plus(driver_slack(inventory, going, leaving, steps))
    if inventory.engine.store == "containerd":
        slack = _containerd_slack(inventory, steps, slack, blobs)
    records = sum(1 for step in steps if step.kind == "cache")
    slack = slack.plus(volume_slack(volumes))
    return slack.plus(block_slack(inventory, going, records + len(leaving)))


def _containerd_slack(
    inventory: Inventory, steps: Sequence[Step], slack: Slack, blobs: RecordBlobs | None
) -> Slack:
    """What the interface does not tell of the containerd store, as bounds.

    Each container has a snapshot of a few files beside its writable layer, and takes whole blocks.
    Build cache that may share content with images keeps what of theirs it needs, and keeps its own
    share while they stay.
    """
    unclear = {record.id: record for record in inventory.cache if may_share(record, blobs)}
    containers = sum(1 for step in steps if step.kind == "container")
    images = sum(step.freed_bytes for step in steps if step.kind == "image")
    cut = [step for step in steps if step.kind == "cache" and step.id in unclear]
    kept = sum(step.freed_bytes for step in cut if unclear[step.id].shared)
    rest = sum(unclear[step.id].size - step.freed_bytes for step in cut)
    return Slack(
        estimated=bool(steps),
        below=max(slack.below, images if unclear else 0) + kept,
        above=slack.above + containers * _CONTAINER_SNAPSHOT + rest,
    )


def block_slack(inventory: Inventory, going: Sequence[Image], others: int) -> Slack:
    """How much more comes free because the engine has its own files for each removed object.

    ``others`` is how many build cache records and containers go. That makes nothing an estimate:
    it counts only where the objects are many.
    """
    gone = {image.id for image in going}
    layers = {layer.chain_id for image in going for layer in image.held}
    if layers:
        staying = (image for image in inventory.images if image.id not in gone)
        layers.difference_update(layer.chain_id for image in staying for layer in image.held)
    above = (len(layers) + others) * _OWN_FILES.get(inventory.engine.store, 0)
    return Slack(above=above if above >= _FEW else 0)


def container_slack(containers: Iterable[Container]) -> Slack:
    """How much less than their ``writable_size`` these containers may free."""
    bounded = ((each.writable_size, each.writable_at_least) for each in containers)
    below = sum(size - least for size, least in bounded if least is not None)
    return Slack(estimated=below > 0, below=below)


def volume_slack(volumes: Sequence[Volume]) -> Slack:
    """How much less than their size these volumes may free; one of unknown size counts as 0."""
    bounded = ((each.size, each.at_least) for each in volumes)
    below = sum(size - least for size, least in bounded if size is not None and least is not None)
    return Slack(below > 0 or any(each.size is None for each in volumes), below)


def driver_slack(
    inventory: Inventory,
    going: Sequence[Image],
    leaving: Iterable[Container],
    steps: Iterable[Step],
) -> Slack:
    """How far what these free may lie from the engine's figures. ``steps`` remove them.

    ``vfs`` has a folder for each layer with a whole copy of all the layers below it, and two such
    folders for a container; the engine tells what a layer adds. ``btrfs``, ``zfs`` and
    ``devicemapper`` share and compress blocks: what comes free is known only when it is free.
    """
    driver = inventory.engine.storage_driver
    if driver == "vfs":
        beyond = _copied(inventory.images, going) + _copied_by(inventory.images, leaving)
        return Slack(estimated=beyond > 0, above=beyond)
    if driver in ("btrfs", "zfs", "devicemapper"):
        told = sum(s.freed_bytes for s in steps if s.kind in ("container", "image", "cache"))
        return Slack(estimated=told > 0, below=told)
    return Slack()


def _copied(images: Sequence[Image], going: Iterable[Image]) -> int:
    """Bytes of the layers below, in the folders of the layers that go with these images."""
    gone = {image.id for image in going}
    staying: set[str] = set()
    below: dict[str, int] = {}
    for image in images:
        stack = 0
        for chain_id, size in image.layers or ():
            if image.id not in gone:
                staying.add(chain_id)
            below[chain_id] = stack
            stack += size
    return sum(stack for chain_id, stack in below.items() if chain_id not in staying)


def _copied_by(images: Iterable[Image], leaving: Iterable[Container]) -> int:
    """Bytes of the images that the two folders of each of these containers have copies of."""
    sizes = {
        image.id: image.size if image.layers is None else sum(layer.size for layer in image.layers)
        for image in images
    }
    return 2 * sum(sizes.get(each.image_id, 0) for each in leaving)
