"""Which compressed blobs build cache records hold beside the images (containerd image store).

There a record has an unpacked copy of its own. The compressed blob of a layer that was exported it
shares with the images that have this layer, and its size is the sum of both, to the byte. The
engine's ``Shared`` does not tell which records share: tried on 28.5, it is false for records whose
blob an image holds.
"""

from __future__ import annotations

from collections.abc import Mapping

from holystone.planner.inventory import Blob, CacheRecord, Inventory

RecordBlobs = Mapping[str, Blob]
"""By record ID the blob that it shares with images."""


def blobs_of_records(inventory: Inventory) -> RecordBlobs | None:
    """The blob that each build cache record shares with images of this host.

    None where the blobs of an image are not known: then nothing tells.
    """
    unknown = any(image.blobs is None and image.content_size for image in inventory.images)
    if inventory.partial or unknown:
        return None
    sizes = {record.size for record in inventory.cache if record.type == "regular"}
    blobs: dict[int, Blob] = {}
    for image in inventory.images if sizes else ():
        for unpacked in {layer.size for layer in image.held}:
            for blob in image.blobs or ():
                if unpacked + blob.size in sizes:
                    blobs.setdefault(unpacked + blob.size, blob)
    return {
        record.id: blobs[record.size]
        for record in inventory.cache
        if record.type == "regular" and record.size in blobs
    }


def may_share(record: CacheRecord, blobs: RecordBlobs | None) -> bool:
    """Whether a record may share a blob with an image, and nothing tells which."""
    if blobs is None:
        return record.shared or record.type == "regular"
    return record.shared and record.id not in blobs
