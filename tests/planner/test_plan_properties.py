"""What holds of every plan, on hosts nobody thought of."""

from __future__ import annotations

import copy

from hypothesis import assume, given
from hypothesis import strategies as st

from holystone.demo.memory_host import SimulatedHost
from holystone.engine.host import REMOVED
from holystone.planner.holders import ambiguous
from holystone.planner.inventory import Inventory
from holystone.planner.plan import plan
from holystone.planner.policy import Grace, Policy
from holystone.planner.usage import Usage
from holystone.planner.verdict import KINDS, Step
from tests.planner.hosts import (
    NOW,
    any_policies,
    compressed_of,
    gone,
    inventories,
    moderate,
    policies,
    truth_of,
    usages,
)


def everything(inventory: Inventory) -> list[tuple[str, str]]:
    return sorted(
        [("container", c.id) for c in inventory.containers]
        + [("image", i.id) for i in inventory.images]
        + [("cache", r.id) for r in inventory.cache]
        + [("volume", v.name) for v in inventory.volumes]
        + [("network", n.id) for n in inventory.networks]
    )


@moderate
@given(inventories(), usages(), any_policies())
def test_every_object_has_one_verdict_with_reasons(
    inventory: Inventory, usage: Usage, policy: Policy
) -> None:
    made = plan(inventory, usage, policy, NOW)
    assert sorted((v.kind, v.id) for v in made.verdicts) == everything(inventory)
    assert sorted((v.kind, v.id) for v in made.kept + made.removed) == everything(inventory)
    assert all(verdict.reasons for verdict in made.verdicts)
    assert all(verdict.freed_bytes == 0 for verdict in made.kept)


@moderate
@given(inventories(), usages(), any_policies())
def test_steps_are_the_removals_and_their_bytes_the_sum(
    inventory: Inventory, usage: Usage, policy: Policy
) -> None:
    made = plan(inventory, usage, policy, NOW)
    assert sorted((step.kind, step.id) for step in made.steps) == sorted(gone(made))
    assert made.freed_bytes == sum(step.freed_bytes for step in made.steps)
    assert made.freed_bytes == sum(verdict.freed_bytes for verdict in made.removed)
    assert all(step.freed_bytes >= 0 for step in made.steps)
    assert made.at_least == made.freed_bytes <= made.at_most
    assert not made.estimated or made.freed_bytes < made.at_most


@moderate
@given(inventories(), usages(), any_policies())
def test_what_is_in_use_never_goes(inventory: Inventory, usage: Usage, policy: Policy) -> None:
    made = plan(inventory, usage, policy, NOW)
    removed = gone(made)
    for container in inventory.containers:
        if not container.stopped:
            assert ("container", container.id) not in removed
        if ("container", container.id) not in removed:
            assert ("image", container.image_id) not in removed
            assert not {("volume", name) for name in container.volumes} & removed
    for image in inventory.images:
        if image.parent and ("image", image.id) not in removed:
            assert ("image", image.parent) not in removed
    for record in inventory.cache:
        if record.in_use:
            assert ("cache", record.id) not in removed
        if ("cache", record.id) not in removed:
            assert not {("cache", parent) for parent in record.parents} & removed


@moderate
@given(inventories(), usages(), policies)
def test_a_routine_clean_leaves_every_tag(
    inventory: Inventory, usage: Usage, policy: Policy
) -> None:
    removed = gone(plan(inventory, usage, policy, NOW))
    assert not [i.id for i in inventory.images if i.tags and ("image", i.id) in removed]


@moderate
@given(inventories(), usages(), any_policies())
def test_each_step_can_be_carried_out_and_frees_what_it_says(
    inventory: Inventory, usage: Usage, policy: Policy
) -> None:
    host = SimulatedHost(inventory, usage, record_layers=truth_of(inventory))
    at_first = host.stored_bytes
    made = plan(inventory, usage, policy, NOW)
    # Where a record may hold any of several layers, the sum can be certain and no step be.
    unclear = made.estimated or ambiguous(inventory)
    for step in made.steps:
        before = host.stored_bytes
        assert host.remove(step).result == REMOVED
        assert unclear or before - host.stored_bytes == step.freed_bytes
        assert not dangling(inventory, host)
    assert made.at_least <= at_first - host.stored_bytes <= made.at_most


def dangling(before: Inventory, host: SimulatedHost) -> list[str]:
    """What was whole before and stands on nothing now."""
    images = [
        image.id
        for image in before.images
        if image.id in host.images and image.parent and image.parent not in host.images
    ]
    records = [
        record.id
        for record in before.cache
        if record.id in host.cache and not host.cache.keys() >= set(record.parents)
    ]
    containers = [c.id for c in host.containers.values() if c.image_id not in host.images]
    return images + records + containers


