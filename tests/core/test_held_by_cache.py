"""Bytes that leave the engine's figure for images while the build cache keeps them on the disk."""

from __future__ import annotations

from holystone.core.inventory import CacheRecord, Engine, Image, Inventory, Layer
from holystone.core.plan import plan
from holystone.core.policy import CacheLimits, Grace, Policy
from holystone.core.usage import Usage

NOW = 1_700_000_000.0
BASE, TOP = Layer("base", 1000), Layer("top", 70)


def held(*, store: str = "classic", tagged: bool = False, budget: int = 10**9) -> int:
    """What is held when an image of two layers goes that build cache shares."""
    inventory = Inventory(
        Engine("e", "n", "1", "1.41", "overlay2", store),
        NOW,
        images=(
            Image("sha256:a", layers=(BASE, TOP)),
            Image("sha256:b", ("b:1",) if tagged else (), layers=(BASE,)),
        ),
        cache=(
            CacheRecord("one", size=1000, shared=True, created=NOW - 99),
            CacheRecord("two", ("one",), size=70, shared=True, created=NOW - 99),
            CacheRecord("other", size=70, created=NOW - 99),
        ),
    )
    policy = Policy(grace=Grace.uniform(0), cache=CacheLimits(budget_bytes=budget))
    return plan(inventory, Usage(), policy, NOW).held_by_cache


def test_layers_that_kept_records_share() -> None:
    """Both layers go with their last image, and both are held."""
    assert held() == 1070


def test_a_layer_that_an_image_keeps_is_not_freed_and_so_not_held() -> None:
    """The base stays with the tagged image."""
    assert held(tagged=True) == 70


def test_the_containerd_store_says_it_with_its_bounds() -> None:
    """There the records have copies of their own."""
    assert held(store="containerd") == 0
