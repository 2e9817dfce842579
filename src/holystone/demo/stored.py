"""The simulated host's own account of the bytes it stores in layers: each with its last holder.

Written apart from ``planner.layers`` and in another way (parts are entered when an image arrives
and given up when it goes), so that the one can be held against the other.
"""

from __future__ import annotations

from collections.abc import Mapping

from holystone.planner.inventory import Image


class StoredParts:
    """What images are made of: parts that several hold and that go with the last of them.

    The compressed content of an image are its blobs, where it names them; else ``compressed``
    tells the bytes for each chain ID; else its content is its own.
    """

    def __init__(self, compressed: Mapping[str, int] | None = None) -> None:
        self.total = 0
        """Bytes of all parts held now."""
        self._compressed = compressed
        self._parts: dict[str, dict[str, int]] = {}
        self._holders: dict[str, int] = {}

    def enter(self, image: Image) -> None:
        """An image arrives: parts that nobody held before are stored."""
        parts = self._parts[image.id] = self._made_of(image)
        for part, weight in parts.items():
            held = self._holders.get(part, 0)
            self._holders[part] = held + 1
            if not held:
                self.total += weight

    def enter_record(self, record_id: str, chain_id: str, size: int) -> None:
        """A build cache record holds a layer too."""
        part = f"unpacked {chain_id}"
        self._parts[f"record {record_id}"] = {part: size}
        if not self._holders.get(part):
            self.total += size
        self._holders[part] = self._holders.get(part, 0) + 1

    def give_up_record(self, record_id: str) -> None:
        """A record goes, with its layer if nothing else holds that."""
        if f"record {record_id}" in self._parts:
            self.give_up(f"record {record_id}")

    def give_up(self, holder: str) -> None:
        """An image goes: parts that nobody else holds go with it."""
        for part, weight in self._parts.pop(holder).items():
            self._holders[part] -= 1
            if not self._holders[part]:
                del self._holders[part]
                self.total -= weight

    def _made_of(self, image: Image) -> dict[str, int]:
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
        return parts
