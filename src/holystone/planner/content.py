"""Compressed content that comes free with images of the containerd image store.

That store keeps each layer twice: unpacked (a snapshot, counted by chain ID) and as the compressed
blob it arrived in. Where the content store can be read its blobs are known one by one. Otherwise
the interface tells the compressed size of a whole image only (``Manifests[].Size.Content``), and
what a shared stack of layers weighs is known only where some image ends right there; elsewhere it
is estimated from the unpacked sizes, within bounds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from holystone.planner.inventory import Image


class Content(NamedTuple):
    """Compressed bytes one image frees: the likely figure and the bounds it lies within."""

    freed: int = 0
    at_least: int = 0
    at_most: int = 0


def freed_content(
    going: Sequence[Image],
    images: Iterable[Image],
    count: Counter[str],
    cached: Collection[str] = (),
) -> list[Content]:
    """What each image frees when they go in this order, unpacked layers aside.

    ``count`` is ``layers.holders`` of every image on the host; it is not changed. Where the blobs
    of every image are known the answer is exact: a blob goes with its last holder. ``cached`` are
    the digests of blobs that build cache holds as well: they come free with no image.
    """
    if not any(image.content_size for image in going):
        return [Content()] * len(going)
    images = tuple(images)
    if all(image.blobs is not None for image in images):
        return _by_blob(going, images, cached)
    left = Counter(count)
    prefixes = _Prefixes(images)
    freed = []
    for image in going:
        shared_depth = 0
        for depth, layer in enumerate(image.held, start=1):
            left[layer.chain_id] -= 1
            if left[layer.chain_id]:
                shared_depth = depth
        if image.other_layers:
            freed.append(_of_platforms(image, left))
        else:
            freed.append(_above(image, shared_depth, prefixes))
    return freed


def blob_holders(images: Iterable[Image]) -> Counter[str]:
    """How many of these images hold each blob, by digest."""
    return Counter(blob.digest for image in images for blob in set(image.blobs or ()))


def content_alone(images: Sequence[Image], count: Counter[str]) -> list[Content]:
    """What each of these images, all of a host, would free if it went and no other."""
    if not any(image.content_size for image in images):
        return [Content()] * len(images)
    if all(image.blobs is not None for image in images):
        holders = blob_holders(images)
        own = [
            sum(blob.size for blob in set(image.blobs or ()) if holders[blob.digest] == 1)
            for image in images
        ]
        return [Content(size, size, size) for size in own]
    prefixes = _Prefixes(images)
    alone = []
    for image in images:
        shared_depth = 0
        for depth, layer in enumerate(image.layers or (), start=1):
            if count[layer.chain_id] > 1:
                shared_depth = depth
        alone.append(_above(image, shared_depth, prefixes))
    return alone


def _by_blob(
    going: Sequence[Image], images: Iterable[Image], cached: Collection[str]
) -> list[Content]:
    holders = blob_holders(images)
    freed = []
    for image in going:
        total = 0
        for blob in set(image.blobs or ()):
            holders[blob.digest] -= 1
            if not holders[blob.digest] and blob.digest not in cached:
                total += blob.size
        freed.append(Content(total, total, total))
    return freed


def _of_platforms(image: Image, left: Counter[str]) -> Content:
    """The content of an image of several platforms; ``left`` says which layers others hold now.

    The interface tells the sum over its platforms, which counts what they have in common for each.
    """
    alone = sum(layer.size for layer in image.held if not left[layer.chain_id])
    unpacked = max(1, alone, image.size - image.content_size)
    shared = any(left[layer.chain_id] for layer in image.held)
    least = 0 if shared else image.content_size // max(1, len(image.platforms))
    return Content(max(least, image.content_size * alone // unpacked), least, image.content_size)


def _above(image: Image, shared_depth: int, prefixes: _Prefixes) -> Content:
    """The content of an image above its lowest ``shared_depth`` layers, which others hold."""
    if image.layers is None:
        return Content(image.content_size, 0, image.content_size)
    if not image.layers:
        # An artifact may have its blobs in common with another one.
        return Content(image.content_size, 0, image.content_size)
    if not shared_depth:
        return Content(image.content_size, image.content_size, image.content_size)
    below = prefixes.content(image, shared_depth)
    return Content(
        image.content_size - below.freed,
        image.content_size - below.at_most,
        image.content_size - below.at_least,
    )


class _Prefixes:
    """What is known of the compressed size of a stack of layers, by its top chain ID."""

    def __init__(self, images: Iterable[Image]) -> None:
        self.ends: dict[str, int] = {}
        """Smallest content of an image whose topmost layer this is."""
        self.most: dict[str, int] = {}
        """Smallest content of an image that holds this layer: the stack weighs no more."""
        self.guess: dict[str, int] = {}
        """Elsewhere: the least of what the images that hold it give it by unpacked size."""
        for image in images:
            if not image.layers:
                continue
            top = image.layers[-1].chain_id
            self.ends[top] = min(self.ends.get(top, image.content_size), image.content_size)
            unpacked = sum(layer.size for layer in image.layers)
            below = 0
            for chain_id, size in image.layers:
                below += size
                known = self.most.get(chain_id, image.content_size)
                self.most[chain_id] = min(known, image.content_size)
                share = image.content_size * below // unpacked if unpacked else 0
                self.guess[chain_id] = min(self.guess.get(chain_id, share), share)

    def content(self, image: Image, depth: int) -> Content:
        """The weight of the lowest ``depth`` layers of this image, as ``freed``, with bounds.

        The same for every image on the stack: a set then frees the same in whatever order.
        """
        end = (image.layers or ())[depth - 1].chain_id
        likely = self.ends.get(end, self.guess[end])
        return Content(min(likely, self.most[end]), 0, self.most[end])
