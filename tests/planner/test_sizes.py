"""Who holds which bytes, what comes free, and how far that may be from the truth."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holystone.planner.bounds import Slack, block_slack, container_slack, driver_slack, volume_slack
from holystone.planner.holders import (
    LayerHolders,
    ambiguous,
    blobs_of_records,
    holders,
    layers_of_records,
    share,
    unpacked_bytes,
)
from holystone.planner.inventory import (
    Blob,
    CacheRecord,
    Container,
    Engine,
    Image,
    Inventory,
    Layer,
    Volume,
    chain_ids,
)
from holystone.planner.plan import plan
from holystone.planner.policy import CacheLimits, Grace, Policy
from holystone.planner.sizes import content_alone, free, freed_content
from holystone.planner.usage import Usage
from holystone.planner.verdict import Plan, Step
from holystone.present.figures import CacheBytes, cache_bytes
from tests.planner.hosts import image_sets, moderate

NOW = 1_700_000_000.0
BASE, APP, OTHER = Layer("b", 100), Layer("b/a", 20), Layer("b/o", 3)


def image(name: str, *layers: Layer, content: int = 0) -> Image:
    return Image(name, layers=layers, content_size=content)


def host(
    *images: Image, cache: tuple[CacheRecord, ...] = (), store: str = "classic", driver: str = "o"
) -> Inventory:
    return Inventory(Engine("e", "n", "1", "1.41", driver, store), NOW, images=images, cache=cache)


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
    assert count == {"b": 2, "b/a": 1, "b/o": 1}
    assert share(images[0], count) == (20, 100)
    assert share(images[2], count) == share(Image("unknown"), count) == (0, 0)


def freed_in_order(going: list[Image], images: list[Image]) -> list[int]:
    account = LayerHolders(images, {})
    return [account.give_up_image(each) for each in going]


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


# Compressed content of the containerd store: the truth is never outside the bounds.

SAME = Layer("b/s", 100)
UNKNOWN = Image("unknown", content_size=50)
SHARED, OWN, KEPT = Blob("x", 30), Blob("y", 5), Blob("z", 7)
ONE = image("one", SAME, content=35)._replace(blobs=(SHARED, OWN, OWN))
TWO = image("two", BASE, content=37)._replace(blobs=(SHARED, KEPT))


def content(going: list[Image], images: list[Image]) -> tuple[int, int, int]:
    freed = freed_content(going, images, holders(images))
    likely, least, most = (sum(each[at] for each in freed) for at in range(3))
    return likely, least, most


@pytest.mark.parametrize(
    ("going", "staying", "freed"),
    [
        ([image("alone", BASE, SAME, content=70)], [], (70, 70, 70)),
        # Where an image ends at the fork its content is that of the stack below.
        ([image("child", BASE, SAME, content=70)], [image("base", BASE, content=30)], (40, 40, 70)),
        # Elsewhere that is guessed from unpacked sizes.
        ([image("g", BASE, APP, content=80)], [image("k", BASE, SAME, content=60)], (50, 20, 80)),
        # Content that was compressed anew never frees less than nothing.
        ([image("child", BASE, SAME, content=50)], [image("base", BASE, content=90)], (0, 0, 50)),
        # Of layers without any bytes nothing is guessed.
        ([image("g", Layer("z", 0), Layer("z/a", 0), content=10)],
         [image("k", Layer("z", 0), Layer("z/b", 0), content=8)], (10, 2, 10)),
        ([UNKNOWN], [], (50, 0, 50)),
        # Known blobs are exact whatever the layers.
        ([ONE], [TWO], (5, 5, 5)),
        ([ONE, TWO], [], (42, 42, 42)),
    ],
)  # fmt: skip
def test_content_that_images_free(
    going: list[Image], staying: list[Image], freed: tuple[int, int, int]
) -> None:
    assert content(going, [*staying, *going]) == freed


def test_the_estimate_of_a_set_does_not_depend_on_its_order() -> None:
    images = [image("a", BASE, APP, content=80), image("b", BASE, SAME, content=160)]
    assert content(images, images) == content(images[::-1], images)


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
    freed, at_least, at_most = content(going, images)
    assert at_least <= stored(images) - stored(staying) <= at_most
    assert 0 <= at_least <= freed <= at_most
    assert content(data.draw(st.permutations(going)), images)[0] == freed


def test_content_of_each_image_by_itself() -> None:
    base, low, top, other = (Layer(n, s) for n, s in zip("blto", (8, 4, 2, 1), strict=True))
    images = [
        image("a", base, low, top, content=70),
        image("b", base, other, content=45),
        image("c", Layer("c", 5), content=9),
    ]
    # By unpacked size 8 of 14 bytes of the one, 8 of 9 of the other, are of what they share.
    assert content_alone(images, holders(images)) == [(30, 25, 70), (5, 0, 45), (9, 9, 9)]
    assert content_alone([Image("a")], holders([Image("a")])) == [(0, 0, 0)]


# Build cache of the containerd store: an unpacked copy of its own, a blob shared with images.

STEP = Blob("sha256:step", 40)
BUILT = Image(
    "app",
    layers=(Layer("base", 1000), Layer("step", 100)),
    blobs=(Blob("sha256:base", 500), STEP, Blob("sha256:config", 3)),
    content_size=543,
    size=1643,
)
TWIN = BUILT._replace(id="twin", blobs=(Blob("sha256:base", 500), STEP, Blob("sha256:other", 4)))
RECORD, STAGE = CacheRecord("step", size=140), CacheRecord("stage", size=700)
SOURCE = CacheRecord("source", size=140, type="source.local")


def copies(*images: Image, cache: tuple[CacheRecord, ...] = (RECORD,)) -> Inventory:
    return host(*images, cache=cache, store="containerd")


def test_a_record_is_told_by_the_sum_of_its_layer_and_its_blob() -> None:
    assert blobs_of_records(copies(BUILT, cache=(RECORD, STAGE, SOURCE))) == {"step": STEP}
    # Nothing tells where blobs are not known.
    unknown = copies(BUILT._replace(blobs=None))
    assert blobs_of_records(unknown) is None
    assert blobs_of_records(copies(BUILT)._replace(partial=True)) is None
    assert free(unknown, [], [RECORD]).records == [70]


def test_a_record_frees_its_copy_while_an_image_has_the_blob() -> None:
    freed = free(copies(BUILT, cache=(RECORD, STAGE, SOURCE)), [], [RECORD, STAGE, SOURCE])
    assert freed.records == [100, 700, 140]


@pytest.mark.parametrize(
    ("images", "cut", "freed", "held"),
    [
        ((BUILT,), (), ([1603], []), 40),
        ((BUILT,), (RECORD,), ([1603], [140]), 0),
        ((BUILT, TWIN), (RECORD,), ([3], [100]), 0),
    ],
)
def test_the_last_holder_frees_the_blob(
    images: tuple[Image, ...],
    cut: tuple[CacheRecord, ...],
    freed: tuple[list[int], list[int]],
    held: int,
) -> None:
    told = free(copies(*images), [BUILT], cut)
    assert (told.images, told.records) == freed
    assert told.held_by_cache == held


def test_the_account_counts_a_shared_blob_with_the_images_alone() -> None:
    used = RECORD._replace(id="used", in_use=True)
    seen = copies(BUILT, cache=(RECORD, used, STAGE))
    assert cache_bytes(seen) == CacheBytes(own=100 + 100 + 700, in_use=100, shared=80)
    assert cache_bytes(seen, {"stage"}) == CacheBytes(own=700, in_use=0, shared=0)


# Build cache of the classic store: who is the last holder of a layer.

BASE_RECORD = CacheRecord("base", description="pulled from docker.io/library/base:1")


@pytest.mark.parametrize(
    ("record", "freed", "estimated", "above"),
    [
        (BASE_RECORD._replace(size=700, size_at_most=700), 700, False, 0),
        (BASE_RECORD._replace(size=0, size_at_most=0), 0, False, 0),
        (BASE_RECORD._replace(size=0, size_at_most=700), 0, True, 700),
        (BASE_RECORD, 0, True, 0),
        (BASE_RECORD._replace(description="from local base:1"), 0, True, 0),
        (BASE_RECORD._replace(description="[2/2] RUN true"), 0, False, 0),
    ],
    ids=["measured", "empty", "held by a container", "unknown", "unknown local", "a step"],
)
def test_what_a_record_of_a_base_frees(
    record: CacheRecord, freed: int, estimated: bool, above: int
) -> None:
    told = free(host(image("other", OTHER), cache=(record,)), [], [record])
    assert told.records == [freed]
    assert (told.slack.estimated, told.slack.above) == (estimated, above)


LOW, TOP, TWO_OF = Layer("low", 1000), Layer("top", 70), Layer("twin", 70)
RECORDS = (
    CacheRecord("one", size=1000, shared=True, created=NOW - 99),
    CacheRecord("two", ("one",), size=70, shared=True, created=NOW - 98),
    CacheRecord("other", size=70, created=NOW - 97),
)
A, B = Image("sha256:a", layers=(LOW, TOP)), Image("sha256:b", ("b:1",), layers=(LOW, TWO_OF))


def planned(inventory: Inventory, budget: int = 10**9) -> Plan:
    policy = Policy(grace=Grace.uniform(0), cache=CacheLimits(budget_bytes=budget))
    return plan(inventory, Usage(), policy, NOW)


@pytest.mark.parametrize(
    ("images", "freed", "held", "bounds"),
    [
        # An image alone frees nothing that records hold.
        ((A,), 0, 1070, (0, 0)),
        # A layer that another image keeps is not held by cache alone.
        ((A, Image("sha256:c", ("c:1",), layers=(LOW,))), 0, 70, (0, 0)),
        # One record, two layers it may hold: what goes is told as held, and may come free.
        ((A, B), 0, 70, (0, 70)),
    ],
)
def test_layers_that_build_cache_holds(
    images: tuple[Image, ...], freed: int, held: int, bounds: tuple[int, int]
) -> None:
    made = planned(host(*images, cache=RECORDS))
    assert [step.id for step in made.steps] == ["sha256:a"]
    assert (made.freed_bytes, made.held_by_cache) == (freed, held)
    assert (made.at_least, made.at_most) == bounds
    assert made.estimated is (bounds[1] > 0)


def test_the_record_that_goes_last_frees_the_layer() -> None:
    made = planned(host(A, cache=RECORDS), budget=0)
    freed = {step.id: step.freed_bytes for step in made.steps}
    assert freed == {"sha256:a": 0, "two": 70, "one": 1000, "other": 70}
    assert (made.freed_bytes, made.held_by_cache, made.estimated) == (1140, 0, False)


def test_what_buildkit_pulled_as_a_base_is_told_with_no_size_and_holds_its_layer() -> None:
    pulled = CacheRecord("one", description="pulled from docker.io/library/base:1", shared=True)
    inventory = host(A, cache=(pulled, *RECORDS[1:]))
    assert layers_of_records(inventory) == {"one": {"low"}, "two": {"top"}}
    assert planned(inventory).held_by_cache == 1070
    freed = {step.id: step.freed_bytes for step in planned(inventory, budget=0).steps}
    assert freed["one"] == 1000


def test_records_of_one_size_are_told_apart_by_the_dates_of_the_layers() -> None:
    cache = (*RECORDS[:2], RECORDS[1]._replace(id="three", created=NOW - 50))
    inventory = host(A, B, cache=cache)
    assert layers_of_records(inventory)["two"] == {"top", "twin"}
    assert ambiguous(inventory) == {"sha256:a", "sha256:b"}
    assert ambiguous(host(A, cache=RECORDS)) == set()
    dated = host(
        A._replace(layer_dates=(None, NOW - 98)),
        B._replace(layer_dates=(None, NOW - 50)),
        cache=cache,
    )
    assert not ambiguous(dated)
    assert layers_of_records(dated)["two"] == {"top"}
    assert layers_of_records(dated)["three"] == {"twin"}


def test_the_sizes_of_layers_above_tell_those_below_apart() -> None:
    """Both lower layers are of one size; what stands on them is not."""
    lower, upper = Layer("lower", 5), Layer("upper", 9)
    cache = (
        CacheRecord("low", size=5, shared=True),
        CacheRecord("high", ("low",), size=9, shared=True),
    )
    inventory = host(image("a", lower, upper), image("b", Layer("other", 5)), cache=cache)
    assert layers_of_records(inventory) == {"low": {"lower"}, "high": {"upper"}}


def test_what_a_record_stands_on_tells_its_layer_in_whatever_order_they_are_listed() -> None:
    images = [
        image(name, *(Layer(f"{name}{size}", size) for size in (low, 9, 3)))
        for name, low in (("a", 5), ("b", 6))
    ]
    cache = (
        CacheRecord("low", size=5, shared=True),
        CacheRecord("high", ("low",), size=9, shared=True),
        CacheRecord("top", ("high",), size=3, shared=True),
    )
    for listed in (cache, cache[::-1]):
        told = layers_of_records(host(*images, cache=listed))
        assert told == {"low": {"a5"}, "high": {"a9"}, "top": {"a3"}}


def test_what_the_engine_s_files_tell_of_a_record_goes_before_what_fits() -> None:
    """BuildKit made a record anew of a base that was here: no size, no date of the layer."""
    began = CacheRecord("began", ("one",), description="from local ", shared=True)
    assert layers_of_records(host(A, B, cache=(RECORDS[0], began)))["began"] == {"top", "twin"}
    for layer in ("top", "twin"):
        told = host(A, B, cache=(RECORDS[0], began._replace(layer=layer)))
        assert layers_of_records(told)["began"] == {layer}


def test_other_stores_say_it_with_their_bounds() -> None:
    """There the records have copies of their own."""
    assert layers_of_records(copies(A, cache=RECORDS)) == {}
    assert planned(copies(A, cache=RECORDS)).held_by_cache == 0


# Where the engine's figures are not the disk's.

IMAGES = (image("base", BASE), image("app", BASE, APP), image("other", BASE, OTHER))
RUN = Container("c", "c", "app", "app:1", "exited", writable_size=5)
STEPS = [Step("image", "app", ("app",), 20), Step("container", "c", ("c",), 5)]


@pytest.mark.parametrize(
    ("driver", "going", "leaving", "slack"),
    [
        ("overlay2", IMAGES, [RUN], Slack()),
        # A copy of what is below each layer, and two copies of its image for a container.
        ("vfs", IMAGES[1:2], [], Slack(True, 0, 100)),
        ("vfs", IMAGES, [], Slack(True, 0, 200)),
        ("vfs", (), [RUN], Slack(True, 0, 240)),
        ("vfs", (), [], Slack()),
        # Shared blocks may free nothing.
        ("btrfs", IMAGES[1:2], [RUN], Slack(True, 25, 0)),
        ("devicemapper", IMAGES[1:2], [RUN], Slack(True, 25, 0)),
        ("zfs", IMAGES[1:2], [RUN], Slack(True, 25, 0)),
        ("zfs", (), [], Slack()),
    ],
)
def test_what_storage_drivers_free(
    driver: str, going: tuple[Image, ...], leaving: list[Container], slack: Slack
) -> None:
    steps = STEPS if going or leaving else []
    assert driver_slack(host(*IMAGES, driver=driver), going, leaving, steps) == slack


def test_what_was_not_measured_may_be_less() -> None:
    bounded = RUN._replace(writable_at_least=2)
    assert container_slack([RUN, bounded]) == Slack(True, 3, 0)
    assert container_slack([RUN]) == Slack(False, 0, 0)
    volumes = [Volume("a", size=9), Volume("b", size=9, at_least=4)]
    assert volume_slack(volumes) == Slack(True, 5, 0)
    assert volume_slack([Volume("unknown")]) == Slack(True, 0, 0)


MANY = tuple(Layer(f"sha256:{n}", 10) for n in range(20))
STACKS = (image("base", *MANY[:5])._replace(tags=("base:1",)), image("app", *MANY),
          image("same", *MANY))  # fmt: skip


@pytest.mark.parametrize(
    ("store", "going", "others", "above"),
    [
        # A layer counts once, and where no image keeps it.
        ("classic", STACKS[1:], 5, 20 * 65536),
        ("classic", STACKS[1:2], 20, 20 * 65536),
        ("containerd", STACKS, 20, 40 * 32768),
        # Few objects are left out, and Podman tells its own.
        ("classic", (), 15, 0),
        ("classic", (), 16, 16 * 65536),
        ("containerd", (), 30, 0),
        ("containerd", (), 31, 31 * 32768),
        ("podman", STACKS, 400, 0),
    ],
)
def test_files_that_an_engine_keeps_for_each_object(
    store: str, going: tuple[Image, ...], others: int, above: int
) -> None:
    slack = block_slack(host(*STACKS, store=store), going, others)
    assert slack == Slack(estimated=False, below=0, above=above)
