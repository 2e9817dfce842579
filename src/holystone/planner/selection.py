"""Which objects of a host may go at all, where somebody named some: ``--only KIND|PATTERN``."""

from __future__ import annotations

from collections.abc import Iterable

from holystone.planner.builders import records_of
from holystone.planner.inventory import Inventory
from holystone.planner.lookup import find
from holystone.planner.policy import Term
from holystone.planner.usage import Key


def selected(inventory: Inventory, only: Iterable[Term]) -> frozenset[Key]:
    """Kind and ID of every object that one of these terms means."""
    return frozenset(key for each in only for key in meant(inventory, each))


def meant(inventory: Inventory, only: Term) -> set[Key]:
    """Kind and ID of every object that a term means."""
    if only.kind and only.text:
        return {(only.kind, only.text)}
    if only.kind:
        return {(only.kind, each) for each in _ids(inventory, only.kind)}
    return {(found.kind, found.id) for found in find(inventory, only.text)}


def settled(inventory: Inventory, only: Iterable[Term]) -> tuple[Term, ...]:
    """The same selection, with the objects in place of the names that mean them here.

    A name can mean another object once the first one has gone: an exact match comes before the
    start of an ID and the end of a name.
    """
    terms: dict[Term, None] = {}
    for each in only:
        if each.kind:
            terms[each] = None
        else:
            terms.update((Term(*key), None) for key in sorted(meant(inventory, each)))
    return tuple(terms)


def _ids(inventory: Inventory, kind: str) -> Iterable[str]:
    if kind == "container":
        return (container.id for container in inventory.containers)
    if kind == "image":
        return (image.id for image in inventory.images)
    if kind == "cache":
        return (record.id for record in inventory.cache)
    if kind == "builder":
        return records_of(inventory)
    if kind == "volume":
        return (volume.name for volume in inventory.volumes)
    return (network.id for network in inventory.networks)
