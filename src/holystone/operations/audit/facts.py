"""What is known of the engine's objects while its folders are given names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from holystone.operations.audit.record import Safety
from holystone.planner.inventory import Builder, CacheRecord, Container, Engine, Image, Inventory

UNTAGGED = "untagged "
_DANGLING = ("moby-dangling@", "<none>@")
"""How Docker names an image that has no tag, in containerd's database and in lists."""
YOUNG = 60.0
"""Seconds: what is as new as that may be of an object that is being made."""
IDLE = 3600.0
"""Seconds without a change after which a download or a layer in the making is left over."""
PULLING = 86400.0
"""Seconds that a pull may take in which a layer has no image yet."""


class Facts(NamedTuple):
    """The objects that were there when the walk began, or when it had ended."""

    engine: Engine
    now: float
    """UTC seconds, when the walk had ended."""
    containers: Mapping[str, Container]
    """By ID."""
    volumes: frozenset[str]
    """Their names."""
    cache: Mapping[str, CacheRecord]
    """By ID."""
    holders: Mapping[str, tuple[str, ...]]
    """The names of the images that hold a layer, by its chain ID."""
    builders: Mapping[str, Builder] = {}
    """The builders outside the engine, by the name of their volume."""
    limits: Mapping[str, bool | None] = {}
    """Whether the log of a container has a limit, by its ID."""
    weights: Mapping[str, tuple[int, int]] = {}
    """How many layers an image has, and its bytes, by each of its names."""

    def container(self, identifier: str) -> str:
        """What a container is called."""
        known = self.containers.get(identifier)
        return known.name if known else identifier

    def record(self, identifier: str) -> str:
        """What a build cache record is called: its step."""
        known = self.cache.get(identifier)
        return (known.description if known else "") or f"record {identifier}"

    def smallest_first(self, images: Iterable[str]) -> tuple[str, ...]:
        """The names of images that hold a layer, that of the image which ends at it first.

        An image that ends at a layer has fewer layers than all others that hold it.
        """
        last = (1 << 30, 0)
        return tuple(sorted(set(images), key=lambda name: (self.weights.get(name, last), name)))

    def by_restart(self) -> tuple[str, Safety]:
        """What a restart of the engine, which removes a leftover, costs; in words."""
        if self.engine.store == "podman":
            return "no command: delete it while no podman command runs", Safety.UNKNOWN
        frees = "a restart of the engine removes it"
        if any(each.state == "running" for each in self.containers.values()):
            more = ", and stops every running container where live-restore is not on"
            return frees + more, Safety.UNKNOWN
        return frees, Safety.SAFE

    def age(self, modified: float) -> float:
        """How long ago something was changed, in seconds."""
        return self.now - modified


def facts_of(inventories: Sequence[Inventory], now: float) -> Facts:
    """The facts of several looks at one engine."""
    last = inventories[-1]
    holders: dict[str, dict[str, None]] = {}
    weights: dict[str, tuple[int, int]] = {}
    for inventory in inventories:
        for image in inventory.images:
            weight = (len(image.layers or image.held), image.size)
            weights |= dict.fromkeys(names_of(image), weight)
            for layer in image.held:
                holders.setdefault(layer.chain_id, {}).update(dict.fromkeys(names_of(image)))
    return Facts(
        last.engine,
        now,
        {each.id: each for inventory in inventories for each in inventory.containers},
        frozenset(each.name for inventory in inventories for each in inventory.volumes),
        {each.id: each for inventory in inventories for each in inventory.cache},
        {chain: tuple(names) for chain, names in holders.items()},
        {each.volume: each for inventory in inventories for each in inventory.builders},
        weights=weights,
    )


def names_of(image: Image) -> tuple[str, ...]:
    """What an image is called: its tags, else its digests, else that it is untagged."""
    digests = tuple(each for each in image.digests if not each.startswith(_DANGLING))
    return image.tags or digests or (untagged(image.id),)


def untagged(identifier: str) -> str:
    """What an image without a name is called: with as much of its ID as docker shows."""
    return UNTAGGED + identifier.rpartition(":")[2][:12]


def image_name(name: str) -> str:
    """What an image is called, given its name in containerd's database: as docker shows it."""
    if name.startswith(_DANGLING):
        return untagged(name)
    bare = name.removeprefix("docker.io/")
    return bare.removeprefix("library/") if bare != name else name
