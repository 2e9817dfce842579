"""What a look at the host is good for later: plans, and parts of it. Asks no engine."""

from __future__ import annotations

from dataclasses import replace

from holystone.agent.level import most
from holystone.agent.state import Snapshot
from holystone.operations.survey import Survey
from holystone.planner.inventory import Disk, Image
from holystone.planner.names import complete
from holystone.planner.plan import plan
from holystone.planner.policy import Policy
from holystone.planner.usage import Lease


def plan_of(snapshot: Snapshot, policy: Policy, leases: tuple[Lease, ...] | None = None) -> Survey:
    """What a clean with this policy would remove, by the last look. Asks no engine.

    ``leases`` are those that count now; None: those of the look.
    """
    inventory, usage = snapshot.inventory, snapshot.usage
    if leases is not None:
        usage = usage._replace(leases=leases)
    made = plan(inventory, usage, policy, inventory.taken_at)
    return Survey(inventory, usage, made, snapshot.looked_at)


def available(snapshot: Snapshot, policy: Policy) -> int | None:
    """Bytes that are free, with those that cleans for space could free at most."""
    disk = snapshot.inventory.disk
    if disk.free_bytes is None:
        return None
    greedy = most(policy, disk)
    return disk.free_bytes + (plan_of(snapshot, greedy).plan.freed_bytes if greedy else 0)


def with_disk(snapshot: Snapshot, disk: Disk) -> Snapshot:
    """The snapshot with the disk as it is by now."""
    return replace(snapshot, inventory=snapshot.inventory._replace(disk=disk))


def without_others(snapshot: Snapshot) -> Snapshot:
    """The snapshot with the images that a routine clean has to do with, and the facts of these.

    Those are the untagged ones, and those that containers were made from.
    """
    inventory, usage = snapshot.inventory, snapshot.usage
    users = {each.image_id for each in inventory.containers}
    images = tuple(each for each in inventory.images if not each.tags or each.id in users)
    here = {each.id for each in images}
    count = len(inventory.images)
    if inventory.engine.store == "containerd":
        # There the engine counts names.
        count = sum(max(1, len(each.tags)) for each in inventory.images)
    return replace(
        snapshot,
        inventory=inventory._replace(images=images, partial=True, image_count=count),
        usage=usage._replace(
            first_seen={i: at for i, at in usage.first_seen.items() if i in here},
            last_used={
                (kind, i): at
                for (kind, i), at in usage.last_used.items()
                if kind != "image" or i in here
            },
            references={},
            company={},
            absent={},
            speeds={},
        ),
    )


def new_bytes(before: tuple[Image, ...], after: tuple[Image, ...], pulled: set[str]) -> int:
    """Bytes of the layers that came with images which were pulled."""
    known = {layer.chain_id for image in before for layer in image.held}
    ids = {image.id for image in before}
    new = {
        layer.chain_id: layer.size
        for image in after
        if image.id not in ids and not pulled.isdisjoint(map(complete, image.tags + image.digests))
        for layer in image.held
        if layer.chain_id not in known
    }
    return sum(new.values())
