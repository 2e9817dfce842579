"""How far the engine's figures lie from the disk with storage drivers other than overlay.

- ``vfs`` has a folder for each layer with a whole copy of all the layers below it, and two such
  folders for a container. The engine tells what a layer adds.
- ``btrfs``, ``zfs`` and ``devicemapper`` share and compress blocks. What comes free is known only
  when it is free.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from holystone.planner.freed import Slack
from holystone.planner.inventory import Container, Image, Inventory
from holystone.planner.verdict import Step

COPYING = ("vfs",)
SHARING = ("btrfs", "zfs", "devicemapper")
_COPIES_OF_A_CONTAINER = 2


def driver_slack(
    inventory: Inventory,
    going: Sequence[Image],
    leaving: Iterable[Container],
    steps: Iterable[Step],
) -> Slack:
    """How far what these free may lie from the engine's figures. ``steps`` remove them."""
    driver = inventory.engine.storage_driver
    if driver in COPYING:
        beyond = _copied(inventory.images, going) + _copied_by(inventory.images, leaving)
        return Slack(estimated=beyond > 0, below=0, above=beyond)
    if driver in SHARING:
        told = sum(s.freed_bytes for s in steps if s.kind in ("container", "image", "cache"))
        return Slack(estimated=told > 0, below=told, above=0)
    return Slack(estimated=False, below=0, above=0)


def _copied(images: Sequence[Image], going: Iterable[Image]) -> int:
    """Bytes of the layers below, in the folders of the layers that go with these images."""
    gone = {image.id for image in going}
    staying: set[str] = set()
    below: dict[str, int] = {}
    for image in images:
        stack = 0
        for layer in image.layers or ():
            if image.id not in gone:
                staying.add(layer.chain_id)
            below[layer.chain_id] = stack
            stack += layer.size
    held = {layer.chain_id for image in images if image.id in gone for layer in image.layers or ()}
    return sum(below[chain_id] for chain_id in held - staying)


def _copied_by(images: Iterable[Image], leaving: Iterable[Container]) -> int:
    """Bytes of the images that the folders of these containers have copies of."""
    sizes = {
        image.id: image.size if image.layers is None else sum(layer.size for layer in image.layers)
        for image in images
    }
    return _COPIES_OF_A_CONTAINER * sum(sizes.get(each.image_id, 0) for each in leaving)
