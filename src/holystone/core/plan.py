"""plan(): a verdict with reasons for every object of a host, ordered steps, exact bytes.

A pure function: no clock, socket, file, environment or randomness. The same inventory, usage,
policy and time always give the same plan.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence

from holystone.core.cache import judge_cache
from holystone.core.decision import Plan, Step, Verdict
from holystone.core.freed import (
    Slack,
    containerd_slack,
    free_images,
    freed_by_record,
    held_by_cache,
)
from holystone.core.inventory import Container, Image, Inventory
from holystone.core.policy import Policy
from holystone.core.rules import (
    Ruling,
    judge_container,
    judge_image,
    judge_network,
    judge_volume,
)
from holystone.core.usage import Usage


def plan(inventory: Inventory, usage: Usage, policy: Policy, now: float) -> Plan:
    """What a clean of this host would do, and why. ``now`` is UTC seconds.

    Every object of the inventory gets one verdict. The steps come in an order that can be stopped
    after any step: containers, images with children before parents, cache records leaves first.
    ``freed_bytes`` is the sum over the steps.
    """
    containers = {c.id: judge_container(c, policy, now) for c in inventory.containers}
    staying = [c for c in inventory.containers if not containers[c.id][0]]
    images, image_order = _judge_images(inventory.images, staying, usage, policy, now)
    cache, cache_order = judge_cache(policy.cache, policy.grace.other, inventory, now)
    volume_users = _users(staying, lambda container: container.volumes)
    network_users = _users(staying, lambda container: container.networks)

    steps = [
        Step("container", c.id, (c.id,), c.writable_size)
        for c in inventory.containers
        if containers[c.id][0]
    ]
    image_steps, slack = _image_steps(inventory.images, image_order)
    steps += image_steps
    records = {record.id: record for record in inventory.cache}
    copies = inventory.engine.store == "containerd"
    steps += [
        Step("cache", r, (r,), freed_by_record(records[r], copies=copies)) for r in cache_order
    ]
    if inventory.engine.store == "containerd":
        slack = containerd_slack(inventory, steps, slack)
    freed = {(step.kind, step.id): step.freed_bytes for step in steps}

    def verdict(kind: str, object_id: str, names: tuple[str, ...], ruling: Ruling) -> Verdict:
        return Verdict(kind, object_id, names, *ruling, freed.get((kind, object_id), 0))

    verdicts = [
        verdict("container", c.id, (c.name,), containers[c.id]) for c in inventory.containers
    ]
    verdicts += [
        verdict("image", i.id, i.tags or i.digests, images[i.id]) for i in inventory.images
    ]
    verdicts += [verdict("cache", r.id, (r.description,), cache[r.id]) for r in inventory.cache]
    verdicts += [
        verdict("volume", v.name, (v.name,), judge_volume(v, volume_users[v.name], policy.level))
        for v in inventory.volumes
    ]
    verdicts += [
        verdict("network", n.id, (n.name,), judge_network(n, network_users[n.name], policy.level))
        for n in inventory.networks
    ]
    total = sum(step.freed_bytes for step in steps)
    return Plan(
        level=policy.level,
        taken_at=inventory.taken_at,
        engine=inventory.engine,
        disk=inventory.disk,
        verdicts=tuple(verdicts),
        steps=tuple(steps),
        freed_bytes=total,
        estimated=slack.estimated,
        at_least=total - slack.below,
        at_most=total + slack.above,
        held_by_cache=held_by_cache(inventory, image_order, set(cache_order)),
    )


def _judge_images(
    images: Sequence[Image],
    staying: Iterable[Container],
    usage: Usage,
    policy: Policy,
    now: float,
) -> tuple[dict[str, Ruling], list[Image]]:
    """A ruling for each image by ID, and the images that go, children before parents."""
    held_by: defaultdict[str, list[str]] = defaultdict(list)
    for container in staying:
        held_by[container.image_id].append(container.name)
    kept_children: Counter[str] = Counter()
    rulings: dict[str, Ruling] = {}
    going = []
    for image in _children_first(images):
        ruling = judge_image(
            image, held_by.get(image.id, ()), kept_children[image.id], usage, policy, now
        )
        rulings[image.id] = ruling
        if ruling[0]:
            going.append(image)
        else:
            kept_children[image.parent] += 1
    return rulings, going


def _children_first(images: Sequence[Image]) -> list[Image]:
    """The images in an order in which no image comes before one that was built on it."""
    by_id = {image.id: image for image in images}
    depths: dict[str, int] = {}
    for image in images:
        path = []
        at: Image | None = image
        while at is not None and at.id not in depths:
            path.append(at.id)
            depths[at.id] = 0
            at = by_id.get(at.parent)
        depth = depths[at.id] if at is not None else 0
        for image_id in reversed(path):
            depth += 1
            depths[image_id] = depth
    return sorted(images, key=lambda image: -depths[image.id])


def _image_steps(images: Sequence[Image], going: Sequence[Image]) -> tuple[list[Step], Slack]:
    """The steps that remove these images, with the bytes that come free at each of them."""
    if not going:
        return [], Slack(estimated=False, below=0, above=0)
    freed, slack = free_images(images, going)
    children: defaultdict[str, list[str]] = defaultdict(list)
    for image in going:
        children[image.parent].append(image.id)
    steps = []
    for image, freed_bytes in zip(going, freed, strict=True):
        targets = image.tags + image.digests or (image.id,)
        steps.append(
            Step("image", image.id, targets, freed_bytes, tuple(children.get(image.id, ())))
        )
    return steps, slack


def _users(
    containers: Iterable[Container], names: Callable[[Container], Iterable[str]]
) -> defaultdict[str, list[str]]:
    """Which containers refer to each volume or network, by container name."""
    users: defaultdict[str, list[str]] = defaultdict(list)
    for container in containers:
        for name in names(container):
            users[name].append(container.name)
    return users
