"""Compressed content of the containerd store: the truth is never outside the bounds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from holystone.planner.holders import holders
from holystone.planner.inventory import Blob, Image, Layer
from holystone.planner.sizes import freed_content
from tests.planner.hosts import image_sets, moderate

BASE = Layer("base", 100)
A = Layer("base/a", 100)
B = Layer("base/b", 100)


def image(name: str, content: int, *layers: Layer) -> Image:
    return Image(name, layers=layers, content_size=content)


def total(going: list[Image], images: list[Image]) -> tuple[int, int, int]:
    freed = freed_content(going, images, holders(images))
    return (
        sum(each.freed for each in freed),
        sum(each.at_least for each in freed),
        sum(each.at_most for each in freed),
    )


def test_an_image_that_shares_nothing_frees_its_content() -> None:
    alone = image("alone", 70, BASE, A)
    assert total([alone], [alone]) == (70, 70, 70)


def test_where_an_image_ends_at_the_fork_its_content_is_the_stack() -> None:
    base, child = image("base", 30, BASE), image("child", 70, BASE, A)
    assert total([child], [base, child]) == (40, 40, 70)


def test_elsewhere_the_stack_is_estimated_from_unpacked_sizes() -> None:
    kept, going = image("kept", 60, BASE, A), image("going", 80, BASE, B)
    freed, at_least, at_most = total([going], [kept, going])
    assert (at_least, at_most) == (20, 80)
    assert at_least <= freed <= at_most


def test_layers_unknown_may_free_anything() -> None:
    unknown = Image("unknown", content_size=50)
    assert total([unknown], [unknown]) == (50, 0, 50)


def test_known_blobs_are_exact_whatever_the_layers() -> None:
    shared, own, kept = Blob("x", 30), Blob("y", 5), Blob("z", 7)
    one = image("one", 35, A)._replace(blobs=(shared, own, own))
    two = image("two", 37, B)._replace(blobs=(shared, kept))
    assert total([one], [one, two]) == (5, 5, 5)
    assert total([one, two], [one, two]) == (42, 42, 42)


def test_the_estimate_of_a_set_does_not_depend_on_its_order() -> None:
    images = [image("a", 80, BASE, A), image("b", 160, BASE, B)]
    assert total(images, images) == total(images[::-1], images)


def test_content_compressed_anew_never_frees_less_than_nothing() -> None:
    base, child = image("base", 90, BASE), image("child", 50, BASE, A)
    freed, at_least, at_most = total([child], [base, child])
    assert 0 <= at_least <= freed <= at_most


@moderate
@given(image_sets(), st.dictionaries(st.integers(0, 9), st.integers(0, 500)), st.data())
def test_the_truth_lies_within_the_bounds(
    images: list[Image], sizes: dict[int, int], data: st.DataObject
) -> None:
    def compressed(chain_id: str) -> int:
        return sizes.get(sum(map(ord, chain_id)) % 10, 11)

    def stored(held: list[Image]) -> int:
        return sum(map(compressed, {x.chain_id for i in held for x in i.layers or ()}))

    images = [each._replace(content_size=stored([each])) for each in images]
    going = data.draw(st.permutations(images)) if images else []
    going = going[: data.draw(st.integers(0, len(going)))]
    staying = [each for each in images if each not in going]
    freed, at_least, at_most = total(going, images)
    assert at_least <= stored(images) - stored(staying) <= at_most
    assert 0 <= at_least <= freed <= at_most
    assert total(data.draw(st.permutations(going)), images)[0] == freed
