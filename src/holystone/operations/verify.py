"""Find damaged images, and repair them from a registry.

Each image is exported from the engine, and every layer and config is compared with its digest.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace

from holystone.operations.connect import Session
from holystone.operations.live_host import LiveHost
from holystone.operations.meant import objects_meant
from holystone.operations.mending import Mended, mend
from holystone.operations.reach import reach_of
from holystone.operations.repair import groups, name_of, plan_of, prepare, users_of
from holystone.operations.verifier import DAMAGED, OK, Entry, Subject, Watcher, batches
from holystone.operations.watching import Unwatched
from holystone.planner.inventory import Inventory
from holystone.store.lock import HostLock


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found of the images, the damaged ones first."""

    entries: tuple[Entry, ...]
    bytes_read: int
    seconds: float
    repairing: bool = False
    interrupted: str = ""
    """Why the repair ended early; empty where it did not."""


MayTakeCache = Callable[[int, int], bool]
"""Whether a repair may remove so many build cache records, of so many bytes, as well."""
Progress = Callable[[int, int], AbstractContextManager[Watcher]]
"""Makes the callbacks for progress with so many images, of about so many bytes."""


def verify(
    session: Session,
    references: Sequence[str] = (),
    *,
    repair: bool = False,
    may_take_cache: MayTakeCache = lambda _records, _size: False,
    job: str = "",
    options: Sequence[str] = (),
    progress: Progress = lambda _images, _size: nullcontext(Unwatched()),
) -> Verification:
    """Verify these images, or all; returns what was found of each.

    ``repair``: remove a damaged image, never by force, and pull it again by digest, where its
    registry has all of it and no container uses it. ``may_take_cache`` is asked where build cache
    holds what is damaged too. ``job`` and ``options`` are kept in the history with the repair.

    Raises OperationError for a name that means no image, LockHeld where another run is under way,
    EngineError, StoreError, and KeyboardInterrupt once all exports have ended.
    """
    began = time.monotonic()
    inventory = session.host.observe()
    work = _Verifying(session, inventory, progress)
    mended = None
    lock: AbstractContextManager[object] = nullcontext()
    if repair:
        ledger = session.ledger
        lock = HostLock(ledger.folder, inventory.engine.lock, ledger.warn).acquire(
            "verify --repair", job=job
        )
    with lock:
        chosen = _chosen(inventory, references)
        subjects = work.reach.subjects(inventory.images)
        asked = [each for each in subjects if each.image.id in chosen]
        others = [each for each in subjects if each.image.id not in chosen]
        # Only a repair needs to know for certain which layers other images have in common.
        results = work.verify(asked, others if repair else ())
        if repair and any(told.result == DAMAGED for told in results.values()):
            mended = work.repair(results, may_take_cache, job, options)
    entries = _entries(inventory, subjects, results, mended)
    seconds = time.monotonic() - began
    interrupted = mended.interrupted if mended else ""
    return Verification(entries, work.bytes_read, seconds, repair, interrupted)


class _Verifying:
    """One verification."""

    def __init__(self, session: Session, inventory: Inventory, progress: Progress) -> None:
        self.session = session
        self.host = session.host
        self.reach = reach_of(session)
        self.store = inventory.engine.store
        self.key = inventory.engine.key
        self.progress = progress
        self.bytes_read = 0

    def verify(
        self, subjects: Sequence[Subject], beside: Sequence[Subject] = ()
    ) -> dict[str, Entry]:
        total = sum(max(each.weight for each in batch) for batch in batches(subjects))
        with self.progress(len(subjects), total) as watcher:
            results, size = self.reach.verify(self.store, watcher, subjects, beside)
        self.bytes_read += size
        return results

    def repair(
        self,
        results: Mapping[str, Entry],
        may_take_cache: MayTakeCache,
        job: str,
        options: Sequence[str],
    ) -> Mended:
        """Mend what is damaged."""
        # Only now: to the engine an export is a use, and what was used since is left alone.
        self.host.watch()
        inventory = self.host.observe()
        made = groups(results, self.reach.subjects(inventory.images), inventory)
        made = prepare(made, self.host, self.reach, inventory, may_take_cache)
        plan = plan_of(made, inventory)
        ledger = self.session.ledger
        run = None
        if plan.steps:
            where = self.session.endpoint
            run = ledger.runs.begin(
                plan, inventory, endpoint=where, job=job, options=tuple(options)
            )
        images = [subject.image for group in made for subject in group.subjects]
        names = [name for image in images for name in image.tags + image.digests]
        with ledger.own_pulls(self.key, names, self.reach.now):
            mended = mend(made, plan, self.host, self.reach, self.verify, run)
        pinned = {image.id: image.pinned for image in images if image.pinned}
        if self.store == "classic" and isinstance(self.host, LiveHost):
            named = {now: pinned[was] for was, now in mended.back.items() if was in pinned}
            self.host.keep_names(named)
        return mended


def _chosen(inventory: Inventory, references: Sequence[str]) -> Collection[str]:
    """The IDs of the images asked for: all that are not merely a step of a build, by default."""
    if references:
        return objects_meant(inventory, "image", references)
    # A step of a build is whole where the image above it is.
    parents = {image.parent for image in inventory.images}
    return {i.id for i in inventory.images if i.tags or i.digests or i.id not in parents}


def _entries(
    inventory: Inventory,
    subjects: Sequence[Subject],
    results: Mapping[str, Entry],
    mended: Mended | None,
) -> tuple[Entry, ...]:
    """The result of each image, the damaged ones first."""
    entries = []
    for told in results.values():
        if told.result == DAMAGED:
            bad = {damage.expected for damage in told.damages if damage.expected}
            also = [
                each.image
                for each in subjects
                if each.image.id != told.image.id and not bad.isdisjoint(each.parts)
            ]
            users = users_of(inventory.containers, {told.image.id, *(each.id for each in also)})
            repaired = mended.repaired.get(told.image.id) if mended else None
            told = replace(  # noqa: PLW2901 - the same with all that is known
                told,
                also=tuple(map(name_of, also)),
                containers=tuple(each.name or each.id for each in users),
                **(repaired._asdict() if repaired else {}),
            )
        entries.append(told)
    return tuple(sorted(entries, key=lambda e: (e.result == OK, e.result, name_of(e.image))))
