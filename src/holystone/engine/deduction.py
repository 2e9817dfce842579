"""Layer sizes that follow from the sizes of whole images, so that few histories need be asked.

On the containerd store a history takes about 5 ms an image, and the list of images tells how large
each is unpacked. What several images share is asked for, once; what only one image holds is the
rest of its size. Where that rest is several layers they are told as one: they come and go together.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from holystone.engine.history import Weighing
from holystone.planner.inventory import Image

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


def remainders(
    images: Iterable[Image], stacks: Stacks, known: Mapping[str, int], *, certain: bool
) -> dict[str, Weighing]:
    """Layer sizes by image ID, of images that no history tells: the rest of the size of each.

    ``certain``: the size of an image is that of its layers and of nothing else, whatever kind of
    image it is. A rest of several layers is told with the topmost of them. It is exact where they
    come and go together, that is, where the same images hold each of them; an image whose size
    contradicts what is known is left out.
    """
    holders: defaultdict[str, set[str]] = defaultdict(set)
    for image_id, stack in stacks.items():
        for diff_id in stack:
            holders[diff_id].add(image_id)
    sizes = dict(known)
    told: dict[str, Weighing] = {}

    def unknown(image: Image) -> list[str]:
        return [diff_id for diff_id in stacks[image.id] if diff_id not in sizes]

    waiting = {image.id: image for image in images}
    while waiting:
        # What one image settles may be all that is open of the next.
        image = waiting.pop(min(waiting, key=lambda each: len(unknown(waiting[each]))))
        stack, own = stacks[image.id], unknown(image)
        rest = image.size - image.content_size - sum(sizes.get(diff_id, 0) for diff_id in stack)
        if rest < 0 or (rest and not own):
            continue
        together = all(holders[diff_id] == holders[own[0]] for diff_id in own)
        plain = (certain or _plain(image)) and len(set(stack)) == len(stack)
        exact = plain and together
        filled = {diff_id: rest if diff_id == own[-1] else 0 for diff_id in own}
        told[image.id] = Weighing(tuple({**sizes, **filled}[d] for d in stack), exact)
        if exact:
            sizes.update(filled)
    return told


def _plain(image: Image) -> bool:
    """Whether the image is one manifest with its content whole, so that its size is its own."""
    blobs = {blob.digest: blob.size for blob in image.blobs or ()}
    return len(image.platforms) <= 1 and bool(blobs) and sum(blobs.values()) == image.content_size
