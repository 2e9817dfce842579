"""Which images the names on the command line mean."""

from __future__ import annotations

from collections.abc import Sequence

from holystone.cli.session import Failure
from holystone.planner.inventory import Image


def images_meant(images: Sequence[Image], names: Sequence[str]) -> set[str]:
    """The IDs of the images that any of these names means.

    Raises Failure for a name that means none, with those that are close.
    """
    from holystone.planner.lookup import find_images

    meant: set[str] = set()
    for text in names:
        found = find_images(images, text)
        if not found:
            from holystone.planner.lookup import did_you_mean
            from holystone.present.format import safe

            near = safe(did_you_mean((tag for image in images for tag in image.tags), text))
            raise Failure(f"there is no image {text!r}.{near} `holystone images` lists them.")
        meant |= {image.id for image in found}
    return meant
