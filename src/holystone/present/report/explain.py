"""``holystone explain``: all facts about one object, its verdict and the reasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from holystone.planner.build_cache import prospects_of_record
from holystone.planner.builders import records_of
from holystone.planner.holders import layers_of_records
from holystone.planner.inventory import CacheRecord, Container, Image, Inventory, Note
from holystone.planner.names import digest_names
from holystone.planner.ranking import Prospects, prospects, rank
from holystone.planner.sizes import free
from holystone.planner.units import format_size
from holystone.planner.usage import Usage
from holystone.planner.verdict import Fact, Plan, Rule, Verdict
from holystone.present import notes, reasons
from holystone.present.format import ago, amount, count_of, name_of, noun, safe, short_id, timestamp
from holystone.present.report.parts import names
from holystone.present.table import facts, paragraph
from holystone.present.terminal import Look

SHOWN_SHARERS = 5


class Sharer(NamedTuple):
    """Another image that holds some of the same layers, and their unpacked bytes."""

    id: str
    names: tuple[str, ...]
    shared: int


class Alone(NamedTuple):
    """The bytes that would come free if this object went and nothing else."""

    freed: int
    estimated: bool = False
    at_least: int = 0
    at_most: int = 0
    held_by_cache: int = 0
    """Bytes of an image's layers that build cache keeps, so that they are not in ``freed``."""
    with_records: int = 0
    """How many build cache records may hold these layers."""


class Explanation(NamedTuple):
    """One object: its verdict, what is known of it, and what it hangs together with."""

    verdict: Verdict
    taken_at: float
    """When the host was looked at."""
    facts: Mapping[str, Fact]
    """What the engine says of it. ``…_bytes`` are bytes, ``…_at`` times in UTC seconds."""
    references: tuple[str, ...] = ()
    """Tags and digests of an image."""
    containers: tuple[Container, ...] = ()
    """Those that refer to it, stopped ones included."""
    alone: Alone | None = None
    """None where it cannot go alone, or cannot be told: a volume of unknown size."""
    sharers: tuple[Sharer, ...] = ()
    """Those that share most first."""
    prospects: Prospects | None = None
    """What is expected of a tagged image or a build cache record, by which it is ranked when space
    runs out."""
    notes: tuple[Note, ...] = ()
    """What the engine does not tell of it."""


def explanation(
    inventory: Inventory, usage: Usage, plan: Plan, kind: str, identifier: str
) -> Explanation:
    """Everything about the object of this kind and whole ID. Raises KeyError where there is none.

    The ID of a volume is its name, as in its verdict.
    """
    for verdict in plan.verdicts:
        if (verdict.kind, verdict.id) == (kind, identifier):
            explained = _EXPLAIN[kind](inventory, verdict)
            noted = tuple(each for each in inventory.notes if each.id == identifier)
            expected = _prospects(inventory, usage, plan, verdict)
            return explained._replace(prospects=expected, notes=noted)
    raise KeyError(identifier)


def _prospects(
    inventory: Inventory, usage: Usage, plan: Plan, verdict: Verdict
) -> Prospects | None:
    now, store = inventory.taken_at, inventory.engine.store
    if verdict.kind == "cache":
        record = next(each for each in inventory.cache if each.id == verdict.id)
        (freed,) = free(inventory, [], [record]).records
        return prospects_of_record(record, freed, now)
    if verdict.kind != "image":
        return None
    image = next(each for each in inventory.images if each.id == verdict.id)
    if not (image.tags or digest_names(image, store).names):
        return None
    verdicts = {each.id: each for each in plan.verdicts if each.kind == "image"}

    def stays(other: Image) -> bool:
        """Whether it does not go in any case, nor with the last image on it: a build's step."""
        step = verdicts[other.id].reasons[0].rule == Rule.PARENT
        named = bool(other.tags or other.pinned)
        return not verdicts[other.id].remove and (named or not step)

    holders = [each for each in inventory.images if each is image or stays(each)]
    ranking = rank(holders, [image], usage)
    entry, soon = ranking.entries[image.id], ranking.habits.soon(now)
    return prospects(entry, image, store, usage, now, soon)


