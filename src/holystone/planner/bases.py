"""Which images others were built on, and which of them nothing else on the host needs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence

from holystone.planner.inventory import Image


def unused_bases(images: Sequence[Image], going: Collection[str]) -> frozenset[str]:
    """The IDs of the images that those in ``going`` were built on, and no image that stays.

    An image is built on its parent (classic builder, Podman), and on every image all of whose
    layers are its lowest ones; where several images have just these layers, nothing tells on which.
    An image with the same layers may have been built on it too. Where the layers of an image that
    stays are not known, only parents without a name are told.
    """
    by_id = {image.id: image for image in images}
    blind = any(image.layers is None for image in images if image.id not in going)
    tops: defaultdict[str, list[str]] = defaultdict(list)
    for image in images:
        if image.layers and not blind:
            tops[image.layers[-1].chain_id].append(image.id)

    def below(image: Image, *, same: bool) -> set[str]:
        """What an image was built on; ``same``: or shares all its layers with."""
        layers = [*(image.layers or ()), *image.other_layers]
        top = image.layers[-1].chain_id if image.layers else ""
        chains = [each.chain_id for each in layers if same or each.chain_id != top]
        alike = [tops.get(chain, []) for chain in chains]
        found = {other for others in alike if same or len(others) == 1 for other in others}
        parent = by_id.get(image.parent)
        while parent is not None:
            if not (blind and (parent.tags or parent.digests)):
                found.add(parent.id)
            parent = by_id.get(parent.parent) if parent.parent != parent.id else None
        return found - {image.id}

    bases: set[str] = set()
    waiting = [by_id[image_id] for image_id in going if image_id in by_id]
    while waiting:
        new = below(waiting.pop(), same=False) - bases - set(going)
        bases |= new
        waiting += [by_id[image_id] for image_id in new]
    while True:
        staying = [each for each in images if each.id not in bases and each.id not in going]
        held = {other for image in staying for other in below(image, same=True)} & bases
        if not held:
            return frozenset(bases)
        bases -= held
