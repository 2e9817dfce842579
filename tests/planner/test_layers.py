"""Layers: chain IDs, who holds them, and what comes free."""

from __future__ import annotations

from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from holystone.planner.holders import LayerHolders, holders, share, unpacked_bytes
from holystone.planner.inventory import Image, Layer, chain_ids
from tests.planner.hosts import image_sets, moderate

BASE = Layer("base", 100)
APP = Layer("base/app", 20)
OTHER = Layer("base/other", 3)


def image(name: str, *layers: Layer) -> Image:
    return Image(name, layers=layers)


def freed_in_order(going: list[Image], images: list[Image]) -> list[int]:
    account = LayerHolders(images, {})
    return [account.give_up_image(each) for each in going]


def test_chain_ids_follow_the_image_specification() -> None:
    # ChainID(L0) = DiffID(L0); ChainID(L0|…|Ln) = digest(ChainID(L0|…|Ln-1) + " " + DiffID(Ln))
    one, two, three = (f"sha256:{letter * 64}" for letter in "abc")
    second = "sha256:" + sha256(f"{one} {two}".encode()).hexdigest()
    third = "sha256:" + sha256(f"{second} {three}".encode()).hexdigest()
    assert chain_ids([one, two, three]) == [one, second, third]
    assert chain_ids([]) == []
    assert chain_ids([one, one])[1] != one


def test_share_tells_unique_from_shared() -> None:
    images = [image("a", BASE, APP), image("b", BASE, OTHER), image("c")]
    count = holders(images)
    assert count == {"base": 2, "base/app": 1, "base/other": 1}
    assert share(images[0], count) == (20, 100)
    assert share(images[2], count) == (0, 0)
    assert share(Image("unknown"), count) == (0, 0)


def test_a_layer_goes_with_its_last_holder() -> None:
    images = [image("a", BASE, APP), image("b", BASE, OTHER), image("c", BASE)]
    assert freed_in_order(images, images) == [20, 3, 100]
    assert freed_in_order(images[::-1], images) == [0, 3, 120]
    assert freed_in_order(images[:2], images) == [20, 3]


@moderate
@given(image_sets(), st.data())
def test_freed_is_the_fall_of_what_is_stored(images: list[Image], data: st.DataObject) -> None:
    going = data.draw(st.permutations(images)) if images else []
    going = going[: data.draw(st.integers(0, len(going)))]
    staying = [each for each in images if each not in going]
    freed = freed_in_order(going, images)
    assert sum(freed) == unpacked_bytes(images) - unpacked_bytes(staying)
    assert sum(share(each, holders(images)).unique for each in images) <= unpacked_bytes(images)
