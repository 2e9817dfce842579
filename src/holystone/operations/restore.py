"""Undo a run: find it, decide on each object that it removed or may have removed, and pull.

``resolve`` finds the run and ``plan_restore`` decides; ``bring_back.carry_out`` does it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from holystone.engine.observe import Lists, read_lists
from holystone.operations.bring_back import (
    FAILED,
    LOST,
    NOTHING,
    PULL,
    TAG,
    Entry,
    carry_out,
    moved,
)
from holystone.operations.connect import Session
from holystone.operations.errors import OperationError
from holystone.operations.known_images import keep_names
from holystone.operations.live_host import LiveHost
from holystone.operations.reach import reach_of
from holystone.operations.watching import Watch, unwatched
from holystone.planner.builders import records_of
from holystone.planner.inventory import Image, Inventory
from holystone.planner.lookup import SHORTEST_PREFIX, did_you_mean, find_images
from holystone.planner.verdict import lost
from holystone.store.records import KILLED, REMOVED, UNKNOWN, Removed, RunSummary
from holystone.store.runs import Runs

_LOOKED_AT_FIRST = 50
_NAMED = 8

_WHY_LOST = {
    "container": "a container cannot be pulled: start a new one from its image",
    "volume": "the data of a volume is nowhere else",
    "network": "create it again with docker network create, or by what made it",
    "cache": "the next build that needs it makes it again",
    "builder": "the next build that needs it makes it again",
}
_NEVER_PUSHED = "no registry has it: it was built here and never pushed. Build it again"
_STEP = "it was a build step of {}, which is whole without it"


class RestoreError(OperationError):
    """There is no such run, it is another engine's, or it removed nothing of that name."""


@dataclass(frozen=True, slots=True)
class Restoration:
    """A run, and what came back of it."""

    run: RunSummary
    entries: tuple[Entry, ...]
    seconds: float | None = None
    """How long it took; None for a dry run."""
    interrupted: str = ""
    """Why it ended early; empty where it did not."""

    @property
    def failed(self) -> bool:
        """Whether something failed, or an object that was named cannot come back."""
        return self.seconds is not None and any(
            each.result == FAILED or (each.named and each.action == LOST) for each in self.entries
        )


def restore(
    session: Session,
    run: int | None = None,
    references: Sequence[str] = (),
    *,
    dry_run: bool = False,
    watch: Watch = unwatched,
) -> Restoration:
    """Bring back what a run removed, as far as registries still have it; returns what came back.

    ``run`` is its number, else the latest on this engine that removed an image. ``references``
    leave out all but these. ``dry_run``: pull nothing, only decide. Ctrl-C ends the pulls under
    way, and the result is marked interrupted.

    Raises RestoreError where there is nothing of that kind, EngineError and StoreError.
    """
    store = session.ledger
    inventory = _inventory(session)
    found = resolve(store.runs, inventory, run)
    plan = plan_restore(inventory, store.runs.removed(found.id), references)
    if dry_run:
        return Restoration(found, tuple(plan))
    reach = reach_of(session)
    names = [name for item in plan for name in item.removed.tags + item.removed.digests]
    pulls = {place for place, item in enumerate(plan) if item.action == PULL}
    with store.own_pulls(found.engine, names, reach.now), watch(pulls) as watcher:
        undone = carry_out(plan, reach.puller(), watcher)
    if inventory.engine.store == "classic":
        keep_names(store, found.engine, undone.named, reach.now())
    return Restoration(found, undone.entries, undone.seconds, undone.interrupted)


def _inventory(session: Session) -> Inventory:
    """What the engine's lists tell, and no more.

    Also after a run that was killed, and before any other run looks at the engine.
    """
    if not isinstance(session.host, LiveHost):
        return session.host.observe()
    client = session.host.client
    lists = Lists(client, sizes=False)
    inventory = session.host.identified(read_lists(lists, client.clock.now()))
    session.ledger.settle_open(inventory, lists.begun)
    return inventory


def resolve(runs: Runs, inventory: Inventory, number: int | None) -> RunSummary:
    """The run of this number, or the latest on this engine that removed, or spoilt, an image.

    A repair pulls again what it removes: the latest is none of which every image is here. Raises
    RestoreError, and StoreError.
    """
    engine, key = inventory.engine, inventory.engine.key
    if number is None:
        return _latest(runs, key, inventory)
    run = runs.get(number)
    if run is None:
        raise RestoreError(f"there is no run {number}; `holystone history` lists them")
    if run.engine != key:
        where = f" Reach that one with --host {run.endpoint}." if run.endpoint else ""
        raise RestoreError(
            f"run {number} was made on another engine, {run.engine_name or run.engine}; "
            f"this is {engine.name or engine.id} ({engine.store} store).{where}"
        )
    return run


