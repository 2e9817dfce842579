"""The JSON documents. Schema 1: fields are added, never renamed or taken away.

Bytes are whole numbers in fields that end in ``_bytes``, times are RFC 3339 in UTC, and what is
not known is null. ``dump`` writes one line; with ``indent`` it is laid out for a person to read,
which takes ten times as long, so it is for terminals only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from holystone.engine.host import NOT_TRIED, Removal
from holystone.operations.execute import Outcome
from holystone.outside.text import safe_json
from holystone.planner.inventory import Disk, Engine, Inventory, Note
from holystone.planner.policy import Watermarks
from holystone.planner.totals import Beside
from holystone.planner.verdict import Plan, Rule, Verdict
from holystone.present import figures, notes, reasons
from holystone.present.format import timestamp
from holystone.store.audits import AuditSum

if TYPE_CHECKING:
    from holystone.config.load import Configuration
    from holystone.operations.rounds import Round
    from holystone.present.report.explain import Explanation

SCHEMA = 1
Document = dict[str, Any]


def dump(document: Document, *, indent: bool = False) -> str:
    """The document as JSON text in ASCII, without an end of line."""
    if indent:
        return safe_json(json.dumps(document, indent=2))
    return safe_json(json.dumps(document, separators=(",", ":")))


def fields(record: object, names: str) -> Document:
    """These attributes of a record, in this order.

    ``a`` is attribute ``a``, ``a=b.c`` attribute ``c`` of its ``b`` under the name ``a``. ``a?`` is
    null where it is empty. Values of names that end in ``_at`` are times in UTC seconds; seconds
    are rounded to milliseconds.
    """
    made: Document = {}
    for name, value_of, or_null in _parsed(names):
        value = value_of(record)
        if isinstance(value, tuple):
            value = list(value)
        elif name.endswith("_at") and value is not None:
            value = timestamp(value)
        elif name == "seconds" and value is not None:
            value = round(value, 3)
        made[name] = (value or None) if or_null else value
    return made


@cache
def _parsed(names: str) -> list[tuple[str, attrgetter[Any], bool]]:
    """Each name, what reads its value, and whether an empty one is written as null."""
    made = []
    for each in names.split():
        name, _, attribute = each.partition("=")
        bare = name.removesuffix("?")
        made.append((bare, attrgetter(attribute or bare), bare != name))
    return made


def configured(told: Document, found: Configuration) -> Document:
    """The document, with the files that were read and the values without effect."""
    vain = [fields(each, "file line key text=problem") for each in found.without_effect]
    files = [source._asdict() for source in found.sources]
    head = ("schema", "engine", "taken_at", "disk", "notes", "level")
    configuration = {"configuration": {"files": files, "without_effect": vain}}
    return {name: told[name] for name in head} | configuration | told


def plan(plan: Plan) -> Document:
    """The document of ``plan --json``, but for what ``configured`` adds."""
    return _plan(plan) | {"items": [_item(verdict) for verdict in plan.verdicts]}


def clean(
    plan: Plan,
    outcome: Outcome,
    *,
    disk_after: Disk | None = None,
    rounds: Sequence[Round] = (),
    coalesced_with: int | None = None,
) -> Document:
    """The document of ``clean --json``: the plan with its result.

    An item's ``freed_bytes`` stay those planned; ``outcome_freed_bytes`` are what it freed. Where
    an image was skipped, the others that share its layers free less than planned. With ``rounds``
    the plan and the outcome are those of all of them. ``coalesced_with`` is the number of the run
    that did the work of this one.
    """
    items = []
    for verdict in plan.verdicts:
        key = (verdict.kind, verdict.id)
        removal = outcome.results.get(key)
        if removal is None:
            # Every step has a result; should one lack it, it was certainly not carried out.
            removal = Removal(NOT_TRIED, "not tried") if verdict.remove else Removal("kept")
        became = fields(removal, "result detail lost")
        freed = {"outcome_freed_bytes": outcome.freed.get(key, 0)}
        items.append(_item(verdict) | became | freed)
    ended: Document = {"freed_bytes": outcome.freed_bytes, "planned_bytes": plan.freed_bytes}
    ended |= _counts(outcome) | fields(outcome, "interrupted?")
    ended["disk"] = None if disk_after is None else _disk(disk_after)
    bytes_of = "planned_bytes=plan.freed_bytes freed_bytes=outcome.freed_bytes gained_bytes=gained"
    ended["rounds"] = [fields(each, bytes_of) | _counts(each.outcome) for each in rounds]
    return _plan(plan) | {"coalesced_with": coalesced_with, "outcome": ended, "items": items}


def _counts(outcome: Outcome) -> Document:
    return fields(outcome, "removed skipped failed unknown not_tried seconds")


def coalesced(inventory: Inventory, level: str, run: int, disk: Disk) -> Document:
    """The document of a clean whose work the run that it waited for has done."""
    seen = (inventory.taken_at, inventory.engine, inventory.disk)
    nothing = Plan(
        level, *seen, (), (), 0, estimated=False, at_least=0, at_most=0, notes=inventory.notes
    )
    return clean(nothing, Outcome({}, {}, 0, 0.0), disk_after=disk, coalesced_with=run)


def status(
    inventory: Inventory,
    plan: Plan,
    endpoint: str,
    marks: Watermarks,
    beside: Beside = Beside(),  # noqa: B008 - immutable
    audit: AuditSum | None = None,
) -> Document:
    """The document of ``status --json``. ``endpoint`` is the engine's address."""
    stored = figures.images_stored(inventory.images, figures.image_shares(inventory.images))
    cache = figures.cache_bytes(inventory)
    own = "own_bytes=own in_use_bytes=in_use shared_with_images_bytes=shared"
    containers = inventory.containers
    kinds = {
        "image": {"count": len(inventory.images)}
        | fields(stored, "stored_bytes=stored unique_bytes=unique shared_bytes=shared estimated"),
        "container": {
            "count": len(containers),
            "running": sum(each.state == "running" for each in containers),
            "writable_bytes": sum(each.writable_size for each in containers),
        },
        "cache": {"count": len(inventory.cache)} | fields(cache, own),
        "volume": {"count": len(inventory.volumes)}
        | fields(figures.volume_bytes(inventory), "known_bytes=known unknown"),
        "network": {"count": len(inventory.networks)},
    }
    going = {
        tally.kind: fields(tally, "remove=going keep=staying freed_bytes")
        for tally in figures.tallies(plan)
    }
    return about(inventory) | {
        "endpoint": endpoint,
        "watermark": marks.reached(inventory.disk) or None,
        "kinds": kinds,
        "account": _account(inventory, beside),
        "last_audit": last_audit(audit),
        "clean": _promise(plan) | {"kinds": going},
    }


