"""Layer sizes from the sizes of whole images: asked for once, and right in sum for any set."""

from __future__ import annotations

import random

import pytest

from holystone.engine.layer_sizes import Weighing, deduce, remainders, representatives
from holystone.operations.live_host import LiveHost
from holystone.planner.holders import unpacked_bytes
from holystone.planner.inventory import Blob, Image
from tests.engine_client.clients import client_of
from tests.engine_client.proxy import proxy
from tests.engines import Engine
from tests.engines.images import ImageToLoad, layer, load
from tests.usage.forgetful import Forgetful

SIZES = {"base": 100, "middle": 30, "a": 7, "b": 5, "c": 2}
STACKS = {
    "one": ("base", "middle", "a"),
    "two": ("base", "middle", "b", "c"),
    "base": ("base",),
}


def image(name: str, *, whole: bool = True) -> Image:
    """One of the images, as a list tells it: 10 bytes of content beside its layers."""
    size = sum(SIZES[diff_id] for diff_id in STACKS[name])
    blobs = (Blob(f"manifest of {name}", 10),) if whole else None
    return Image(name, size=size + 10, content_size=10, blobs=blobs)


def test_one_image_is_asked_for_what_several_share() -> None:
    """With the shared layers known nobody is asked; of an image in pieces its history is needed."""
    images = [image("one"), image("two")]
    assert representatives(images, STACKS, {}) == {"one"}
    assert representatives(images, STACKS, {"base": 100, "middle": 30}) == set()
    assert representatives([image("two", whole=False)], STACKS, SIZES) == {"two"}


def test_what_one_image_alone_holds_is_the_rest_of_its_size() -> None:
    """Several such layers are told with the topmost."""
    known = {"base": 100, "middle": 30, "a": 7}
    assert deduce([image("two"), image("base")], STACKS, known) == {
        "two": (100, 30, 0, 7),
        "base": (100,),
    }


def test_nothing_is_deduced_that_does_not_add_up() -> None:
    """A shared layer of unknown size, or a size that contradicts what is known."""
    assert deduce([image("two")], STACKS, {"base": 100}) == {}
    assert deduce([image("base")], STACKS, {"base": 99}) == {}
    assert deduce([image("base")], STACKS, {"base": 101}) == {}


def test_without_a_history_the_rest_of_the_size_is_told_with_the_topmost_layer() -> None:
    """What is one layer, or is held by the same images, is exact."""
    known = {"base": 100, "middle": 30}
    assert remainders([image("one"), image("two")], STACKS, known, certain=False) == {
        "one": Weighing((100, 30, 7), exact=True),
        "two": Weighing((100, 30, 0, 7), exact=True),
    }


def test_what_one_image_settles_helps_the_next() -> None:
    stacks = {"base": ("base",), "one": ("base", "a"), "two": ("base", "a", "b")}
    images = [
        Image("two", size=100 + 7 + 5),
        Image("one", size=100 + 7),
        Image("base", size=100),
    ]
    assert remainders(images, stacks, {}, certain=True) == {
        "base": Weighing((100,), exact=True),
        "one": Weighing((100, 7), exact=True),
        "two": Weighing((100, 7, 5), exact=True),
    }


def test_layers_that_others_hold_in_part_are_bounded() -> None:
    """Of two layers one is another image's as well, whose size tells nothing of it."""
    stacks = {"one": ("x", "y"), "two": ("x", "z")}
    images = [Image("one", size=10), Image("two", size=20)]
    assert remainders(images, stacks, {}, certain=True) == {
        "one": Weighing((0, 10), exact=False),
        "two": Weighing((0, 20), exact=False),
    }


def test_a_size_that_may_have_more_than_the_layers_is_bounded() -> None:
    """Podman counts the config in, and an image of several platforms all of them."""
    (told,) = remainders([Image("base", size=104)], STACKS, {}, certain=False).values()
    assert told == Weighing((104,), exact=False)
    two = image("base")._replace(platforms=("linux/amd64", "linux/arm64"))
    (told,) = remainders([two], STACKS, {}, certain=False).values()
    assert not told.exact


def test_a_size_that_contradicts_what_is_known_tells_nothing() -> None:
    assert remainders([Image("base", size=90)], STACKS, {"base": 100}, certain=True) == {}
    assert remainders([Image("base", size=110)], STACKS, {"base": 100}, certain=True) == {}


@pytest.mark.engine("containerd")
def test_few_histories_are_asked_and_every_image_adds_up(fresh_engine: Engine, unique: str) -> None:
    bases = [[layer(f"{unique} {b} {n}", 20_000) for n in range(3)] for b in range(2)]
    images = [
        ImageToLoad(
            [*bases[n % 2], layer(f"{unique} own {n}", 5000 + n), layer(f"{unique} top {n}", 99)],
            [f"localhost/{unique}:{n}"] if random.Random(n).random() < 0.5 else [],
        )
        for n in range(12)
    ]
    load(fresh_engine, *images)
    with proxy(fresh_engine) as front:
        host = LiveHost(client_of(front.url), Forgetful())
        inventory = host.weigh(host.observe())
        host.close()
    asked = [path for path in front.paths if path.endswith("/history")]
    assert len(asked) == 2
    for listed in inventory.images:
        assert listed.layers is not None
        assert sum(each.size for each in listed.layers) == listed.size - listed.content_size
    blobs = {blob for listed in inventory.images for blob in listed.blobs or ()}
    usage = fresh_engine.disk_usage()
    assert unpacked_bytes(inventory.images) + sum(b.size for b in blobs) == usage["LayersSize"]
