"""The JSON documents. Schema 1: fields are added, never renamed or taken away.

Bytes are whole numbers in fields that end in ``_bytes``, times are RFC 3339 in UTC, and what is
not known is null. ``dump`` writes one line; with ``indent`` it is laid out for a person to read,
which takes ten times as long, so it is for terminals only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from holystone.engine.host import SKIPPED, Removal
from holystone.outside.text import safe_json
from holystone.planner.inventory import Disk, Engine, Image, Inventory, Note
from holystone.planner.policy import Watermarks
from holystone.planner.totals import Beside
from holystone.planner.verdict import Plan, Reason, Rule, Verdict
from holystone.present import figures, notes, reasons
from holystone.present.format import timestamp

if TYPE_CHECKING:
    from holystone.config.load import Configuration
    from holystone.operations.execute import Outcome
    from holystone.operations.rounds import Round
    from holystone.planner.ranking import Prospects
    from holystone.present.explanation import Explanation

SCHEMA = 1
Document = dict[str, Any]


def dump(document: Document, *, indent: bool = False) -> str:
    """The document as JSON text in ASCII, without an end of line."""
    if indent:
        return safe_json(json.dumps(document, indent=2))
    return safe_json(json.dumps(document, separators=(",", ":")))


def configured(told: Document, found: Configuration) -> Document:
    """The document, with the files that were read and what the nearest asks for in vain."""
    configuration = {
        "files": [source._asdict() for source in found.sources],
        "without_effect": [
            {"file": each.file, "line": each.line, "key": each.key, "text": each.problem}
            for each in found.without_effect
        ],
    }
    head = ("schema", "engine", "taken_at", "disk", "notes", "level")
    return {name: told[name] for name in head} | {"configuration": configuration} | told


def plan(plan: Plan) -> Document:
    """The document of ``plan --json``, but for what ``configured`` adds."""
    return _plan(plan) | {"items": [_item(verdict) for verdict in plan.verdicts]}


def clean(
    plan: Plan,
    outcome: Outcome,
    *,
    disk_after: Disk | None = None,
    rounds: Sequence[Round] = (),
) -> Document:
    """The document of ``clean --json``: the plan, with what became of it.

    An item's ``freed_bytes`` stay those planned; ``outcome_freed_bytes`` are what it freed. Where
    an image was skipped, the others that share its layers free less than planned. With ``rounds``
    the plan and the outcome are those of all of them.
    """
    items = []
    for verdict in plan.verdicts:
        key = (verdict.kind, verdict.id)
        item = _item(verdict)
        removal = outcome.results.get(key)
        if removal is None:
            # Every step has a result; should one lack it, it was certainly not carried out.
            removal = Removal(SKIPPED, "not tried") if verdict.remove else Removal("kept")
        item["result"] = removal.result
        item["detail"] = removal.detail
        item["lost"] = list(removal.lost)
        item["outcome_freed_bytes"] = outcome.freed.get(key, 0)
        items.append(item)
    ended = {
        "freed_bytes": outcome.freed_bytes,
        "planned_bytes": plan.freed_bytes,
        "removed": outcome.removed,
        "skipped": outcome.skipped,
        "failed": outcome.failed + outcome.not_tried,
        "unknown": outcome.unknown,
        "seconds": round(outcome.seconds, 3),
        "interrupted": outcome.interrupted or None,
        "disk": None if disk_after is None else _disk(disk_after),
        "rounds": [_round(each) for each in rounds],
    }
    return _plan(plan) | {"coalesced_with": None, "outcome": ended, "items": items}


def _round(done: Round) -> Document:
    return {
        "planned_bytes": done.plan.freed_bytes,
        "freed_bytes": done.outcome.freed_bytes,
        "gained_bytes": done.gained,
        "removed": done.outcome.removed,
        "skipped": done.outcome.skipped,
        "failed": done.outcome.failed + done.outcome.not_tried,
        "unknown": done.outcome.unknown,
        "seconds": round(done.outcome.seconds, 3),
    }


def coalesced(inventory: Inventory, level: str, run: int, disk: Disk) -> Document:
    """The document of a clean whose work the run that it waited for has done."""
    none = {"freed_bytes": 0, "planned_bytes": 0, "removed": 0, "skipped": 0, "failed": 0}
    ended: Document = {
        **none,
        "unknown": 0,
        "seconds": 0.0,
        "interrupted": None,
        "disk": _disk(disk),
        "rounds": [],
    }
    promise = {"freed_bytes": 0, "estimated": False, "at_least_bytes": 0, "at_most_bytes": 0}
    head = _about(inventory) | {"level": level}
    rest: Document = {
        "held_by_cache_bytes": 0,
        "target_free_bytes": None,
        "unconfirmed": [],
        "coalesced_with": run,
    }
    return head | promise | rest | {"outcome": ended, "items": []}


def status(
    inventory: Inventory,
    plan: Plan,
    endpoint: str,
    marks: Watermarks,
    beside: Beside = Beside(),  # noqa: B008 - immutable
) -> Document:
    """The document of ``status --json``. ``endpoint`` is the engine's address."""
    shares = figures.image_shares(inventory.images)
    stored = figures.images_stored(inventory.images, shares)
    cache = figures.cache_bytes(inventory)
    volumes = figures.volume_bytes(inventory)
    return _about(inventory) | {
        "endpoint": endpoint,
        "watermark": marks.reached(inventory.disk) or None,
        "kinds": {
            "image": {
                "count": len(inventory.images),
                "stored_bytes": stored.stored,
                "unique_bytes": stored.unique,
                "shared_bytes": stored.shared,
                "estimated": stored.estimated,
            },
            "container": {
                "count": len(inventory.containers),
                "running": sum(c.state == "running" for c in inventory.containers),
                "writable_bytes": sum(c.writable_size for c in inventory.containers),
            },
            "cache": {
                "count": len(inventory.cache),
                "own_bytes": cache.own,
                "in_use_bytes": cache.in_use,
                "shared_with_images_bytes": cache.shared,
            },
            "volume": {
                "count": len(inventory.volumes),
                "known_bytes": volumes.known,
                "unknown": volumes.unknown,
            },
            "network": {"count": len(inventory.networks)},
        },
        "account": _account(inventory, beside),
        "clean": _promise(plan)
        | {
            "kinds": {
                tally.kind: {
                    "remove": tally.going,
                    "keep": tally.staying,
                    "freed_bytes": tally.freed_bytes,
                }
                for tally in figures.tallies(plan)
            }
        },
    }