def last_audit(audit: AuditSum | None) -> Document | None:
    """The sum of the last audit; None where none is remembered."""
    if audit is None:
        return None
    return fields(audit, "taken_at=at used_bytes=used named_bytes=named dark_bytes=dark")


def report(inventory: Inventory, plans: Mapping[str, Plan], file: str, size: int) -> Document:
    """The document of ``report --json``: the file that was written, and what each clean frees."""
    levels = {level: _promise(plan) for level, plan in plans.items()}
    return about(inventory) | {"file": file, "size_bytes": size, "levels": levels}


def _account(inventory: Inventory, beside: Beside) -> Document | None:
    """Where the bytes of the disk are; None where it is not in sight."""
    told = figures.account_of(inventory, beside)
    if told is None:
        return None
    kinds = "used_bytes=used images_bytes=images containers_bytes=containers cache_bytes=cache"
    unread = {"logs_bytes": None, "orphans_bytes": None, "engine_bytes": None}
    read = fields(told, "logs_bytes=logs orphans_bytes=orphans engine_bytes=own")
    log = "container=container_id name path size_bytes=size limited"
    return {
        **fields(told, f"{kinds} volumes_bytes=volumes"),
        **(read if beside.read else unread),
        "other_bytes": told.other,
        "elsewhere": list(beside.elsewhere),
        "logs": [fields(each, log) for each in beside.logs],
        "orphans": [fields(each, "path size_bytes=size") for each in beside.orphans],
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
            {
                **fields(image, "id tags digests size_bytes=size"),
                "created_at": timestamp(image.created) if image.created > 0 else None,
                **fields(image, "last_tagged_at=last_tagged"),
                "unique_bytes": None if share is None else share.unique,
                "shared_bytes": None if share is None else share.shared,
                "containers": [container.name for container in containers],
                "last_used_at": None if used is None else timestamp(used),
                **decided(verdicts[image.id]),
            }
        )
    return about(inventory) | {"images": listed}


