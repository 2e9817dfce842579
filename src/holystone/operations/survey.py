"""Survey a host: its objects, their use, and what a clean with a policy would remove."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass

from holystone.engine.host import Host
from holystone.operations.connect import Session, wanted
from holystone.operations.errors import NotThere, RequestError, TargetUnseen
from holystone.outside.text import safe
from holystone.planner.inventory import Inventory
from holystone.planner.plan import plan
from holystone.planner.policy import Policy
from holystone.planner.units import format_size
from holystone.planner.usage import Lease, Usage
from holystone.planner.verdict import Plan


@dataclass(frozen=True, slots=True)
class Survey:
    """A host as it was found, and the plan for it."""

    inventory: Inventory
    usage: Usage
    """What is remembered; past requests only where a target was given or ``layers`` asked for."""
    plan: Plan
    began: float
    """When it began, UTC seconds by this machine's clock."""


def survey(
    session: Session,
    policy: Policy,
    *,
    sizes: bool = False,
    layers: bool = False,
    whole: bool = True,
    inventory: Inventory | None = None,
    about: Collection[str] | None = None,
    spared: Collection[str] = (),
) -> Survey:
    """Observe a host, unless ``inventory`` is that already, and plan for it. Removes nothing.

    What costs the engine an answer for each image is asked only where the plan depends on it: when
    images lost their tag, where young ones are spared, and layers, where images are to go. Whether
    any are to go only a plan tells, so that one is made anew then. With ``sizes`` the engine also
    measures volumes and what running containers wrote; with ``layers`` the inventory has the layers
    of every image. Without ``whole`` images with a tag are listed only where the plan may take
    some, or needs their layers to count its bytes. Registries are asked about the images that would
    go if they could come back; without a target about no others than those in ``about``, where that
    is given. Images in ``spared`` stay, as if jobs had leases on them. Both are IDs.

    Raises EngineError, RequestError or TargetUnseen for a target that cannot be, and NotThere for a
    name in ``policy.only`` that means nothing here.
    """
    host, began = session.host, session.asked or time.time()
    if inventory is None:
        inventory = look(session, policy, sizes=sizes, whole=whole)
    _check_target(inventory, policy)
    check_selection(inventory, policy)
    pressed = policy.target is not None
    weighed = pressed or layers
    inventory = _prepared(host, inventory, policy, layers=layers, weigh=weighed)
    leases = [Lease(each, until=inventory.taken_at + 1) for each in spared]
    asked: set[str] = set()
    while True:
        usage = host.usage(demand=pressed or layers)
        usage = usage._replace(leases=(*usage.leases, *leases))
        made = plan(inventory, usage, policy, inventory.taken_at)
        to_ask = {each for each in made.unconfirmed if pressed or about is None or each in about}
        if not weighed and (made.unconfirmed or _needs_images(made, inventory)):
            weighed = True
            if inventory.partial:
                builders, notes = inventory.builders, inventory.notes
                inventory = session.complete(sizes=wanted(policy, sizes=sizes).sizes)
                told = [note for note in notes if note.problem == "builder"]
                inventory = inventory._replace(builders=builders, notes=(*inventory.notes, *told))
                inventory = _prepared(host, inventory, policy, layers=layers, weigh=True)
                continue
            inventory = host.weigh(inventory)
        elif to_ask <= asked:
            return Survey(inventory, usage, made, began)
        if not to_ask <= asked:
            asked |= to_ask
            inventory = host.confirm(inventory, [i for i in made.unconfirmed if i in to_ask])


def check_selection(inventory: Inventory, policy: Policy) -> None:
    """Raise NotThere where a name that is to be selected means nothing on this host."""
    if policy.only is None:
        return
    from holystone.planner.lookup import did_you_mean, names_of
    from holystone.planner.selection import meant

    for each in policy.only:
        # A kind of which nothing is here has nothing that could go.
        if each.text and not meant(inventory, each):
            near = safe(did_you_mean(names_of(inventory), each.text))
            raise NotThere(
                f"--only: nothing on this host is called {each.text!r}.{near} "
                f"`holystone plan --all` lists everything.{_unasked(inventory)}"
            )


def _unasked(inventory: Inventory) -> str:
    """Which builders could not be asked, and so may have what was named; empty for none."""
    notes = [note for note in inventory.notes if note.problem == "builder"]
    return "".join(
        f" Builder {safe(note.name)} cannot be asked what it keeps: {safe(note.said)}."
        for note in notes
    )


def look(session: Session, policy: Policy, *, sizes: bool = False, whole: bool = True) -> Inventory:
    """What is on a host, as far as a plan with this policy takes it. Raises EngineError."""
    asked = wanted(policy, sizes=sizes, whole=whole)
    session.asked = 0.0
    inventory = session.observe(sizes=asked.sizes, every=asked.every)
    if not (policy.takes.builders and policy.builders.any):
        return inventory
    return session.host.ask_builders(inventory, lambda name: policy.builders.of(name) is not None)


def _prepared(
    host: Host, inventory: Inventory, policy: Policy, *, layers: bool, weigh: bool
) -> Inventory:
    """The inventory with everything that this policy may need, for any plan."""
    tagged = policy.target is not None or policy.takes.tagged != "none"
    if tagged:
        inventory = host.date_tagged(inventory)
    if policy.grace.once_tagged > 0 or policy.grace.never_tagged > 0:
        inventory = host.date(inventory)
    if tagged or layers:
        # What registries said lately is remembered: nothing is asked here.
        inventory = host.confirm(inventory, ())
    return host.weigh(inventory) if weigh else inventory


def _check_target(inventory: Inventory, policy: Policy) -> None:
    if policy.target is None:
        return
    if inventory.disk.free_bytes is None:
        raise TargetUnseen(
            "a target needs to see how full the engine's disk is, and that disk is not in sight: "
            f"{safe(inventory.disk.unseen) or 'it is not on this machine'}. Run holystone beside "
            "the engine; in a container mount the engine's data folder at its own path, read-only."
        )
    total = inventory.disk.total_bytes
    least = 0 if total is None else policy.target.least_free(total) or 0
    if total is not None and least > total:
        raise RequestError(
            f"the disk has {format_size(total)} in all, so {format_size(least)} of it cannot be "
            "free. Ask for less with --until-free."
        )


def _needs_images(draft: Plan, inventory: Inventory) -> bool:
    """Whether the plan, or its bytes, take more of all images than was asked for."""
    kinds = {step.kind for step in draft.steps}
    # Build cache may share its layers, or their blobs, with any image.
    copies = inventory.engine.store == "containerd"
    return "image" in kinds or ("cache" in kinds and (inventory.partial or copies))
