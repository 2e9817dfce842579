"""What holds of every policy: protection wins, and what asks for more care never frees more."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from holystone.planner.inventory import Inventory
from holystone.planner.patterns import covers
from holystone.planner.plan import plan
from holystone.planner.policy import TAKES, Mark, Policy, Protect
from holystone.planner.saved_plan import Since, agreed_on, hold_against
from holystone.planner.usage import Lease, Usage
from holystone.planner.verdict import Step
from tests.planner.hosts import NOW, any_policies, gone, inventories, moderate, usages


@moderate
@given(inventories(), usages(), any_policies())
def test_what_a_pattern_protects_never_goes(
    inventory: Inventory, usage: Usage, policy: Policy
) -> None:
    removed = gone(plan(inventory, usage, policy, NOW))
    for image in inventory.images:
        if any(covers(policy.protect.images, name) for name in image.tags + image.digests):
            assert ("image", image.id) not in removed
        if policy.protect.larger_than is not None and image.size > policy.protect.larger_than:
            assert ("image", image.id) not in removed


@moderate
@given(inventories(), usages(), any_policies())
def test_what_is_leased_never_goes(inventory: Inventory, usage: Usage, policy: Policy) -> None:
    leases = tuple(Lease(image.id, NOW + 1) for image in inventory.images[:2])
    removed = gone(plan(inventory, usage._replace(leases=leases), policy, NOW))
    assert not {("image", lease.reference) for lease in leases} & removed


@moderate
@given(inventories(), usages(), any_policies())
def test_what_no_registry_can_give_back_goes_at_deep_alone_and_asked_for(
    inventory: Inventory, usage: Usage, policy: Policy
) -> None:
    removed = gone(plan(inventory, usage, policy, NOW))
    for image in inventory.images:
        lost = image.in_registry is False or (not image.in_registry and not image.digests)
        if image.tags and lost:
            asked_for = policy.level == "deep" and policy.include_local
            assert asked_for or ("image", image.id) not in removed


@moderate
@given(inventories(), usages(), any_policies())
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


@moderate
@given(
    inventories(),
    usages(),
    any_policies(),
    st.sampled_from(
        [
            Protect(images=("*",)),
            Protect(official=True),
            Protect(larger_than=100),
            Protect(newest=2),
            Protect(local=True),
            Protect(used_within=1e6),
            Protect(min_age=1e6),
            Protect(labels=("*",)),
        ]
    ),
)
def test_more_protection_never_frees_more(
    inventory: Inventory, usage: Usage, policy: Policy, protect: Protect
) -> None:
    """Under pressure another image may go in place of a protected one; so without a target."""
    policy = policy._replace(protect=Protect(), target=None)
    one = plan(inventory, usage, policy, NOW)
    other = plan(inventory, usage, policy._replace(protect=protect), NOW)
    assert gone(other) <= gone(one)
    assert other.freed_bytes <= one.freed_bytes


@moderate
@given(inventories(), usages(), any_policies())
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


@moderate
@given(inventories(), usages(), any_policies(), st.sampled_from([100, 1000, 10**6]))
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


@moderate
@given(inventories(), usages(), any_policies())
def test_an_agreed_plan_held_against_the_same_host_is_the_same(
    inventory: Inventory, usage: Usage, policy: Policy
) -> None:
    made = plan(inventory, usage, policy, NOW)
    again = hold_against(agreed_on(made, inventory), inventory, usage, policy, NOW)
    assert again.steps == made.steps
    assert again.freed_bytes == made.freed_bytes


@moderate
@given(inventories(), usages(), any_policies(), any_policies())
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


@moderate
@given(inventories(), usages(), any_policies(), st.data())
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


@moderate
@given(inventories(), usages(), any_policies(), any_policies())
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


@moderate
@given(inventories(), usages(), any_policies(), st.data())
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