def explain(explanation: Explanation, plan: Plan) -> Document:
    """The document of ``explain --json``: one object, whole."""
    alone, expected = explanation.alone, explanation.prospects
    told = "freed_bytes=freed estimated at_least_bytes=at_least at_most_bytes=at_most"
    ranked = "idle_seconds=idle gap_seconds=gap frees_bytes=freed fetch_seconds=seconds chance"
    return preamble(plan.engine, plan.taken_at, plan.disk, plan.notes) | {
        "level": plan.level,
        "item": _item(explanation.verdict),
        "facts": {
            name: timestamp(float(fact)) if name.endswith("_at") and fact is not None else fact
            for name, fact in explanation.facts.items()
        },
        "references": list(explanation.references),
        "containers": [fields(each, "id name state") for each in explanation.containers],
        "alone": alone and fields(alone, f"{told} held_by_cache_bytes=held_by_cache"),
        "prospects": expected and fields(expected, ranked),
        "shares_with": [
            fields(each, "id names shared_bytes=shared") for each in explanation.sharers
        ],
    }


def about(inventory: Inventory) -> Document:
    """What a document about this host begins with."""
    return preamble(inventory.engine, inventory.taken_at, inventory.disk, inventory.notes)


def _plan(plan: Plan) -> Document:
    unconfirmed = [
        verdict.id
        for verdict in plan.removed
        if any(reason.rule == Rule.UNCONFIRMED for reason in verdict.reasons)
    ]
    return {
        **preamble(plan.engine, plan.taken_at, plan.disk, plan.notes),
        "level": plan.level,
        "only": None if plan.only is None else list(plan.only),
        **_promise(plan),
        "target_free_bytes": plan.target_free,
        "unconfirmed": unconfirmed,
    }


def preamble(engine: Engine, taken_at: float, disk: Disk, noted: Sequence[Note] = ()) -> Document:
    """What every document about a host begins with. ``noted`` is what the engine did not tell."""
    return {
        "schema": SCHEMA,
        "engine": fields(engine, "version api_version storage_driver name id host? store"),
        "taken_at": timestamp(taken_at),
        "disk": _disk(disk),
        "notes": [
            fields(note, "problem kind id? name?") | {"text": notes.text(note)} for note in noted
        ],
    }


def _disk(disk: Disk) -> Document:
    return fields(disk, "total_bytes free_bytes not_in_sight?=unseen")


def _promise(plan: Plan) -> Document:
    bounds = "at_least_bytes=at_least at_most_bytes=at_most held_by_cache_bytes=held_by_cache"
    return fields(plan, f"freed_bytes estimated {bounds}")


def _item(verdict: Verdict) -> Document:
    return {
        "kind": verdict.kind,
        "id": verdict.id,
        "names": [name for name in verdict.names if name],
    } | decided(verdict)


def decided(verdict: Verdict) -> Document:
    """Whether an object stays or goes, what that frees, and why."""
    return {
        "action": "remove" if verdict.remove else "keep",
        "freed_bytes": verdict.freed_bytes,
        "reasons": [
            {"rule": each.rule, "text": reasons.text(each), "facts": dict(each.facts)}
            for each in verdict.reasons
        ],
    }
