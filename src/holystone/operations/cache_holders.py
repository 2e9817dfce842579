"""Build cache records that hold a damaged layer: the engine keeps it as long as one of them does.

A pull then finds the layer in the store and does not fetch it again. So these records go first, and
those made from them, for BuildKit deletes leaves alone.

No engine reports which records hold a layer. On the classic store it follows from sizes and dates
(``planner.cache_layers``), and one that may hold the layer counts. On the containerd store a record
is as large as its unpacked files and its compressed blob together; where the unpacked size of no
layer is known, each record that is at least as large as the blob counts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable

from holystone.operations.verifier import Subject
from holystone.planner.holders import layers_of_records
from holystone.planner.inventory import CacheRecord, Inventory, chain_ids


def holders(
    inventory: Inventory,
    subjects: Iterable[Subject],
    layers: Collection[str],
    blob_sizes: Iterable[int],
) -> list[CacheRecord]:
    """The records that may hold any of what is damaged, with those made from them.

    Children come before parents. ``inventory`` has the layers of its images, as far as the engine
    tells them; ``subjects`` are the images that hold what is damaged, ``layers`` the diff IDs of
    that, and ``blob_sizes`` how large it should be as blobs (containerd image store).
    """
    regular = [record for record in inventory.cache if record.type == "regular"]
    found: list[CacheRecord] = []
    if inventory.engine.store == "classic":
        chains = _chains(subjects, layers)
        known = layers_of_records(inventory)
        found = [
            each
            for each in regular
            if each.layer in chains
            or (each.shared and (each.id not in known or not known[each.id].isdisjoint(chains)))
        ]
    elif inventory.engine.store == "containerd":
        damaged = [size for size in blob_sizes if size]
        unpacked = {layer.size for image in inventory.images for layer in image.held}
        exact = {size + blob for size in (0, *unpacked) for blob in damaged}
        found = [
            each
            for each in regular
            if (each.size in exact if unpacked else damaged and each.size >= min(damaged))
        ]
    return _with_children(inventory.cache, {record.id for record in found})


def _chains(subjects: Iterable[Subject], layers: Collection[str]) -> set[str]:
    """The chain IDs of the damaged layers, and of all that lie on one of them and so hold it."""
    found: set[str] = set()
    for subject in subjects:
        places = [n for n, diff_id in enumerate(subject.diff_ids) if diff_id in layers]
        if places:
            found.update(chain_ids(subject.diff_ids)[places[0] :])
    return found


def _with_children(records: Iterable[CacheRecord], ids: set[str]) -> list[CacheRecord]:
    """These records and all that were made from them, each after those made from it."""
    by_id = {record.id: record for record in records}
    children: defaultdict[str, set[str]] = defaultdict(set)
    for record in by_id.values():
        for parent in record.parents:
            children[parent].add(record.id)
    left, news = set(ids), set(ids)
    while news:
        news = {child for each in news for child in children[each]} - left
        left |= news
    order: list[CacheRecord] = []
    while leaves := [each for each in by_id if each in left and not children[each] & left]:
        order += [by_id[each] for each in leaves]
        left.difference_update(leaves)
    return order
