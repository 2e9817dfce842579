"""The pieces of a host: each byte once, and those that a plan takes are the bytes it frees."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holystone.planner.inventory import Engine, Image, Inventory, Layer
from holystone.planner.pieces import pieces_of
from holystone.planner.plan import plan
from holystone.planner.policy import LEVELS, TAKES, Policy
from holystone.planner.sizes import free_images
from holystone.planner.usage import Usage
from tests.planner.hosts import inventories


def _plan_all(inventory: Inventory, level: str) -> tuple[set[tuple[str, str]], int]:
    policy = Policy(level, TAKES[level], check_registry=False)
    made = plan(inventory, Usage(), policy, inventory.taken_at + 10 * 365 * 86400)
    return {(step.kind, step.id) for step in made.steps}, made.freed_bytes


@pytest.mark.parametrize("store", ["classic", "podman"])
@pytest.mark.parametrize("level", LEVELS)
@given(data=st.data())
def test_what_a_plan_takes_is_what_it_frees(level: str, store: str, data: st.DataObject) -> None:
    inventory = data.draw(inventories(store))
    gone, freed = _plan_all(inventory, level)
    assert sum(each.size for each in pieces_of(inventory) if each.freed_by(gone)) == freed


@pytest.mark.parametrize("store", ["classic", "containerd", "podman"])
@given(data=st.data())
def test_images_are_counted_once(store: str, data: st.DataObject) -> None:
    inventory = data.draw(inventories(store))
    stored, _ = free_images(inventory.images, inventory.images)
    found = pieces_of(inventory._replace(cache=()))
    assert sum(each.size for each in found if each.kind == "image") == sum(stored)
    assert all(each.size > 0 for each in found)


def test_layers_with_the_same_holders_are_one_piece() -> None:
    base = (Layer("sha256:a", 70), Layer("sha256:b", 30))
    images = (
        Image("sha256:1", ("app:1",), layers=(*base, Layer("sha256:c", 5))),
        Image("sha256:2", ("app:2",), layers=(*base, Layer("sha256:d", 7))),
    )
    engine = Engine("id", "host", "28", "1.51", "overlay2")
    found = pieces_of(Inventory(engine, 0.0, images))
    one, two = ("image", "sha256:1"), ("image", "sha256:2")
    assert [(each.holders, each.size) for each in found] == [
        ((one, two), 100),
        ((two,), 7),
        ((one,), 5),
    ]
    assert found[0].layers == (("sha256:a", 70), ("sha256:b", 30))
    assert not found[0].freed_by({one})
    assert found[0].freed_by({one, two})
