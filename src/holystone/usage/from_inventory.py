"""Turn containers and build cache records into sightings: what a look shows in use."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from holystone.planner.inventory import CacheRecord, Container, Inventory
from holystone.planner.names import Names, complete
from holystone.planner.usage import Key
from holystone.usage.sighting import Sighting

_FROM = "pulled from "
"""How BuildKit describes what it took for a ``FROM`` from a registry."""


def of_containers(
    inventory: Inventory,
    names: Names,
    since: float = 0.0,
    made: Mapping[str, float] | None = None,
) -> list[Sighting]:
    """The uses shown by the containers on the host.

    Only containers that are still there can tell: one that has ended used its image until it
    stopped, one that never ran did when it was made, any other does now. The reference is told
    of those alone that began or ended ``since`` then: what goes on is known. ``made`` has when
    containers were made, by ID, where that is known better than in whole seconds.
    """
    sightings = []
    for container in inventory.containers:
        until = _last_active(container, inventory.taken_at)
        if until <= 0:
            continue
        created = (made or {}).get(container.id, container.created)
        at = min(created, until) if created > 0 else until
        news = at >= since or (container.stopped and until >= since)
        # By an ID it asked for all references of that image.
        named = complete(container.image)
        told = [named] if named else names.references(container.image_id)
        first, *others = (told if news else ()) or ("",)
        sighting = Sighting(
            at, first, container.image_id, until, objects=objects_of(container, inventory)
        )
        sightings.append(sighting)
        sightings += [sighting._replace(reference=each, objects=()) for each in others]
    return sightings


def objects_of(container: Container, inventory: Inventory) -> tuple[Key, ...]:
    """The volumes and networks that a container names."""
    objects = [("volume", name) for name in container.volumes]
    objects += [
        ("network", network.id)
        for network in inventory.networks
        if not {network.id, network.name}.isdisjoint(container.networks)
    ]
    return tuple(objects)


def _last_active(container: Container, now: float) -> float:
    if container.stopped:
        return min(now, max(container.finished or 0.0, container.created))
    return min(now, container.created) if container.state == "created" else now


def of_cache(records: Sequence[CacheRecord], names: Names) -> list[Sighting]:
    """The latest use of each reference that BuildKit pulled for a ``FROM``, by its records.

    Those of one image are described by the reference, but a layer that several images share only
    by that of the first: the topmost record that names a reference stands for it. It is used
    when it or a step on it is, which a build that finds all it needs there tells only there.
    """
    by_id = {record.id: record for record in records}
    below = {(parent, r.description) for r in records for parent in r.parents}
    tops = {
        record.id
        for record in records
        if record.description.startswith(_FROM) and (record.id, record.description) not in below
    }
    if not tops:
        return []
    used: dict[str, float] = {}
    for record in records:
        at = record.created if record.last_used is None else record.last_used
        for top in _standing_on(record, tops, by_id):
            used[top] = max(at, used.get(top, 0.0))
    sightings = []
    for top, at in used.items():
        text = by_id[top].description.removeprefix(_FROM)
        # BuildKit adds the digest it found to a tag.
        name = text.partition("@")[0]
        if reference := complete(name if ":" in name.rpartition("/")[2] else text):
            sightings.append(Sighting(at, reference, names.behind(reference)))
    return sightings


def _standing_on(
    record: CacheRecord, tops: Collection[str], by_id: dict[str, CacheRecord]
) -> set[str]:
    """The nearest of ``tops`` on every way down from a record."""
    found: set[str] = set()
    waiting, passed = [record.id], set()
    while waiting:
        here = waiting.pop()
        if here in tops:
            found.add(here)
        elif here in by_id and here not in passed:
            passed.add(here)
            waiting += by_id[here].parents
    return found


def present_keys(inventory: Inventory) -> set[Key]:
    """Every image, volume, network and build cache record of a host."""
    keys = {("image", image.id) for image in inventory.images}
    keys.update(("volume", volume.name) for volume in inventory.volumes)
    keys.update(("network", network.id) for network in inventory.networks)
    keys.update(("cache", record.id) for record in inventory.cache)
    return keys
