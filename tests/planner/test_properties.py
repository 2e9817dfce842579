"""What holds of every plan, on hosts nobody thought of: protection wins, care never frees more."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from holystone.demo.memory_host import SimulatedHost
from holystone.engine.host import REMOVED
from holystone.planner.holders import ambiguous
from holystone.planner.inventory import Inventory
from holystone.planner.patterns import covers
from holystone.planner.plan import plan
from holystone.planner.policy import TAKES, Grace, Mark, Policy, Protect, Term
from holystone.planner.saved_plan import agreed_on, hold_against
from holystone.planner.usage import Lease, Since, Usage
from holystone.planner.verdict import KINDS, Rule, Step
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


def everywhere(*more: st.SearchStrategy[Any], level: Any = None) -> Callable[[Any], Any]:
    """Run a test on many hosts, with what is remembered of them and any policy."""
    given_ = given(inventories(), usages(), any_policies() if level is None else level, *more)
    return lambda test: moderate(given_(test))


def everything(inventory: Inventory) -> list[tuple[str, str]]:
    return sorted(
        [("container", c.id) for c in inventory.containers]
        + [("image", i.id) for i in inventory.images]
        + [("cache", r.id) for r in inventory.cache]
        + [("volume", v.name) for v in inventory.volumes]
        + [("network", n.id) for n in inventory.networks]
    )


@everywhere()
def test_every_object_has_one_verdict_and_the_steps_are_the_removals(
    inventory: Inventory, usage: Usage, policy: Policy
) -> None:
    made = plan(inventory, usage, policy, NOW)
    assert sorted((v.kind, v.id) for v in made.verdicts) == everything(inventory)
    assert sorted((v.kind, v.id) for v in made.kept + made.removed) == everything(inventory)
    assert all(verdict.reasons for verdict in made.verdicts)
    assert all(verdict.freed_bytes == 0 for verdict in made.kept)
    assert sorted((step.kind, step.id) for step in made.steps) == sorted(gone(made))
    assert made.freed_bytes == sum(step.freed_bytes for step in made.steps)
    assert made.freed_bytes == sum(verdict.freed_bytes for verdict in made.removed)
    assert all(step.freed_bytes >= 0 for step in made.steps)
    assert made.at_least == made.freed_bytes <= made.at_most
    assert not made.estimated or made.freed_bytes < made.at_most


@everywhere()
def test_what_is_in_use_or_protected_never_goes(
    inventory: Inventory, usage: Usage, policy: Policy
) -> None:
    removed = gone(plan(inventory, usage, policy, NOW))
    for container in inventory.containers:
        if not container.stopped:
            assert ("container", container.id) not in removed
        if ("container", container.id) not in removed:
            assert ("image", container.image_id) not in removed
            assert not {("volume", name) for name in container.volumes} & removed
    for record in inventory.cache:
        if record.in_use:
            assert ("cache", record.id) not in removed
        if ("cache", record.id) not in removed:
            assert not {("cache", parent) for parent in record.parents} & removed
    larger_than = policy.protect.larger_than
    for image in inventory.images:
        goes = ("image", image.id) in removed
        assert goes or not image.parent or ("image", image.parent) not in removed
        if any(covers(policy.protect.images, name) for name in image.tags + image.digests):
            assert not goes
        if larger_than is not None and image.size > larger_than:
            assert not goes
        # What no registry can give back goes at deep alone, and asked for.
        lost = image.in_registry is False or (not image.in_registry and not image.digests)
        if goes and image.tags and lost:
            assert policy.level == "deep"
            assert policy.include_local


@everywhere(level=policies)
def test_a_routine_clean_leaves_every_tag(
    inventory: Inventory, usage: Usage, policy: Policy
) -> None:
    removed = gone(plan(inventory, usage, policy, NOW))
    assert not [i.id for i in inventory.images if i.tags and ("image", i.id) in removed]


@everywhere()
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


@everywhere(st.randoms(use_true_random=False))
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


@everywhere(st.data(), level=policies)
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


@everywhere(st.sets(st.sampled_from(KINDS)), level=policies)
def test_only_what_is_selected_goes(
    inventory: Inventory, usage: Usage, policy: Policy, kinds: set[str]
) -> None:
    chosen = policy._replace(only=tuple(Term(kind) for kind in sorted(kinds)))
    made = plan(inventory, usage, chosen, NOW)
    assert {step.kind for step in made.steps} <= kinds
    for verdict in made.kept:
        left_out = verdict.kind not in kinds
        selected = all(reason.rule != Rule.NOT_SELECTED for reason in verdict.reasons)
        assert left_out or selected, verdict
    every = policy._replace(only=tuple(map(Term, KINDS)))
    assert gone(plan(inventory, usage, every, NOW)) == gone(plan(inventory, usage, policy, NOW))


@everywhere(st.sampled_from([0, 1, 2]), level=policies)
def test_longer_grace_never_frees_more(
    inventory: Inventory, usage: Usage, policy: Policy, which: int
) -> None:
    longer = policy.grace._replace(**{Grace._fields[which]: policy.grace[which] + 3000.0})
    one = plan(inventory, usage, policy, NOW)
    other = plan(inventory, usage, policy._replace(grace=longer), NOW)
    assert gone(other) <= gone(one)
    assert other.freed_bytes <= one.freed_bytes


@everywhere(st.sampled_from([0, 1, 500, 10**9]), level=policies)
def test_larger_cache_budget_never_frees_more(
    inventory: Inventory, usage: Usage, policy: Policy, more: int
) -> None:
    budget = policy.cache.budget(inventory.disk.total_bytes)
    larger = policy._replace(cache=policy.cache._replace(budget_bytes=budget + more))
    one, other = plan(inventory, usage, policy, NOW), plan(inventory, usage, larger, NOW)
    assert gone(other) <= gone(one)
    assert other.freed_bytes <= one.freed_bytes


@everywhere()
def test_a_plan_is_the_same_each_time_and_leaves_its_input_alone(
    inventory: Inventory, usage: Usage, policy: Policy
) -> None:
    before = copy.deepcopy((inventory, usage, policy))
    one = plan(inventory, usage, policy, NOW)
    assert (inventory, usage, policy) == before
    assert plan(*before, NOW) == one


@everywhere(level=policies)
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


@everywhere()
def test_what_is_leased_never_goes(inventory: Inventory, usage: Usage, policy: Policy) -> None:
    leases = tuple(Lease(image.id, NOW + 1) for image in inventory.images[:2])
    removed = gone(plan(inventory, usage._replace(leases=leases), policy, NOW))
    assert not {("image", lease.reference) for lease in leases} & removed


@everywhere()
def test_what_no_registry_confirmed_goes_for_space_alone_and_is_named(
    inventory: Inventory, usage: Usage, policy: Policy
) -> None:
    policy = policy._replace(include_local=False, check_registry=True)
    verdicts = {v.id: v for v in plan(inventory, usage, policy, NOW).verdicts if v.kind == "image"}
    for image in inventory.images:
        verdict = verdicts[image.id]
        if not image.tags or image.in_registry or not verdict.remove:
            continue
        proof = inventory.engine.store == "classic" or image.from_registry
        assert policy.target is not None
        assert image.registry_said
        assert proof
        assert image.from_registry is not False
        assert [reason.rule for reason in verdict.reasons] == ["pressure", "unconfirmed"]


PROTECT = (
    {"images": ("*",)}, {"official": True}, {"larger_than": 100}, {"newest": 2}, {"local": True},
    {"used_within": 1e6}, {"min_age": 1e6}, {"labels": ("*",)},
)  # fmt: skip


@everywhere(st.sampled_from([Protect(**each) for each in PROTECT]))
def test_more_protection_never_frees_more(
    inventory: Inventory, usage: Usage, policy: Policy, protect: Protect
) -> None:
    """Under pressure another image may go in place of a protected one; so without a target."""
    policy = policy._replace(protect=Protect(), target=None)
    one = plan(inventory, usage, policy, NOW)
    other = plan(inventory, usage, policy._replace(protect=protect), NOW)
    assert gone(other) <= gone(one)
    assert other.freed_bytes <= one.freed_bytes


@everywhere()
def test_each_level_takes_what_the_one_before_takes(
    inventory: Inventory, usage: Usage, policy: Policy
) -> None:
    policy = policy._replace(target=None, include_local=True, cache=policy.cache._replace())
    levels = [
        gone(plan(inventory, usage, policy._replace(level=level, takes=takes), NOW))
        for level, takes in TAKES.items()
    ]
    volumes = {("volume", volume.name) for volume in inventory.volumes}
    assert levels[0] <= levels[1]
    assert levels[1] - volumes <= levels[2]


@everywhere(st.sampled_from([100, 1000, 10**6]))
def test_a_plan_falls_short_of_its_target_only_where_nothing_is_left(
    inventory: Inventory, usage: Usage, policy: Policy, wanted: int
) -> None:
    free = inventory.disk.free_bytes or 0
    target = Mark(free_bytes=free + wanted)
    made = plan(inventory, usage, policy._replace(target=target), NOW)
    if inventory.disk.free_bytes is None:
        return
    everything = Mark(free_bytes=free + 10**12)
    most = plan(inventory, usage, policy._replace(target=everything), NOW)
    assert gone(made) <= gone(most)
    if made.short_bytes and not made.unconfirmed:
        assert made.freed_bytes == most.freed_bytes


@everywhere()
def test_an_agreed_plan_held_against_the_same_host_is_the_same(
    inventory: Inventory, usage: Usage, policy: Policy
) -> None:
    made = plan(inventory, usage, policy, NOW)
    again = hold_against(agreed_on(made, inventory), inventory, usage, policy, NOW)
    assert again.steps == made.steps
    assert again.freed_bytes == made.freed_bytes


@everywhere(any_policies())
def test_an_agreed_plan_takes_only_what_a_plan_of_today_would(
    inventory: Inventory, usage: Usage, policy: Policy, today: Policy
) -> None:
    """Whatever is in it: everything there is, as if somebody had written it by hand."""
    everything = plan(inventory, usage, policy, NOW)
    kinds = {(v.kind, v.id): v for v in everything.verdicts}
    steps = tuple(Step(kind, object_id, (), 0) for kind, object_id in kinds)
    hostile = agreed_on(replace(everything, steps=steps), inventory)
    today = today._replace(target=None)
    made = hold_against(hostile, inventory, usage, today, NOW)
    assert gone(made) <= gone(plan(inventory, usage, today, NOW))


@everywhere(st.data())
def test_what_was_used_since_a_plan_was_made_stays(
    inventory: Inventory, usage: Usage, policy: Policy, data: st.DataObject
) -> None:
    made = plan(inventory, usage, policy, NOW)
    agreed = agreed_on(made, inventory)
    used = frozenset(key for key in gone(made) if data.draw(st.booleans()))
    reach = data.draw(st.booleans())
    later = hold_against(
        agreed, inventory, usage, policy, NOW, Since(NOW + 10_000, used, complete=reach)
    )
    assert gone(later).isdisjoint(used)
    if not reach:
        assert not any(kind == "volume" for kind, _ in gone(later))
    elif not used:
        assert gone(later) == gone(made)


@everywhere(any_policies())
def test_what_can_only_keep_more_never_lets_more_go(
    inventory: Inventory, usage: Usage, policy: Policy, other: Policy
) -> None:
    policy = policy._replace(target=None)
    cache = policy.cache._replace(
        least_bytes=max(policy.cache.least_bytes, other.cache.least_bytes),
        least_share=max(policy.cache.least_share, other.cache.least_share),
    )
    more = policy._replace(also_retained=other.retention, cache=cache)
    assert gone(plan(inventory, usage, more, NOW)) <= gone(plan(inventory, usage, policy, NOW))


@everywhere(st.data())
def test_an_agreed_plan_takes_nothing_else_from_a_host_that_changed(
    inventory: Inventory, usage: Usage, policy: Policy, data: st.DataObject
) -> None:
    agreed = agreed_on(plan(inventory, usage, policy, NOW), inventory)
    images = tuple(
        image._replace(tags=(*image.tags, "new:1")) if data.draw(st.booleans()) else image
        for image in inventory.images
        if data.draw(st.booleans())
    )
    left = {image.id for image in images}
    containers = tuple(
        container._replace(state="running") if data.draw(st.booleans()) else container
        for container in inventory.containers
        if container.image_id in left
    )
    changed = inventory._replace(images=images, containers=containers)
    made = hold_against(agreed, changed, usage, policy, NOW)
    assert gone(made) <= {(each.kind, each.id) for each in agreed}
    for image in images:
        assert "new:1" not in image.tags or ("image", image.id) not in gone(made)
    for container in containers:
        if container.state == "running":
            assert ("image", container.image_id) not in gone(made)
    assert {(v.kind, v.id) for v in made.verdicts} >= {(each.kind, each.id) for each in agreed}
