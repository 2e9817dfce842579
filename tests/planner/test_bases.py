"""Which bases go with what was built on them."""

from __future__ import annotations

import pytest

from holystone.planner.bases import unused_bases
from holystone.planner.inventory import Image, Layer


def image(name: str, layers: str | None = None, parent: str = "", *tags: str) -> Image:
    """An image; each letter is a layer on those before it."""
    chains = [layers[: end + 1] for end in range(len(layers))] if layers is not None else None
    stack = None if chains is None else tuple(Layer(chain, 1) for chain in chains)
    return Image(name, tags, layers=stack, parent=parent)


BASE = image("base", "a", "", "base:1")
MID = image("mid", "ab", "", "mid:1")
APP = image("app", "abc", "", "app:1")
STEP, TOP = image("step", "x"), image("top", "xy", "step", "top:1")


@pytest.mark.parametrize(
    ("images", "going", "bases"),
    [
        ((BASE, MID, APP), {"app"}, {"base", "mid"}),
        ((BASE, MID, APP), {"mid"}, set()),
        ((BASE, MID, APP), {"mid", "app"}, {"base"}),
        # What another image was built on stays, and what that stands on.
        ((BASE, MID, APP, image("other", "abd")), {"app"}, set()),
        ((BASE, MID, APP, image("other", "ae")), {"app"}, {"mid"}),
        # An image with the same layers may have been built on it.
        ((BASE, MID, APP, image("twin", "ab")), {"app"}, set()),
        ((BASE, APP, image("twin", "abc")), {"app"}, set()),
        ((BASE, APP, image("far", "z")), {"app"}, {"base"}),
        # By parents, nameless or not.
        ((STEP, TOP), {"top"}, {"step"}),
        ((STEP, TOP, image("also", "xz", "step")), {"top"}, set()),
        ((STEP._replace(tags=("s:1",)), TOP), {"top"}, {"step"}),
        ((STEP._replace(layers=None), TOP._replace(layers=None)), {"top"}, {"step"}),
        # Where layers are not known, an image with a name is never among the answers.
        ((BASE, MID, APP, image("unknown")), {"app"}, set()),
        ((STEP, TOP, image("unknown")), {"top"}, {"step"}),
        ((STEP._replace(tags=("s:1",)), TOP, image("unknown")), {"top"}, set()),
        ((BASE, MID, APP._replace(layers=None)), {"app"}, set()),
        # Other platforms of an image count too.
        ((BASE, APP, image("arm", "q")._replace(other_layers=(Layer("a", 1),))), {"app"}, set()),
        ((BASE,), {"gone"}, set()),
    ],
)
def test_bases(images: tuple[Image, ...], going: set[str], bases: set[str]) -> None:
    assert unused_bases(images, going) == bases
    assert unused_bases(images[::-1], going) == bases