def _account(inventory: Inventory, beside: Beside) -> Document | None:
    """Where the bytes of the disk are; None where it is not in sight."""
    told = figures.account_of(inventory, beside)
    if told is None:
        return None
    return {
        "used_bytes": told.used,
        "images_bytes": told.images,
        "containers_bytes": told.containers,
        "cache_bytes": told.cache,
        "volumes_bytes": told.volumes,
        "logs_bytes": told.logs if beside.read else None,
        "orphans_bytes": told.orphans if beside.read else None,
        "engine_bytes": told.own if beside.read else None,
        "other_bytes": told.other,
        "elsewhere": list(beside.elsewhere),
        "logs": [
            {
                "container": log.container_id,
                "name": log.name,
                "path": log.path,
                "size_bytes": log.size,
                "limited": log.limited,
            }
            for log in beside.logs
        ],
        "orphans": [{"path": each.path, "size_bytes": each.size} for each in beside.orphans],
    }


def images(inventory: Inventory, plan: Plan) -> Document:
    """The document of ``images --json``, largest first."""
    shares = figures.image_shares(inventory.images)
    users = figures.containers_of(inventory)
    verdicts = {verdict.id: verdict for verdict in plan.verdicts if verdict.kind == "image"}
    listed = []
    for image in sorted(inventory.images, key=lambda image: (-image.size, image.tags, image.id)):
        share = shares[image.id]
        containers = users.get(image.id, [])
        used = figures.last_use(containers, inventory.taken_at)
        listed.append(
            _image(image)
            | {
                "unique_bytes": None if share is None else share.unique,
                "shared_bytes": None if share is None else share.shared,
                "containers": [container.name for container in containers],
                "last_used_at": None if used is None else timestamp(used),
            }
            | _verdict(verdicts[image.id])
        )
    return _about(inventory) | {"images": listed}