def _image(inventory: Inventory, verdict: Verdict) -> Explanation:
    image = next(each for each in inventory.images if each.id == verdict.id)
    alone = free(inventory, [image], [])
    (freed,), slack = alone.images, alone.slack
    registry = "has it" if image.in_registry else None
    if not image.in_registry and image.registry_said:
        said = "lacks it" if image.in_registry is False else "could not be asked"
        registry = f"{said}: {image.registry_said}"
    own = {layer.chain_id for layer in image.held}
    for other in inventory.images:
        if other.id != image.id:
            own -= {layer.chain_id for layer in other.held}
    records = sum(bool(layers & own) for layers in layers_of_records(inventory).values())
    return Explanation(
        verdict,
        inventory.taken_at,
        {
            "size_bytes": image.size,
            "layers": None if image.layers is None else len(image.layers),
            "created_at": _time(image.created),
            "last_tagged_at": _time(image.last_tagged),
            "parent": image.parent or None,
            "registry": registry,
            "registry_asked_at": image.registry_asked,
        },
        references=image.tags + image.digests,
        containers=tuple(c for c in inventory.containers if c.image_id == image.id),
        alone=Alone(
            freed,
            slack.estimated,
            max(0, freed - slack.below),
            freed + max(0, slack.above),
            alone.held_by_cache,
            records if alone.held_by_cache else 0,
        ),
        sharers=tuple(_sharers(image, inventory.images)),
    )


def _sharers(image: Image, images: Sequence[Image]) -> list[Sharer]:
    own = {layer.chain_id: layer.size for layer in image.held}
    found = []
    for other in images:
        if other.id == image.id or not other.layers:
            continue
        shared = sum(own.get(layer.chain_id, 0) for layer in set(other.held))
        if shared:
            found.append(Sharer(other.id, other.tags or other.digests, shared))
    return sorted(found, key=lambda sharer: (-sharer.shared, not sharer.names, sharer.names))


def _container(inventory: Inventory, verdict: Verdict) -> Explanation:
    container = next(each for each in inventory.containers if each.id == verdict.id)
    return Explanation(
        verdict,
        inventory.taken_at,
        {
            "state": container.state,
            "image": container.image,
            "writable_bytes": container.writable_size,
            "log_bytes": container.log_size or None,
            "created_at": _time(container.created),
            "finished_at": _time(container.finished),
            # One that was never started has 0, and one that could not be started what went wrong.
            "exit_code": container.exit_code if container.stopped else container.exit_code or None,
            "restart": container.restart or None,
            "needs": ", ".join(container.needs) or None,
            "pod": container.pod or None,
            "volumes": ", ".join(container.volumes) or None,
            "networks": ", ".join(container.networks) or None,
        },
        alone=_exactly(container.freed_bytes),
    )


def _cache(records: Sequence[CacheRecord], inventory: Inventory, verdict: Verdict) -> Explanation:
    record = next(each for each in records if each.id == verdict.id)
    return Explanation(
        verdict,
        inventory.taken_at,
        {
            "step": record.description or None,
            "type": record.type,
            "size_bytes": record.size,
            "created_at": _time(record.created),
            "last_used_at": _time(record.last_used),
            "times_used": record.usage_count,
            "stands_on": ", ".join(record.parents) or None,
        },
        # One that others were made from cannot be removed alone.
        alone=None
        if any(record.id in other.parents for other in records)
        else _exactly(0 if record.shared else record.size),
    )


def _volume(inventory: Inventory, verdict: Verdict) -> Explanation:
    volume = next(each for each in inventory.volumes if each.name == verdict.id)
    return Explanation(
        verdict,
        inventory.taken_at,
        {
            "driver": volume.driver,
            "anonymous": volume.anonymous,
            "size_bytes": volume.size,
            "created_at": _time(volume.created),
        },
        containers=tuple(c for c in inventory.containers if volume.name in c.volumes),
        alone=None if volume.size is None else _exactly(volume.size),
    )


