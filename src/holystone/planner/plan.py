"""plan(): a verdict with reasons for every object of a host, ordered steps, exact bytes.

A pure function: no clock, socket, file, environment or randomness. The same inventory, usage,
policy and time always give the same plan.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from holystone.planner.bounds import Slack, container_slack, slack_of, volume_slack
from holystone.planner.build_cache import CacheJudgement
from holystone.planner.builder_rules import judge_builders, steps_of
from holystone.planner.builders import records_of
from holystone.planner.container_groups import removals
from holystone.planner.container_rules import ContainerJudgement
from holystone.planner.eviction import Relief
from holystone.planner.holders import LayerHolders, RecordShares, shares_of_records
from holystone.planner.image_rules import Judgement
from holystone.planner.inventory import Container, Image, Inventory
from holystone.planner.policy import Policy
from holystone.planner.protection import Protection
from holystone.planner.rules import Judge, Ruling, Users
from holystone.planner.sizes import free
from holystone.planner.usage import Key, Usage
from holystone.planner.verdict import Plan, Step, Verdict
from holystone.planner.volume_budgets import within_budgets


def plan(inventory: Inventory, usage: Usage, policy: Policy, now: float) -> Plan:
    """The plan of a clean of this host, with reasons. ``now`` is UTC seconds.

    Every object of the inventory gets one verdict. The steps come in an order that can be stopped
    after any step: containers, images with children before parents, cache records leaves first,
    volumes, networks. ``freed_bytes`` is the sum over the steps.
    """
    protection = Protection(inventory, usage, policy, now)
    containers = ContainerJudgement(inventory, usage, policy, protection, now)
    staying, going = containers.staying, containers.going
    images = Judgement(inventory, staying, usage, policy, protection, now)
    shares = shares_of_records(inventory)
    account = LayerHolders(inventory.images, shares.layers)
    for image in images.going:
        account.give_up_image(image)
    cache = CacheJudgement(inventory, policy, now, account.shared, protection)
    builders = judge_builders(inventory, policy, now, protection)
    judge = Judge(usage, policy, protection, now)
    users = _users(staying, going, lambda container: container.volumes)
    rulings: dict[Key, Ruling] = {("container", i): told for i, told in containers.rulings.items()}
    rulings |= builders.rulings
    rulings.update((("volume", v.name), judge.volume(v, users(v.name))) for v in inventory.volumes)
    rulings |= within_budgets(
        inventory.volumes, policy, rulings, lambda v: judge.unused_volume(v, users(v.name))
    )
    networked = _users(staying, going, lambda container: container.networks)
    rulings.update(
        (("network", n.id), judge.network(n, networked(n.name, n.id, n.id[:12])))
        for n in inventory.networks
    )
    least_free = _least_free(inventory, policy)
    if least_free is not None and inventory.disk.free_bytes is not None:
        cut = [*cache.order, *builders.order]
        level = assemble(inventory, policy, rulings, images.going, cut, shares)
        certain = level.freed_bytes - _unmeasured(inventory, rulings)
        needed = least_free - inventory.disk.free_bytes - certain
        if needed > 0:
            blobs = shares.blobs
            Relief(inventory, usage, images, cache, account, blobs, least_free).free(needed)
    cache.rule_rest()
    rulings.update((("image", i), ruling) for i, ruling in images.rulings.items())
    rulings.update((("cache", r), ruling) for r, ruling in cache.rulings.items())
    cut = [*cache.order, *builders.order]
    made = assemble(inventory, policy, rulings, images.going, cut, shares)
    return replace(made, unconfirmed=tuple(images.unconfirmed), target_free=least_free)


def _unmeasured(inventory: Inventory, rulings: Mapping[Key, Ruling]) -> int:
    """Bytes that containers and volumes that go may free less than the engine says."""
    containers = [c for c in inventory.containers if rulings["container", c.id][0]]
    volumes = [v for v in inventory.volumes if rulings["volume", v.name][0]]
    return container_slack(containers).below + volume_slack(volumes).below


def _least_free(inventory: Inventory, policy: Policy) -> int | None:
    """How many bytes of the disk must be free after the clean; None if only the level counts."""
    if policy.target is None:
        return None
    if policy.only_when_high and policy.disk.reached(inventory.disk) not in ("high", "critical"):
        return None
    return policy.target.least_free(inventory.disk.total_bytes)


def assemble(
    inventory: Inventory,
    policy: Policy,
    rulings: Mapping[Key, Ruling],
    going: Sequence[Image],
    cut: Sequence[str],
    shares: RecordShares | None = None,
) -> Plan:
    """The plan that carries out these rulings; an object without one gets no verdict.

    ``going`` are the images that go, children before parents, ``cut`` the IDs of the build cache
    records that go, leaves first, those of builders with them; ``shares`` see ``free``.
    """
    gone = {key for key, (goes, _) in rulings.items() if goes}
    shares = shares or shares_of_records(inventory)
    records = {record.id: record for record in inventory.cache}
    of_builders = records_of(inventory)
    own, others = ([i for i in cut if i in each] for each in (records, of_builders))
    freed = free(inventory, going, [records[record_id] for record_id in own], shares)
    leaving = [c for c in inventory.containers if ("container", c.id) in gone]
    children: defaultdict[str, list[str]] = defaultdict(list)
    for image in going:
        children[image.parent].append(image.id)
    steps = [
        Step("container", c.id, targets, c.freed_bytes, after)
        for c, targets, after in removals(leaving, inventory.containers)
    ]
    steps += [
        Step("image", i.id, i.tags + i.digests or (i.id,), size, tuple(children.get(i.id, ())))
        for i, size in zip(going, freed.images, strict=True)
    ]
    steps += [Step("cache", r, (r,), size) for r, size in zip(own, freed.records, strict=True)]
    steps += steps_of(inventory, others)
    steps += [
        Step("volume", v.name, (v.name,), v.size or 0)
        for v in inventory.volumes
        if ("volume", v.name) in gone
    ]
    steps += [
        Step("network", n.id, (n.id,), 0) for n in inventory.networks if ("network", n.id) in gone
    ]
    by_step = {(step.kind, step.id): step.freed_bytes for step in steps}
    verdicts = tuple(
        Verdict(*key, names, *rulings[key], by_step.get(key, 0))
        for key, names in _objects(inventory)
        if key in rulings
    )
    total, estimated, at_least, at_most = _sums(
        steps, slack_of(inventory, steps, going, freed.slack, shares.blobs)
    )
    return Plan(
        level=policy.level,
        taken_at=inventory.taken_at,
        engine=inventory.engine,
        disk=inventory.disk,
        verdicts=verdicts,
        steps=tuple(steps),
        freed_bytes=total,
        estimated=estimated,
        at_least=at_least,
        at_most=at_most,
        held_by_cache=freed.held_by_cache,
        notes=inventory.notes,
        partial=inventory.partial,
        image_count=inventory.image_count,
        only=None if policy.only is None else tuple(map(str, policy.only)),
    )


def containers_alone(plan: Plan, inventory: Inventory) -> Plan:
    """The plan with its steps on containers alone, and with what those free."""
    steps = tuple(step for step in plan.steps if step.kind == "container")
    total, estimated, at_least, at_most = _sums(
        steps, slack_of(inventory, steps, blobs=shares_of_records(inventory).blobs)
    )
    return replace(
        plan,
        steps=steps,
        freed_bytes=total,
        estimated=estimated,
        at_least=at_least,
        at_most=at_most,
        held_by_cache=0,
    )


def _sums(steps: Iterable[Step], slack: Slack) -> tuple[int, bool, int, int]:
    """The bytes that steps free together, whether that is estimated, and its bounds."""
    total = sum(step.freed_bytes for step in steps)
    return total, slack.estimated, max(0, total - slack.below), total + slack.above


def _objects(inventory: Inventory) -> Iterable[tuple[Key, tuple[str, ...]]]:
    """Kind and ID, and the names of every object, in the order in which a plan lists them."""
    yield from ((("container", c.id), (c.name,)) for c in inventory.containers)
    yield from ((("image", i.id), i.tags or i.digests) for i in inventory.images)
    yield from ((("cache", r.id), (r.description,)) for r in inventory.cache)
    yield from ((("builder", i), (r.description,)) for i, r in records_of(inventory).items())
    yield from ((("volume", v.name), (v.name,)) for v in inventory.volumes)
    yield from ((("network", n.id), (n.name,)) for n in inventory.networks)


def _users(
    staying: Iterable[Container],
    going: Iterable[Container],
    named_by: Callable[[Container], Iterable[str]],
) -> Callable[..., Users]:
    """A lookup of the containers that name a volume or network, by any of its names."""

    def by_name(containers: Iterable[Container]) -> Callable[[Iterable[str]], list[str]]:
        found: defaultdict[str, list[str]] = defaultdict(list)
        for container in containers:
            for name in named_by(container):
                found[name].append(container.name)
        return lambda names: [user for name in names for user in found.get(name, ())]

    stay, go = by_name(staying), by_name(going)
    return lambda *names: Users(stay(names), go(names))