def explain(explanation: Explanation, plan: Plan) -> Document:
    """The document of ``explain --json``: one object, whole."""
    alone = explanation.alone
    return preamble(plan.engine, plan.taken_at, plan.disk, plan.notes) | {
        "level": plan.level,
        "item": _item(explanation.verdict),
        "facts": {
            name: timestamp(float(fact)) if name.endswith("_at") and fact is not None else fact
            for name, fact in explanation.facts.items()
        },
        "references": list(explanation.references),
        "containers": [
            {"id": container.id, "name": container.name, "state": container.state}
            for container in explanation.containers
        ],
        "alone": None
        if alone is None
        else {
            "freed_bytes": alone.freed,
            "estimated": alone.estimated,
            "at_least_bytes": alone.at_least,
            "at_most_bytes": alone.at_most,
            "held_by_cache_bytes": alone.held_by_cache,
        },
        "prospects": _prospects(explanation.prospects),
        "shares_with": [
            {"id": sharer.id, "names": list(sharer.names), "shared_bytes": sharer.shared}
            for sharer in explanation.sharers
        ],
    }


def _prospects(expected: Prospects | None) -> Document | None:
    if expected is None:
        return None
    return {
        "idle_seconds": expected.idle,
        "gap_seconds": expected.gap,
        "frees_bytes": expected.freed,
        "fetch_seconds": expected.seconds,
        "chance": expected.chance,
    }


def _about(inventory: Inventory) -> Document:
    return preamble(inventory.engine, inventory.taken_at, inventory.disk, inventory.notes)


def _plan(plan: Plan) -> Document:
    head = preamble(plan.engine, plan.taken_at, plan.disk, plan.notes) | {"level": plan.level}
    unconfirmed = [
        verdict.id
        for verdict in plan.removed
        if any(reason.rule == Rule.UNCONFIRMED for reason in verdict.reasons)
    ]
    target = {"target_free_bytes": plan.target_free, "unconfirmed": unconfirmed}
    return head | _promise(plan) | target


def preamble(engine: Engine, taken_at: float, disk: Disk, noted: Sequence[Note] = ()) -> Document:
    """What every document about a host begins with. ``noted`` is what the engine did not tell."""
    return {
        "schema": SCHEMA,
        "engine": {
            "version": engine.version,
            "api_version": engine.api_version,
            "storage_driver": engine.storage_driver,
            "name": engine.name,
            "id": engine.id,
            "store": engine.store,
        },
        "taken_at": timestamp(taken_at),
        "disk": _disk(disk),
        "notes": [
            {
                "problem": note.problem,
                "kind": note.kind,
                "id": note.id or None,
                "name": note.name or None,
                "text": notes.text(note),
            }
            for note in noted
        ],
    }


def _disk(disk: Disk) -> Mapping[str, int | str | None]:
    return {
        "total_bytes": disk.total_bytes,
        "free_bytes": disk.free_bytes,
        "not_in_sight": disk.unseen or None,
    }


def _promise(plan: Plan) -> Document:
    return {
        "freed_bytes": plan.freed_bytes,
        "estimated": plan.estimated,
        "at_least_bytes": plan.at_least,
        "at_most_bytes": plan.at_most,
        "held_by_cache_bytes": plan.held_by_cache,
    }


def _item(verdict: Verdict) -> Document:
    return {
        "kind": verdict.kind,
        "id": verdict.id,
        "names": [name for name in verdict.names if name],
    } | _verdict(verdict)


def _verdict(verdict: Verdict) -> Document:
    return {
        "action": "remove" if verdict.remove else "keep",
        "freed_bytes": verdict.freed_bytes,
        "reasons": [_reason(reason) for reason in verdict.reasons],
    }


def _reason(reason: Reason) -> Document:
    return {"rule": reason.rule, "text": reasons.text(reason), "facts": dict(reason.facts)}


def _image(image: Image) -> Document:
    return {
        "id": image.id,
        "tags": list(image.tags),
        "digests": list(image.digests),
        "size_bytes": image.size,
        "created_at": timestamp(image.created) if image.created > 0 else None,
        "last_tagged_at": None if image.last_tagged is None else timestamp(image.last_tagged),
    }