@moderate
@given(inventories(), usages(), any_policies(), st.randoms(use_true_random=False))
def test_images_may_go_side_by_side_as_far_as_after_allows(
    inventory: Inventory, usage: Usage, policy: Policy, random: st.DataObject
) -> None:
    made = plan(inventory, usage, policy, NOW)
    host = SimulatedHost(inventory, usage, record_layers=truth_of(inventory))
    before = host.stored_bytes
    for kind in KINDS:
        waiting = [step for step in made.steps if step.kind == kind]
        while waiting:
            ready = [s for s in waiting if kind == "image" and not blocked(s, waiting)]
            step = random.choice(ready) if ready else waiting[0]  # type: ignore[attr-defined]
            assert host.remove(step).result == REMOVED
            waiting.remove(step)
    assert made.at_least <= before - host.stored_bytes <= made.at_most


def blocked(step: Step, waiting: list[Step]) -> bool:
    return any(other.id in step.after for other in waiting)


@moderate
@given(inventories(), usages(), policies, st.data())
def test_order_of_the_inventory_changes_neither_set_nor_sum(
    inventory: Inventory, usage: Usage, policy: Policy, data: st.DataObject
) -> None:
    shuffled = inventory._replace(
        images=tuple(data.draw(st.permutations(inventory.images))),
        containers=tuple(data.draw(st.permutations(inventory.containers))),
        cache=tuple(data.draw(st.permutations(inventory.cache))),
    )
    one, other = plan(inventory, usage, policy, NOW), plan(shuffled, usage, policy, NOW)
    assert gone(one) == gone(other)
    assert one.freed_bytes == other.freed_bytes


@moderate
@given(inventories(), usages(), policies, st.sampled_from([0, 1, 2]))
def test_longer_grace_never_frees_more(
    inventory: Inventory, usage: Usage, policy: Policy, which: int
) -> None:
    longer = policy.grace._replace(**{Grace._fields[which]: policy.grace[which] + 3000.0})
    one = plan(inventory, usage, policy, NOW)
    other = plan(inventory, usage, policy._replace(grace=longer), NOW)
    assert gone(other) <= gone(one)
    assert other.freed_bytes <= one.freed_bytes


@moderate
@given(inventories(), usages(), policies, st.sampled_from([0, 1, 500, 10**9]))
def test_larger_cache_budget_never_frees_more(
    inventory: Inventory, usage: Usage, policy: Policy, more: int
) -> None:
    budget = policy.cache.budget(inventory.disk.total_bytes)
    larger = policy._replace(cache=policy.cache._replace(budget_bytes=budget + more))
    one, other = plan(inventory, usage, policy, NOW), plan(inventory, usage, larger, NOW)
    assert gone(other) <= gone(one)
    assert other.freed_bytes <= one.freed_bytes


@moderate
@given(inventories(), usages(), any_policies())
def test_a_plan_is_the_same_each_time_and_leaves_its_input_alone(
    inventory: Inventory, usage: Usage, policy: Policy
) -> None:
    before = copy.deepcopy((inventory, usage, policy))
    one = plan(inventory, usage, policy, NOW)
    assert (inventory, usage, policy) == before
    assert plan(*before, NOW) == one


@moderate
@given(inventories(), usages(), policies)
def test_a_second_plan_after_the_first_has_nothing_left_to_do(
    inventory: Inventory, usage: Usage, policy: Policy
) -> None:
    # Which layer a record holds may only be clear when the others are gone.
    assume(not ambiguous(inventory))
    # No image is seen before it is built.
    seen = usage.first_seen
    usage = usage._replace(
        first_seen={i.id: max(seen[i.id], i.created) for i in inventory.images if i.id in seen}
    )
    host = SimulatedHost(inventory, usage, record_layers=truth_of(inventory))
    made = plan(inventory, usage, policy, NOW)
    for step in made.steps:
        host.remove(step)
    after = host.observe(sizes=True)
    assert everything(after) == sorted((verdict.kind, verdict.id) for verdict in made.kept)
    assert plan(after, usage, policy, NOW).steps == ()


@moderate
@given(inventories(store="containerd"), usages(), policies)
def test_on_the_containerd_store_the_bounds_hold(
    inventory: Inventory, usage: Usage, policy: Policy
) -> None:
    compressed = {
        layer.chain_id: compressed_of(layer.chain_id)
        for image in inventory.images
        for layer in image.layers or ()
    }
    host = SimulatedHost(inventory, usage, compressed=compressed, record_layers={})
    before = host.stored_bytes
    made = plan(inventory, usage, policy, NOW)
    for step in made.steps:
        assert host.remove(step).result == REMOVED
    assert made.at_least <= before - host.stored_bytes <= made.at_most
    assert 0 <= made.at_least <= made.freed_bytes <= made.at_most
    assert made.estimated == bool(made.steps)
