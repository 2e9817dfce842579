"""A plan that was agreed on earlier, held against the host as it is now: that and nothing else.

What changed since stays, and so does what may not go any more: in use, leased, protected, or held
by something that was not in the plan.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from holystone.core.container_rules import stays_with
from holystone.core.decision import Plan, Reason, Step, Verdict
from holystone.core.inventory import Inventory
from holystone.core.plan import assemble, plan
from holystone.core.policy import TAKES, Grace, Policy
from holystone.core.rules import Ruling, keep
from holystone.core.usage import Usage

Key = tuple[str, str]
State = tuple[str | int | float | None, ...]
"""What an object looked like; another one afterwards means that somebody had to do with it."""


class Agreed(NamedTuple):
    """One removal that was agreed on."""

    kind: str
    id: str
    names: tuple[str, ...]
    state: State
    freed_bytes: int


def agreed_on(made: Plan, inventory: Inventory) -> list[Agreed]:
    """The removals of a plan, in its order, each with the state of its object."""
    states = _states(inventory)
    names = {(verdict.kind, verdict.id): verdict.names for verdict in made.verdicts}
    return [
        Agreed(s.kind, s.id, names[s.kind, s.id], states[s.kind, s.id], s.freed_bytes)
        for s in made.steps
    ]


def hold_against(
    agreed: Sequence[Agreed], inventory: Inventory, usage: Usage, policy: Policy, now: float
) -> Plan:
    """The plan that carries out what was agreed on, as far as that is still right.

    ``policy`` is the owner's of today, with the level that was planned: what it protects stays,
    while its limits and graces counted when the plan was made. An object that is gone has a verdict
    too, which keeps it.
    """
    allowed = plan(inventory, usage, _whatever_is_safe(policy), now)
    rulings_now = {(v.kind, v.id): (v.remove, v.reasons) for v in allowed.verdicts}
    states = _states(inventory)
    wanted = {(each.kind, each.id): each for each in agreed}
    rulings: dict[Key, Ruling] = {
        key: _ruling(wanted.get(key), states[key], ruling) for key, ruling in rulings_now.items()
    }
    stays = [c.id for c in inventory.containers if not rulings["container", c.id][0]]
    with_them = stays_with(inventory, stays).items()
    rulings.update((("container", each), ruling) for each, ruling in with_them)
    rulings.update(_held(inventory, rulings))
    by_id = {image.id: image for image in inventory.images}
    going = [by_id[i] for kind, i in wanted if kind == "image" and rulings.get((kind, i), _NO)[0]]
    cut = [i for kind, i in wanted if kind == "cache" and rulings.get((kind, i), _NO)[0]]
    made = assemble(inventory, policy, rulings, going, cut)
    gone = [each for key, each in wanted.items() if key not in rulings]
    told = [Verdict(each.kind, each.id, each.names, remove=False, reasons=_GONE) for each in gone]
    return made._replace(verdicts=(*made.verdicts, *told), steps=_in_order(made.steps, wanted))


_NO: Ruling = (False, ())
_GONE = (Reason("changed", {"what": "it is gone", "gone": True}),)


def _held(inventory: Inventory, rulings: Mapping[Key, Ruling]) -> dict[Key, Ruling]:
    """What containers hold that stay after all: the plan may have meant them to go before it."""
    held: dict[Key, Ruling] = {}
    networks = {network.name: network.id for network in inventory.networks}
    for container in inventory.containers:
        if rulings["container", container.id][0]:
            continue
        keys = [("image", container.image_id)]
        keys += [("volume", name) for name in container.volumes]
        keys += [("network", networks.get(name, name)) for name in container.networks]
        stays = keep("in-use", containers=1, container=container.name)
        held.update((key, stays) for key in keys if rulings.get(key, _NO)[0])
    return held


def _whatever_is_safe(policy: Policy) -> Policy:
    """A policy that lets go whatever is not in use, leased or protected."""
    return policy._replace(
        takes=TAKES["deep"]._replace(volumes=True),
        level="deep",
        grace=Grace.uniform(0),
        volumes=policy.volumes._replace(remove="named", names=("*",), unused_for=0.0),
        containers=policy.containers._replace(
            stopped_for=0.0, created_for=0.0, group_stopped_for=0.0
        ),
        networks_unused_for=0.0,
        include_local=True,
        check_registry=False,
        target=None,
    )


def _ruling(agreed: Agreed | None, state: State, now: Ruling) -> Ruling:
    if agreed is None:
        return False, (Reason("not-in-plan"),)
    if agreed.state != state:
        return False, (Reason("changed", {"what": _difference(agreed, state)}),)
    goes, reasons = now
    return (True, (Reason("agreed"),)) if goes else (False, reasons)


def _difference(agreed: Agreed, state: State) -> str:
    if agreed.kind == "image":
        new = sorted({str(each) for each in state} - {str(each) for each in agreed.state})
        return f"it is now {new[0]}" if new else "it lost a reference"
    return "it was used"


def _in_order(steps: Iterable[Step], wanted: Mapping[Key, Agreed]) -> tuple[Step, ...]:
    place = {key: number for number, key in enumerate(wanted)}
    return tuple(sorted(steps, key=lambda step: place[step.kind, step.id]))


def _states(inventory: Inventory) -> dict[Key, State]:
    states: dict[Key, State] = {}
    for container in inventory.containers:
        states["container", container.id] = (container.state, container.finished)
    for image in inventory.images:
        states["image", image.id] = (*sorted(image.tags), *sorted(image.digests))
    for record in inventory.cache:
        # To measure a cache mount counts as using it.
        mount = record.type == "exec.cachemount"
        states["cache", record.id] = () if mount else (record.usage_count, record.last_used)
    for volume in inventory.volumes:
        states["volume", volume.name] = (volume.created,)
    for network in inventory.networks:
        states["network", network.id] = (network.created,)
    return states