def _network(inventory: Inventory, verdict: Verdict) -> Explanation:
    network = next(each for each in inventory.networks if each.id == verdict.id)
    called = {network.id, network.name}
    return Explanation(
        verdict,
        inventory.taken_at,
        {"driver": network.driver, "created_at": _time(network.created)},
        containers=tuple(c for c in inventory.containers if called.intersection(c.networks)),
        alone=_exactly(0),
    )


_EXPLAIN = {
    "image": _image,
    "container": _container,
    "cache": lambda inventory, verdict: _cache(inventory.cache, inventory, verdict),
    "builder": lambda inventory, verdict: _cache(
        list(records_of(inventory).values()), inventory, verdict
    ),
    "volume": _volume,
    "network": _network,
}


def _exactly(freed: int) -> Alone:
    return Alone(freed, at_least=freed, at_most=freed)


def _time(moment: float | None) -> float | None:
    """The moment, or None where the engine has none: it writes year 1 then."""
    return moment if moment is not None and moment > 0 else None


def render(explanation: Explanation, look: Look) -> str:
    """The object, its verdict with each reason, and what it hangs together with."""
    verdict, alone = explanation.verdict, explanation.alone
    title = f"{noun(verdict.kind)} {name_of(verdict)}"
    lines = paragraph(title[:1].upper() + title[1:], look, style="bold")
    decision = look.paint("keep", "green")
    if verdict.remove:
        decision = f"{look.paint('remove', 'yellow')}, frees {format_size(verdict.freed_bytes)}"
    ranked = ""
    if explanation.prospects is not None:
        records = (alone.with_records if alone else 0) or None
        ranked = reasons.expected({**explanation.prospects.facts, "with_records": records})
    pairs: list[tuple[str, str | Sequence[str]]] = [
        ("verdict", decision),
        ("because", [reasons.text(reason) for reason in verdict.reasons]),
        ("alone", _alone(alone)),
        ("ranked by", ranked),
        ("id", safe(verdict.id)),
        ("note", [notes.text(note) for note in explanation.notes]),
    ]
    references = explanation.references
    # Of a digest the heading has the beginning only.
    digest = any("@" in reference for reference in references)
    if digest or references != verdict.names or len(references) > 1:
        pairs.append(("references", [safe(each) for each in references]))
    for name, fact in explanation.facts.items():
        label = name.removesuffix("_bytes").removesuffix("_at").replace("_", " ")
        pairs.append((label, _said(name, fact, explanation.taken_at)))
    users = [f"container {safe(c.name)} ({safe(c.state)})" for c in explanation.containers]
    sharers = explanation.sharers
    calls = names(("image", sharer.id, sharer.names) for sharer in sharers)
    shared = [
        f"{call}, {format_size(sharer.shared)}"
        for call, sharer in zip(calls, sharers[:SHOWN_SHARERS], strict=False)
    ]
    if more := len(sharers) - len(shared):
        shared.append(f"{look.ellipsis} and {count_of(more, 'image').replace(' ', ' more ', 1)}")
    pairs += [("used by", users), ("shares with", shared)]
    return "\n".join([*lines, *facts(pairs, look)])


def _alone(alone: Alone | None) -> str:
    if alone is None:
        return "what removing it would free is not known"
    figure = amount(
        alone.freed,
        estimated=alone.estimated,
        at_least=alone.at_least,
        at_most=alone.at_most,
    )
    text = f"removing only it would free {figure}"
    if not alone.held_by_cache:
        return text
    return f"{text}: build cache holds {format_size(alone.held_by_cache)} of its layers"


def _said(name: str, fact: Fact, now: float) -> str:
    if fact is None:
        return ""
    if isinstance(fact, bool):
        return "yes" if fact else "no"
    if name.endswith("_bytes"):
        return format_size(int(fact))
    if name.endswith("_at"):
        return f"{timestamp(float(fact))} ({ago(now - float(fact))})"
    return short_id(str(fact)) if name == "parent" else safe(str(fact))
