"""Build cache of the containerd store: an unpacked copy of its own, a blob shared with images."""

from __future__ import annotations

from holystone.planner.holders import blobs_of_records
from holystone.planner.inventory import Blob, CacheRecord, Engine, Image, Inventory, Layer
from holystone.planner.sizes import free
from holystone.present.figures import CacheBytes, cache_bytes

STEP = Blob("sha256:step", 40)
CONFIG = Blob("sha256:config", 3)
APP = Image(
    "app",
    layers=(Layer("base", 1000), Layer("step", 100)),
    blobs=(Blob("sha256:base", 500), STEP, CONFIG),
    content_size=543,
    size=1643,
)
TWIN = APP._replace(id="twin", blobs=(Blob("sha256:base", 500), STEP, Blob("sha256:other", 4)))
RECORD = CacheRecord("step", size=140)
STAGE = CacheRecord("stage", size=700)
SOURCE = CacheRecord("source", size=140, type="source.local")


def host(*images: Image, cache: tuple[CacheRecord, ...]) -> Inventory:
    engine = Engine("e", "test", "28", "1.51", "overlayfs", "containerd")
    return Inventory(engine, 0.0, images=images, cache=cache)


def test_a_record_is_told_by_the_sum_of_its_layer_and_its_blob() -> None:
    assert blobs_of_records(host(APP, cache=(RECORD, STAGE, SOURCE))) == {"step": STEP}


def test_nothing_tells_where_blobs_are_not_known() -> None:
    assert blobs_of_records(host(APP._replace(blobs=None), cache=(RECORD,))) is None
    assert blobs_of_records(host(APP, cache=(RECORD,))._replace(partial=True)) is None


def test_a_record_frees_its_copy_while_an_image_has_the_blob() -> None:
    freed = free(host(APP, cache=(RECORD, STAGE, SOURCE)), [], [RECORD, STAGE, SOURCE])
    assert freed.records == [100, 700, 140]


def test_an_image_leaves_the_blob_to_a_record_that_stays() -> None:
    freed = free(host(APP, cache=(RECORD,)), [APP], [])
    assert freed.images == [1100 + 503]
    assert freed.held_by_cache == 40


def test_the_last_holder_frees_the_blob() -> None:
    freed = free(host(APP, cache=(RECORD,)), [APP], [RECORD])
    assert (freed.images, freed.records) == ([1603], [140])
    assert freed.held_by_cache == 0
    both = free(host(APP, TWIN, cache=(RECORD,)), [APP], [RECORD])
    assert (both.images, both.records) == ([3], [100])


def test_half_of_a_record_is_assumed_where_nothing_tells() -> None:
    unknown = APP._replace(blobs=None)
    assert free(host(unknown, cache=(RECORD,)), [], [RECORD]).records == [70]


def test_the_account_counts_a_shared_blob_with_the_images_alone() -> None:
    used = RECORD._replace(id="used", in_use=True)
    seen = host(APP, cache=(RECORD, used, STAGE))
    assert cache_bytes(seen) == CacheBytes(own=100 + 100 + 700, in_use=100, shared=80)
    assert cache_bytes(seen, {"stage"}) == CacheBytes(own=700, in_use=0, shared=0)
