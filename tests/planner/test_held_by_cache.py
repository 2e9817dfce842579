"""Bytes of an image that goes and build cache keeps: who is the last holder of a layer."""

from __future__ import annotations

from holystone.planner.holders import ambiguous, layers_of_records
from holystone.planner.inventory import CacheRecord, Engine, Image, Inventory, Layer
from holystone.planner.plan import plan
from holystone.planner.policy import CacheLimits, Grace, Policy
from holystone.planner.usage import Usage
from holystone.planner.verdict import Plan

NOW = 1_700_000_000.0
BASE, TOP, TWIN = Layer("base", 1000), Layer("top", 70), Layer("twin", 70)
RECORDS = (
    CacheRecord("one", size=1000, shared=True, created=NOW - 99),
    CacheRecord("two", ("one",), size=70, shared=True, created=NOW - 98),
    CacheRecord("other", size=70, created=NOW - 97),
)


def host(*images: Image, cache: tuple[CacheRecord, ...] = RECORDS) -> Inventory:
    return Inventory(Engine("e", "n", "1", "1.41", "overlay2"), NOW, images=images, cache=cache)


def planned(inventory: Inventory, budget: int = 10**9) -> Plan:
    policy = Policy(grace=Grace.uniform(0), cache=CacheLimits(budget_bytes=budget))
    return plan(inventory, Usage(), policy, NOW)


def test_an_image_alone_frees_nothing_that_records_hold() -> None:
    made = planned(host(Image("sha256:a", layers=(BASE, TOP))))
    assert [step.id for step in made.steps] == ["sha256:a"]
    assert (made.freed_bytes, made.held_by_cache, made.estimated) == (0, 1070, False)


def test_a_layer_that_another_image_keeps_is_not_held_by_cache_alone() -> None:
    made = planned(
        host(Image("sha256:a", layers=(BASE, TOP)), Image("sha256:b", ("b:1",), layers=(BASE,)))
    )
    assert (made.freed_bytes, made.held_by_cache) == (0, 70)


def test_the_record_that_goes_last_frees_the_layer() -> None:
    made = planned(host(Image("sha256:a", layers=(BASE, TOP))), budget=0)
    assert {step.id: step.freed_bytes for step in made.steps} == {
        "sha256:a": 0, "two": 70, "one": 1000, "other": 70
    }  # fmt: skip
    assert (made.freed_bytes, made.held_by_cache, made.estimated) == (1140, 0, False)


def test_what_buildkit_pulled_as_a_base_is_told_with_no_size_and_holds_its_layer() -> None:
    pulled = CacheRecord("one", description="pulled from docker.io/library/base:1", shared=True)
    inventory = host(Image("sha256:a", layers=(BASE, TOP)), cache=(pulled, *RECORDS[1:]))
    assert layers_of_records(inventory) == {"one": {"base"}, "two": {"top"}}
    assert planned(inventory).held_by_cache == 1070
    freed = {step.id: step.freed_bytes for step in planned(inventory, budget=0).steps}
    assert freed["one"] == 1000


def test_records_of_one_size_are_told_apart_by_the_dates_of_the_layers() -> None:
    a, b = Image("sha256:a", layers=(BASE, TOP)), Image("sha256:b", ("b:1",), layers=(BASE, TWIN))
    cache = (*RECORDS[:2], RECORDS[1]._replace(id="three", created=NOW - 50))
    inventory = host(a, b, cache=cache)
    assert layers_of_records(inventory)["two"] == {"top", "twin"}
    assert ambiguous(inventory) == {"sha256:a", "sha256:b"}
    assert ambiguous(host(a)) == set()
    dated = host(
        a._replace(layer_dates=(None, NOW - 98)),
        b._replace(layer_dates=(None, NOW - 50)),
        cache=cache,
    )
    assert not ambiguous(dated)
    assert {each: layers_of_records(dated)[each] for each in ("two", "three")} == {
        "two": {"top"}, "three": {"twin"}
    }  # fmt: skip


def test_where_it_stays_open_every_record_that_may_hold_a_layer_does() -> None:
    """One record, two layers it may hold: what goes is told as held, and may come free."""
    a, b = Image("sha256:a", layers=(BASE, TOP)), Image("sha256:b", ("b:1",), layers=(BASE, TWIN))
    made = planned(host(a, b))
    assert (made.freed_bytes, made.at_least, made.at_most) == (0, 0, 70)
    assert made.estimated
    assert made.held_by_cache == 70


def test_the_sizes_of_layers_above_tell_those_below_apart() -> None:
    """Both lower layers are of one size; what stands on them is not."""
    lower, other, upper = Layer("lower", 5), Layer("other", 5), Layer("upper", 9)
    cache = (
        CacheRecord("low", size=5, shared=True),
        CacheRecord("high", ("low",), size=9, shared=True),
    )
    inventory = host(
        Image("sha256:a", layers=(lower, upper)), Image("sha256:b", layers=(other,)), cache=cache
    )
    assert layers_of_records(inventory) == {"low": {"lower"}, "high": {"upper"}}


def test_what_a_record_stands_on_tells_its_layer_in_whatever_order_they_are_listed() -> None:
    stacks = [
        [Layer(f"{name}{size}", size) for size in (low, 9, 3)] for name, low in (("a", 5), ("b", 6))
    ]
    cache = (
        CacheRecord("low", size=5, shared=True),
        CacheRecord("high", ("low",), size=9, shared=True),
        CacheRecord("top", ("high",), size=3, shared=True),
    )
    images = [Image(f"sha256:{n}", layers=tuple(stack)) for n, stack in enumerate(stacks)]
    for listed in (cache, cache[::-1]):
        told = layers_of_records(host(*images, cache=listed))
        assert told == {"low": {"a5"}, "high": {"a9"}, "top": {"a3"}}


def test_what_the_engine_s_files_tell_of_a_record_goes_before_what_fits() -> None:
    """BuildKit made a record anew of a base that was here: no size, no date of the layer."""
    a, b = Image("sha256:a", layers=(BASE, TOP)), Image("sha256:b", layers=(BASE, TWIN))
    began = CacheRecord("began", ("one",), description="from local ", shared=True)
    inventory = host(a, b, cache=(RECORDS[0], began))
    assert layers_of_records(inventory)["began"] == {"top", "twin"}
    for layer in ("top", "twin"):
        told = host(a, b, cache=(RECORDS[0], began._replace(layer=layer)))
        assert layers_of_records(told)["began"] == {layer}


def test_other_stores_say_it_with_their_bounds() -> None:
    """There the records have copies of their own."""
    inventory = host(Image("sha256:a", layers=(BASE, TOP)))
    there = inventory._replace(engine=inventory.engine._replace(store="containerd"))
    assert layers_of_records(there) == {}
    assert planned(there).held_by_cache == 0
