"""An engine in memory: it stores, deletes and refuses as a real one does.

It counts the bytes it stores, so that a plan can be compared with the bytes that came free.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TypeVar

from holystone.engine.errors import EngineRefused
from holystone.planner.builders import records_of
from holystone.planner.holders import layers_of_records
from holystone.planner.inventory import Disk, Image, Inventory

_ACTIVE = ("running", "paused", "restarting")
_T = TypeVar("_T")


class _StoredParts:
    """What images are made of: parts that several hold and that go with the last of them.

    The compressed content of an image are its blobs, where it names them; else ``compressed``
    has the bytes for each chain ID; else its content is not shared.

    Written apart from ``planner.sizes`` and in another way (parts are entered when an image arrives
    and given up when it goes), so that the one can be held against the other.
    """

    def __init__(self, compressed: Mapping[str, int] | None) -> None:
        self.total = 0
        """Bytes of all parts held now."""
        self._compressed = compressed
        self._parts: dict[str, dict[str, int]] = {}
        self._holders: Counter[str] = Counter()

    def enter(self, image: Image) -> None:
        """An image arrives: parts that no other object held are stored."""
        parts = {f"metadata {image.id}": image.metadata_size}
        if image.layers is None:
            parts[f"unpacked {image.id}"] = image.size
        for layer in image.layers or ():
            parts[f"unpacked {layer.chain_id}"] = layer.size
        if image.blobs is not None:
            parts.update((f"blob {blob.digest}", blob.size) for blob in image.blobs)
        elif self._compressed is not None and image.layers is not None:
            for layer in image.layers:
                parts[f"content {layer.chain_id}"] = self._compressed[layer.chain_id]
        else:
            parts[f"content {image.id}"] = image.content_size
        self._hold(image.id, parts)

    def enter_record(self, record_id: str, chain_id: str, size: int) -> None:
        """A build cache record holds a layer too."""
        self._hold(f"record {record_id}", {f"unpacked {chain_id}": size})

    def _hold(self, holder: str, parts: dict[str, int]) -> None:
        self._parts[holder] = parts
        self.total += sum(size for part, size in parts.items() if not self._holders[part])
        self._holders.update(parts.keys())

    def give_up_record(self, record_id: str) -> None:
        """A record goes, with its layer if nothing else holds that."""
        if f"record {record_id}" in self._parts:
            self.give_up(f"record {record_id}")

    def give_up(self, holder: str) -> None:
        """An image goes: parts that no other object holds go with it."""
        parts = self._parts.pop(holder)
        self._holders.subtract(parts.keys())
        self.total -= sum(size for part, size in parts.items() if not self._holders[part])


class SimulatedEngine:
    """The objects of an inventory, until they are removed or changed.

    ``clock`` gives the time, UTC seconds. ``compressed`` are bytes of content by chain ID, as a
    containerd store would keep them, where the inventory tells each image's sum only.
    ``record_layers``: the chain ID of the layer that each shared build cache record holds, where
    that is not to be taken from what fits (classic store). ``touched``
    are the IDs an event stream would have named as used since it was last cleared.
    """

    def __init__(
        self,
        inventory: Inventory,
        clock: Callable[[], float],
        compressed: Mapping[str, int] | None,
        record_layers: Mapping[str, str] | None = None,
    ) -> None:
        self.touched: set[str] = set()
        self.images = {image.id: image for image in inventory.images}
        self.containers = {container.id: container for container in inventory.containers}
        self.cache = {record.id: record for record in inventory.cache}
        self.volumes = {volume.name: volume for volume in inventory.volumes}
        self.networks = {network.id: network for network in inventory.networks}
        self._disk = inventory.disk
        # A containerd store keeps what a cache record shares with an image a second time.
        self._own_copies = inventory.engine.store == "containerd"
        self._clock = clock
        self._lock = threading.RLock()
        self._stored = _StoredParts(compressed)
        for image in inventory.images:
            self._stored.enter(image)
        if record_layers is None:
            fitting = layers_of_records(inventory)
            record_layers = {record: min(layers) for record, layers in fitting.items() if layers}
        self._record_layers = record_layers
        sizes = {x.chain_id: x.size for image in inventory.images for x in image.layers or ()}
        for record_id, chain_id in record_layers.items():
            self._stored.enter_record(record_id, chain_id, sizes[chain_id])
        self._own_records = {
            record.id
            for record in inventory.cache
            if self._own_copies or not (record.shared or record.id in record_layers)
        }
        self.builder_records = records_of(inventory)
        self._stored_at_first = self.stored_bytes

    # The account of bytes.

    @property
    def layers_bytes(self) -> int:
        """Bytes of all layers, unpacked and compressed: each as long as anything holds it."""
        return self._stored.total

    @property
    def stored_bytes(self) -> int:
        """Bytes of everything on the host: layers, containers, build cache and volumes."""
        return (
            self.layers_bytes
            + sum(container.freed_bytes for container in self.containers.values())
            + sum(r.size for r in self.cache.values() if r.id in self._own_records)
            + sum(volume.size or 0 for volume in self.volumes.values())
            + sum(r.size for r in self.builder_records.values() if not r.shared)
        )

    def disk(self) -> Disk:
        """The disk, with what has come free since the beginning."""
        free = self._disk.free_bytes
        if free is None:
            return self._disk
        with self._lock:
            return self._disk._replace(free_bytes=free + self._stored_at_first - self.stored_bytes)

    # What an engine does, and refuses to do.

    def delete_container(self, container_id: str) -> None:
        """``DELETE /containers/{id}`` without force. Raises EngineRefused."""
        container = self._get(self.containers, container_id, "container")
        if container.state in _ACTIVE:
            raise _conflict(
                f"cannot remove container {container.name!r}: container is {container.state}: "
                "stop the container before removing or force remove"
            )
        del self.containers[container_id]

    def delete_image(self, target: str) -> list[str]:
        """``DELETE /images/{target}?noprune=1`` without force; moby ``images/image_delete.go``.

        By reference only that reference goes, and the image with its last one (a parent image
        loses it and stays: the engine looks for children later). By ID all go, if they are of one
        repository. Answers the IDs deleted: one, or none. Raises EngineRefused.
        """
        with self._lock:
            if target in self.images:
                image = self.images[target]
                repositories = set(map(_repository, image.tags + image.digests))
                if len(repositories) > 1 or len(image.tags) > 1:
                    raise _conflict(
                        f"unable to delete {_short(target)} (must be forced) - image is "
                        "referenced in multiple repositories"
                    )
                return self._delete(image)
            named = (i for i in self.images.values() if target in i.tags + i.digests)
            found = next(named, None)
            if found is None:
                raise EngineRefused(404, f"No such image: {target}", f"DELETE /images/{target}")
            left = _without(found, target)
            if left.tags or left.digests:
                self.images[found.id] = left
                return []
            self._refuse_used(found)
            self.images[found.id] = left
            return self._delete(left)

    def prune_builder_record(self, record_id: str) -> bool:
        """Have a builder delete a record; whether it did: a leaf goes, unless a build uses it."""
        with self._lock:
            record = self.builder_records.get(record_id)
            parents = {parent for r in self.builder_records.values() for parent in r.parents}
            if record is None or record.in_use or record_id in parents:
                return False
            del self.builder_records[record_id]
            return True

    def prune_cache_record(self, record_id: str) -> list[str]:
        """``POST /build/prune`` with one record's ID: the records deleted, one or none."""
        record = self._get(self.cache, record_id, "cache record")
        if record.in_use or any(record_id in other.parents for other in self.cache.values()):
            return []
        del self.cache[record_id]
        self._stored.give_up_record(record_id)
        return [record_id]

    def delete_volume(self, name: str) -> None:
        """``DELETE /volumes/{name}``. Raises EngineRefused."""
        self._get(self.volumes, name, "volume")
        users = [c.id for c in self.containers.values() if name in c.volumes]
        if users:
            raise _conflict(f"remove {name}: volume is in use - [{', '.join(users)}]")
        del self.volumes[name]

    def delete_network(self, network_id: str) -> None:
        """``DELETE /networks/{id}``. Raises EngineRefused."""
        network = self._get(self.networks, network_id, "network")
        if network.builtin:
            words = f"{network.name} is a pre-defined network and cannot be removed"
            raise EngineRefused(403, words, f"DELETE /networks/{network_id}")
        if any(network.name in c.networks for c in self.containers.values() if c.state in _ACTIVE):
            raise _conflict(f"error while removing network: {network.name} has active endpoints")
        del self.networks[network_id]

    # What somebody else may do to the host in the meantime.

    def add_image(self, image: Image) -> None:
        """An image arrives: pulled, built or loaded. Its tags leave the images that had them."""
        with self._lock:
            for tag in image.tags:
                self._take_tag(tag)
            self.images[image.id] = image
            self._stored.enter(image)
            self._mark_shared()
            self.touched.add(image.id)

    def tag(self, image_id: str, reference: str) -> None:
        """``docker tag``: the reference moves to this image."""
        with self._lock:
            self._take_tag(reference)
            image = self.images[image_id]
            tags = (*image.tags, reference)
            self.images[image_id] = image._replace(tags=tags, last_tagged=self._clock())
            self.touched.add(image_id)

    # Inside.

    def _refuse_used(self, image: Image) -> None:
        users = [c for c in self.containers.values() if c.image_id == image.id]
        if users:
            raise _conflict(
                f"unable to delete {_short(image.id)} (must be forced) - image is being used by "
                f"{users[0].state} container {_short(users[0].id)}"
            )

    def _delete(self, image: Image) -> list[str]:
        self._refuse_used(image)
        if any(other.parent == image.id for other in self.images.values()):
            raise _conflict(
                f"unable to delete {_short(image.id)} (cannot be forced) - image has dependent "
                "child images"
            )
        del self.images[image.id]
        self._stored.give_up(image.id)
        self._mark_shared()
        return [image.id]

    def _mark_shared(self) -> None:
        """Tell of each record whether an image holds its layer now."""
        held = {x.chain_id for image in self.images.values() for x in image.layers or ()}
        for record_id, chain_id in self._record_layers.items():
            record = self.cache.get(record_id)
            if record is not None and record.shared != (chain_id in held):
                self.cache[record_id] = record._replace(shared=chain_id in held)

    def _take_tag(self, reference: str) -> None:
        for image in list(self.images.values()):
            if reference in image.tags:
                tags = tuple(tag for tag in image.tags if tag != reference)
                self.images[image.id] = image._replace(tags=tags)

    def _get(self, objects: Mapping[str, _T], key: str, kind: str) -> _T:
        if key not in objects:
            raise EngineRefused(404, f"No such {kind}: {key}", f"DELETE {key}")
        return objects[key]


def _without(image: Image, reference: str) -> Image:
    """The image less one reference; the last tag of a repository takes its digests along."""
    tags = tuple(tag for tag in image.tags if tag != reference)
    digests = tuple(digest for digest in image.digests if digest != reference)
    repository = _repository(reference)
    if reference in image.tags and repository not in map(_repository, tags):
        digests = tuple(digest for digest in digests if _repository(digest) != repository)
    return image._replace(tags=tags, digests=digests)


def _repository(reference: str) -> str:
    """The name in a reference, without tag and digest."""
    name = reference.partition("@")[0]
    head, _, last = name.rpartition("/")
    return f"{head}/{last.partition(':')[0]}"


def _short(object_id: str) -> str:
    return object_id.removeprefix("sha256:")[:12]


def _conflict(words: str) -> EngineRefused:
    return EngineRefused(409, f"conflict: {words}", "DELETE")
