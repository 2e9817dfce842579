"""What ``images`` tells of an image is what a plan says of it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from holystone.planner.inventory import Blob, Image
from holystone.planner.sizes import free_images
from holystone.present.figures import image_shares, images_stored
from tests.planner.hosts import image_sets


@given(image_sets(), st.booleans(), st.lists(st.integers(1, 500), min_size=9, max_size=9))
def test_unique_is_what_a_plan_frees_with_it_alone(
    images: list[Image], by_blob: bool, sizes: list[int]
) -> None:
    """On every store, whether the blobs of the compressed content are known or only their sum."""

    def stored(image: Image) -> Image:
        blobs = tuple(
            Blob(layer.chain_id, sizes[len(layer.chain_id) % 9]) for layer in image.layers or ()
        )
        own = Blob(f"config of {image.id}", 7)
        content = sum(blob.size for blob in {*blobs, own})
        known = (*blobs, own) if by_blob else None
        return image._replace(content_size=content, blobs=known, metadata_size=3)

    images = [stored(image) for image in images]
    shares = image_shares(images)
    for image in images:
        share = shares[image.id]
        assert share is not None
        (freed,), _ = free_images(images, [image])
        assert share.unique == freed
        unpacked = sum(layer.size for layer in image.layers or ())
        assert share.unique + share.shared == unpacked + image.content_size + image.metadata_size
    everything, _ = free_images(images, images)
    assert images_stored(images, shares).stored == sum(everything)
