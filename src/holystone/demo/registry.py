"""The registries of the demo host: they have all images pulled from them, and newer ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from holystone.demo.images import HOUR, demo_images, pushed_image
from holystone.planner.inventory import Image
from holystone.planner.names import complete
from holystone.planner.reference import parse

# Reference, stack, its own layer in MB, hours since it was built. Newer than what is on the host,
# or not on it.
_ELSEWHERE: tuple[tuple[str, str, float, float], ...] = (
    ("python:3.12-slim", "python 3.12 new", 0, 31),
    ("node:20-alpine", "node 20 new", 0, 52),
    ("registry.example.com/team/backend:main", "backend deps", 28.6, 0.2),
    ("python:3.13-slim", "debian", 44, 31),
    ("node:16-alpine", "node 16", 0, 410 * 24),
    ("registry.example.com/team/backend:1.40.2", "backend deps old", 26.4, 940),
)
DELETED = frozenset(("registry.example.com/team/backend:1.41.0",))
"""What was pushed once, and deleted from its registry since."""


class Registries(NamedTuple):
    """The images that registries give."""

    by_tag: Mapping[str, Image]
    """By reference in full, each with its digests and without tags."""
    by_digest: Mapping[str, Image]
    """The same by reference with a digest."""

    def get(self, reference: str) -> Image | None:
        """The image a reference with a tag or a digest means there; None where there is none."""
        full = complete(reference)
        return self.by_digest.get(full) or self.by_tag.get(full)


def demo_registries(now: float) -> Registries:
    """What registries have at ``now``, UTC seconds."""
    images, _ = demo_images(now)
    here = [image for image in images if image.digests and DELETED.isdisjoint(image.tags)]
    elsewhere = [
        pushed_image(f"{reference} elsewhere", reference, stack, own, now - hours * HOUR)
        for reference, stack, own, hours in _ELSEWHERE
    ]
    every = (*here, *elsewhere)
    return Registries(
        {complete(tag): _bare(image) for image in every for tag in image.tags},
        {complete(digest): _bare(image) for image in every for digest in image.digests},
    )


def says_no(images: Iterable[Image]) -> dict[str, tuple[bool | None, str]]:
    """What registries answer on the digests of images that they have no more."""
    return {
        digest: (False, f"{parse(digest).domain} says 'manifest unknown'")
        for image in images
        if not DELETED.isdisjoint(image.tags)
        for digest in image.digests
    }


def _bare(image: Image) -> Image:
    """An image as a registry has it, without what only a host knows of it."""
    digests, created, layers = image.digests, image.created, image.layers
    return Image(image.id, digests=digests, created=created, size=image.size, layers=layers)


def catalogue(images: Iterable[Image], registries: Registries) -> dict[str, Image]:
    """Every image that can be on the demo host, by ID."""
    known = {image.id: image for image in registries.by_digest.values()}
    return known | {image.id: image for image in images}
