"""Builders outside the engine: BuildKit in a container, as ``docker buildx create`` makes it.

The driver ``docker-container`` names the container of a builder's node ``buildx_buildkit_NODE`` and
its volume ``buildx_buildkit_NODE_state`` (docker/buildx ``driver/docker-container``). The engine
knows nothing of what BuildKit keeps in the volume.
"""

from __future__ import annotations

from holystone.planner.inventory import Builder, CacheRecord, Inventory

_PREFIX, _SUFFIX = "buildx_buildkit_", "_state"


def builder_of_volume(volume: str) -> str:
    """The builder that a volume belongs to, by its name: ``x0``; empty where it is none's."""
    if not volume.startswith(_PREFIX) or not volume.endswith(_SUFFIX):
        return ""
    return volume[len(_PREFIX) : -len(_SUFFIX)]


def state_volume(builder: str) -> str:
    """The name of the volume of a builder."""
    return f"{_PREFIX}{builder}{_SUFFIX}"


def builders_of(inventory: Inventory) -> list[Builder]:
    """The builders of a host by their volumes, in the order of the volumes. No record is known.

    ``problem`` says why BuildKit cannot be asked: its container is stopped, or there is none.
    """
    by_name = {container.name: container for container in inventory.containers}
    found = []
    for volume in inventory.volumes:
        name = builder_of_volume(volume.name)
        if not name:
            continue
        container = by_name.get(f"{_PREFIX}{name}")
        if container is not None and volume.name not in container.volumes:
            container = None
        problem = ""
        if container is None:
            problem = f"it has no container: none is called {_PREFIX}{name} and mounts this volume"
        elif container.state != "running":
            problem = f"its container {container.name} is {container.state}, so it cannot be asked"
        identifier = "" if container is None else container.id
        found.append(Builder(name, volume.name, identifier, problem=problem))
    return found


def record_id(builder: str, own_id: str) -> str:
    """How a builder's record is called on a host: BuildKit's own ID after the builder's name."""
    return f"{builder}/{own_id}"


def parted(record: str) -> tuple[str, str]:
    """The builder of a record, by its ID on the host, and BuildKit's own ID of it."""
    builder, _, own_id = record.rpartition("/")
    return builder, own_id


def records_of(inventory: Inventory) -> dict[str, CacheRecord]:
    """The records of all builders that were asked, by ID."""
    return {record.id: record for each in inventory.builders for record in each.records or ()}
