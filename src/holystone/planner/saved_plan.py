"""Apply a saved plan to the host as it is now: no object outside the plan goes.

Objects that changed or were used since stay. Objects that a new plan of that level would keep stay
too: in use, leased, protected, or held by an object outside the plan.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from holystone.planner.builders import records_of
from holystone.planner.container_rules import stays_with
from holystone.planner.image_rules import children_first
from holystone.planner.inventory import CacheRecord, Inventory
from holystone.planner.plan import assemble, plan
from holystone.planner.policy import Mark, Policy
from holystone.planner.rules import Ruling, keep
from holystone.planner.usage import Key, Since, Usage
from holystone.planner.verdict import Plan, Reason, Rule, Verdict

State = tuple[str | int | float | None, ...]
"""The state of an object; another state later means that the object was used or changed."""


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


def beyond(agreed: Sequence[Agreed], policy: Policy) -> tuple[int, str] | None:
    """The first removal that no plan of this policy's level can have: its number, and what it is.

    None where every one is of a kind that the level takes. What a single object may be is for
    ``hold_against``.
    """
    takes, pressed = policy.takes, policy.target is not None
    taken = {
        "container": takes.containers,
        "untagged image": takes.untagged or pressed,
        "tagged image": takes.tagged != "none" or pressed,
        "cache": takes.build_cache != "none" or pressed,
        "builder": takes.builders and policy.builders.any,
        "volume": takes.volumes and policy.volumes.remove != "never",
        "network": takes.networks,
    }
    for at, each in enumerate(agreed):
        what = each.kind
        if what == "image":
            tagged = any("@" not in str(reference) for reference in each.state)
            what = "tagged image" if tagged else "untagged image"
        if not taken[what]:
            return at, RECORDS.get(what, what)
    return None


def hold_against(
    agreed: Sequence[Agreed],
    inventory: Inventory,
    usage: Usage,
    policy: Policy,
    now: float,
    since: Since | None = None,
) -> Plan:
    """The plan that carries out what was agreed on, as far as that is still right.

    ``policy`` is that of today for the level and the options that were planned with: only what a
    plan of it can have in it goes. ``unconfirmed`` are the images of the plan that registries have
    to be asked about. An object that is gone has a verdict too, which keeps it.
    """
    today, wish = policy, None
    if policy.target is not None:
        # What is worth least changes as time passes, and how much is free with every job: so as
        # much goes for room as ever may. The reasons name what the policy itself wants free.
        today = policy._replace(target=_MORE_THAN_ANY_DISK, only_when_high=False)
        wish = policy.target.least_free(inventory.disk.total_bytes)
    allowed = plan(inventory, usage, today, now)
    states = _states(inventory)
    wanted = {(each.kind, each.id): each for each in agreed}
    rulings: dict[Key, Ruling] = {}
    for verdict in allowed.verdicts:
        key = (verdict.kind, verdict.id)
        reasons = (
            reason.told(least_free=wish) if reason.rule is Rule.PRESSURE else reason
            for reason in verdict.reasons
        )
        rulings[key] = _ruling(wanted.get(key), states[key], (verdict.remove, tuple(reasons)))
    if since is not None:
        leaving = [key for key, (goes, _) in rulings.items() if goes]
        rulings.update((key, use) for key in leaving if (use := _use(key, usage, since)))
    stays = [c.id for c in inventory.containers if not rulings["container", c.id][0]]
    rulings.update((("container", i), kept) for i, kept in stays_with(inventory, stays).items())
    rulings.update(_held(inventory, rulings))
    _keep_below(inventory, rulings)
    by_id = {image.id: image for image in inventory.images}
    going = [by_id[i] for kind, i in wanted if kind == "image" and rulings.get((kind, i), _NO)[0]]
    cut = [i for kind, i in wanted if kind in RECORDS and rulings.get((kind, i), _NO)[0]]
    made = assemble(inventory, policy, rulings, going, cut)
    gone = tuple(
        Verdict(each.kind, each.id, each.names, remove=False, reasons=_GONE)
        for key, each in wanted.items()
        if key not in rulings
    )
    place = {key: number for number, key in enumerate(wanted)}
    return replace(
        made,
        verdicts=made.verdicts + gone,
        steps=tuple(sorted(made.steps, key=lambda step: place[step.kind, step.id])),
        unconfirmed=tuple(i for i in allowed.unconfirmed if ("image", i) in wanted),
    )


_MORE_THAN_ANY_DISK = Mark(free_bytes=10**18)
_NO: Ruling = (False, ())
_GONE = (Reason(Rule.CHANGED, {"what": "it is gone", "gone": True}),)
RECORDS = {"cache": "build cache record", "builder": "record of a builder"}
"""Kinds of build cache records, and what one of them is called."""
_DATED = ("volume", "network")
"""Kinds of which the state is when they were made."""


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
        stays = keep(Rule.IN_USE, containers=1, container=container.name)
        held.update((key, stays) for key in keys if rulings.get(key, _NO)[0])
    return held


def _keep_below(inventory: Inventory, rulings: dict[Key, Ruling]) -> None:
    """Keep what images and records stand on that stay after all: the engine could not remove it."""
    on_image: Counter[str] = Counter()
    for image in children_first(inventory.images):
        key = ("image", image.id)
        if on_image[image.id] and rulings[key][0]:
            rulings[key] = keep(Rule.PARENT, children=on_image[image.id])
        if not rulings[key][0]:
            on_image[image.parent] += 1
    _keep_parents("cache", {record.id: record for record in inventory.cache}, rulings)
    _keep_parents("builder", records_of(inventory), rulings)


def _keep_parents(
    kind: str, records: Mapping[str, CacheRecord], rulings: dict[Key, Ruling]
) -> None:
    """Keep what build cache records were made from that stay after all."""
    made_from: Counter[str] = Counter()
    waiting = [record for record in records.values() if not rulings[kind, record.id][0]]
    for record in waiting:
        made_from.update(record.parents)
        for parent in record.parents:
            if rulings.get((kind, parent), _NO)[0]:
                rulings[kind, parent] = keep(Rule.NEEDED, children=1)
                waiting.append(records[parent])
    for record_id, count in made_from.items():
        kept, reasons = rulings.get((kind, record_id), _NO)
        if not kept and reasons and reasons[0].rule is Rule.NEEDED:
            rulings[kind, record_id] = keep(Rule.NEEDED, children=count)


def _ruling(agreed: Agreed | None, state: State, now: Ruling) -> Ruling:
    if agreed is None:
        return False, (Reason(Rule.NOT_IN_PLAN),)
    goes, reasons = now
    if agreed.kind in _DATED and not goes:
        return False, reasons
    if agreed.state != state:
        return False, (Reason(Rule.CHANGED, {"what": _difference(agreed, state)}),)
    return (True, (Reason(Rule.AGREED), *reasons)) if goes else (False, reasons)


def _use(key: Key, usage: Usage, since: Since) -> Ruling | None:
    """The ruling on an object of the plan that was used since, or may have been."""
    if key in since.used or usage.last_used.get(key, 0.0) > since.moment:
        return False, (Reason(Rule.CHANGED, {"what": "it was used"}),)
    # A volume can hold data that was written since, and nothing of it shows that.
    if key[0] == "volume" and not since.complete:
        return False, (Reason(Rule.USE_UNKNOWN),)
    return None


def _difference(agreed: Agreed, state: State) -> str:
    if agreed.kind == "image":
        new = sorted({str(each) for each in state} - {str(each) for each in agreed.state})
        return f"it is now {new[0]}" if new else "it lost a reference"
    return "it was made anew" if agreed.kind in _DATED else "it was used"


def _states(inventory: Inventory) -> dict[Key, State]:
    states: dict[Key, State] = {}
    states.update((("container", c.id), (c.state, c.finished)) for c in inventory.containers)
    for image in inventory.images:
        states["image", image.id] = (*sorted(image.tags), *sorted(image.digests))
    states.update((("cache", record.id), _state_of(record)) for record in inventory.cache)
    states.update((("builder", i), _state_of(r)) for i, r in records_of(inventory).items())
    states.update((("volume", v.name), (v.created,)) for v in inventory.volumes)
    states.update((("network", n.id), (n.created,)) for n in inventory.networks)
    return states


def _state_of(record: CacheRecord) -> State:
    # To measure a cache mount counts as using it.
    mount = record.type == "exec.cachemount"
    return () if mount else (record.usage_count, record.last_used)
