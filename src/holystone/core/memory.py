"""What is remembered between two looks at a host: of images, and of the use of objects."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple, Protocol

from holystone.core.inventory import Blob, Container, Inventory, Layer
from holystone.core.usage import Lease

Key = tuple[str, str]
"""Kind and ID: what names one object on a host."""


class ImageFacts(NamedTuple):
    """What one image's inspection told, and since when it is known here (UTC seconds).

    Layer facts never change.
    """

    first_seen: float
    last_tagged: float | None = None
    made_by_buildkit: bool = False
    inspected: bool = False
    """Whether the two fields above were asked for; until then they say nothing."""
    layers: tuple[Layer, ...] | None = None
    """Bottom first; None until they were weighed."""
    exact: bool = True
    """False where the size of a layer could not be told for certain."""
    diff_ids: tuple[str, ...] | None = None
    """The digests of the unpacked layers, bottom first; None until they were asked for."""
    blobs: tuple[Blob, ...] | None = None
    """Its compressed content, where the content store could be read."""


class Memory(Protocol):
    """Keeps what was seen, apart for each engine; and leases, which are for every engine."""

    def recall(self, engine: str, *, layers: bool = True) -> dict[str, ImageFacts]:
        """What is known of this engine's images, with or without their layers and diff IDs."""

    def remember(
        self, engine: str, news: Mapping[str, ImageFacts], present: Collection[str]
    ) -> None:
        """Keep these facts, and forget images of this engine that are not among ``present``."""

    def recall_uses(self, engine: str) -> dict[Key, float]:
        """When a container last had to do with each object of this engine, UTC seconds."""

    def remember_uses(
        self, engine: str, news: Mapping[Key, float], present: Collection[Key]
    ) -> None:
        """Keep these uses, and forget objects of this engine that are not among ``present``."""

    def recall_leases(self, now: float) -> tuple[Lease, ...]:
        """The leases that have not ended by ``now``."""


class Forgetful:
    """A memory that keeps nothing, for one look at a host."""

    def recall(self, engine: str, *, layers: bool = True) -> dict[str, ImageFacts]:  # noqa: ARG002
        """Nothing."""
        return {}

    def remember(
        self, engine: str, news: Mapping[str, ImageFacts], present: Collection[str]
    ) -> None:
        """Keep nothing."""

    def recall_uses(self, engine: str) -> dict[Key, float]:  # noqa: ARG002
        """Nothing."""
        return {}

    def remember_uses(
        self, engine: str, news: Mapping[Key, float], present: Collection[Key]
    ) -> None:
        """Keep nothing."""

    def recall_leases(self, now: float) -> tuple[Lease, ...]:  # noqa: ARG002
        """None."""
        return ()


def seen_uses(inventory: Inventory) -> dict[Key, float]:
    """When a container last had to do with each image, volume and network, as far as seen now.

    Only containers that are still there can tell: one that has ended did until it stopped, one
    that never ran did when it was made, any other does now.
    """
    networks = {network.name: network.id for network in inventory.networks}
    uses: dict[Key, float] = {}
    for container in inventory.containers:
        at = _last_active(container, inventory.taken_at)
        if at <= 0:
            continue
        keys = [("image", container.image_id)]
        keys += [("volume", name) for name in container.volumes]
        keys += [("network", networks[name]) for name in container.networks if name in networks]
        for key in keys:
            uses[key] = max(at, uses.get(key, 0.0))
    return uses


def _last_active(container: Container, now: float) -> float:
    if container.stopped:
        return min(now, max(container.finished or 0.0, container.created))
    return min(now, container.created) if container.state == "created" else now


def present_keys(inventory: Inventory) -> set[Key]:
    """Every image, volume and network of a host."""
    keys = {("image", image.id) for image in inventory.images}
    keys.update(("volume", volume.name) for volume in inventory.volumes)
    keys.update(("network", network.id) for network in inventory.networks)
    return keys
