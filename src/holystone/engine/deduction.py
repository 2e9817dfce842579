"""Layer sizes that follow from the sizes of whole images, so that few histories need be asked.

On the containerd store a history takes about 5 ms an image, and the list of images tells how large
each is unpacked. What several images share is asked for, once; what only one image holds is the
rest of its size. Where that rest is several layers they are told as one: they come and go together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from holystone.core.inventory import Image

Stacks = Mapping[str, Sequence[str]]
"""Diff IDs by image ID, bottom first."""


def representatives(images: Iterable[Image], stacks: Stacks, known: Mapping[str, int]) -> set[str]:
    """The images whose histories tell all that others cannot be deduced without.

    ``stacks`` are those of all images, ``known`` the sizes of layers known already, by diff ID.
    """
    holders = Counter(diff_id for stack in stacks.values() for diff_id in set(stack))
    covered = set(known)
    asked = set()
    for image in images:
        shared = {diff_id for diff_id in stacks[image.id] if holders[diff_id] > 1}
        if not _plain(image) or shared - covered:
            asked.add(image.id)
            covered |= shared
    return asked


def deduce(
    images: Iterable[Image], stacks: Stacks, known: Mapping[str, int]
) -> dict[str, tuple[int, ...]]:
    """Layer sizes by image ID, of those images whose shared layers are all known.

    The layers only one image holds are told with the topmost of them, the others as empty.
    """
    holders = Counter(diff_id for stack in stacks.values() for diff_id in set(stack))
    deduced = {}
    for image in images:
        stack = stacks[image.id]
        own = [depth for depth, diff_id in enumerate(stack) if diff_id not in known]
        if not _plain(image) or any(holders[stack[depth]] > 1 for depth in own):
            continue
        sizes = [known.get(diff_id, 0) for diff_id in stack]
        rest = image.size - image.content_size - sum(sizes)
        if rest < 0 or (rest and not own) or len(set(stack)) < len(stack):
            continue
        if own:
            sizes[own[-1]] = rest
        deduced[image.id] = tuple(sizes)
    return deduced


def _plain(image: Image) -> bool:
    """Whether the image is one manifest with its content whole, so that its size is its own."""
    blobs = {blob.digest: blob.size for blob in image.blobs or ()}
    return bool(blobs) and sum(blobs.values()) == image.content_size