def _latest(runs: Runs, key: str, inventory: Inventory) -> RunSummary:
    mended: RunSummary | None = None
    for limit in (_LOOKED_AT_FIRST, None):
        listed = runs.list(limit)
        for run in listed:
            took = run.engine == key and [e for e in runs.removed(run.id) if _took_image(e, run)]
            if not took:
                continue
            if run.level != "repair" or any(
                _decide(inventory, each, named=False).action != NOTHING for each in took
            ):
                return run
            mended = mended or run
        if limit is not None and len(listed) < limit:
            break
    if mended is not None:
        return mended
    raise RestoreError(
        "no run on this engine has removed an image; `holystone history` lists the runs"
    )


def _took_image(removed: Removed, run: RunSummary) -> bool:
    """Whether a run took an image, or may have, or one of its references."""
    took = removed.result in (REMOVED, UNKNOWN) or bool(removed.lost)
    return removed.kind == "image" and (took or (not removed.result and run.state == KILLED))


def plan_restore(
    inventory: Inventory, removals: Sequence[Removed], references: Sequence[str] = ()
) -> list[Entry]:
    """What can be done about each object that a run removed, or about those that were asked for.

    ``references`` are tags, digests, repositories, names, or the start of IDs. Raises RestoreError
    for those that mean nothing the run removed.
    """
    gone = [each for each in removals if each.may_lack]
    chosen = _chosen(gone, references) if references else gone
    decided = [_decide(inventory, each, named=bool(references)) for each in chosen]
    return [each for each in decided if _concerns(inventory, each)]


def _concerns(inventory: Inventory, item: Entry) -> bool:
    """Whether any part of an object went, or the user named it."""
    removed = item.removed
    if item.named or removed.result == REMOVED:
        return True
    if removed.kind == "image":
        return removed.result == UNKNOWN or item.action != NOTHING
    ids = {
        "container": {each.id for each in inventory.containers},
        "volume": {each.name for each in inventory.volumes},
        "network": {each.id for each in inventory.networks},
        "cache": {each.id for each in inventory.cache},
        "builder": set(records_of(inventory)),
    }
    return removed.id not in ids[removed.kind]


def _chosen(gone: Sequence[Removed], references: Sequence[str]) -> list[Removed]:
    images = [Image(each.id, each.tags, each.digests) for each in gone if each.kind == "image"]
    others = [each for each in gone if each.kind != "image"]
    wanted: set[tuple[str, str]] = set()
    unknown = []
    hint = ""
    for text in references:
        is_prefix = len(text) >= SHORTEST_PREFIX
        found = {("image", image.id) for image in find_images(images, text)} | {
            (each.kind, each.id)
            for each in others
            if text in (each.id, *each.names) or (is_prefix and each.id.startswith(text))
        }
        wanted |= found
        if not found:
            unknown.append(repr(text))
            hint = hint or did_you_mean([name for each in gone for name in each.names], text)
    if unknown:
        names = [name for each in gone for name in each.tags or each.digests]
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        has = f"; it removed {', '.join(names[:_NAMED])}{more}" if names else ""
        said = f"the run removed nothing called {', '.join(unknown)}{has}"
        raise RestoreError(f"{said}.{hint}" if hint else said)
    return [each for each in gone if (each.kind, each.id) in wanted]


def _decide(inventory: Inventory, removed: Removed, *, named: bool) -> Entry:
    if removed.kind != "image":
        return Entry(removed, LOST, detail=_WHY_LOST[removed.kind], named=named)
    digests = set(removed.digests)
    same = (i for i in inventory.images if i.id == removed.id or not digests.isdisjoint(i.digests))
    here = next(same, None)
    if here is None and not digests:
        why = _STEP.format(removed.step_of) if removed.step_of else _NEVER_PUSHED
        return Entry(removed, LOST, detail=why, named=named)
    if here is None:
        return Entry(removed, PULL, detail=removed.digests[0], named=named)
    # If the engine does not report platforms, a missing one is unknown.
    absent = tuple(p for p in removed.platforms if here.platforms and p not in here.platforms)
    if digests and absent:
        detail = f"it is here, without {', '.join(absent)}"
        return Entry(removed._replace(platforms=absent), PULL, detail=detail, named=named)
    holders = {tag: image.id for image in inventory.images for tag in image.tags}
    missing = [tag for tag in removed.tags if tag not in holders]
    missing += _missing_digests(inventory.engine.store, here, removed)
    gone = [moved(t, holders[t]) for t in removed.tags if holders.get(t, here.id) != here.id]
    detail = f"it is here, without {', '.join(missing)}" if missing else "it is here"
    action = TAG if missing else NOTHING
    return Entry(removed, action, "", "; ".join([detail, *gone]), here.id, named)


def _missing_digests(store: str, here: Image, removed: Removed) -> Sequence[str]:
    """The digests that an image had and has no more, but for those that come with its tags.

    Podman counts those of a manifest otherwise after a pull.
    """
    if store == "podman":
        return ()
    comes = here.digests
    if store == "containerd":
        comes += tuple(f"{tag.rpartition(':')[0]}@{here.id}" for tag in removed.tags)
    return lost(removed.digests, comes)
