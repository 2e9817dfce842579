"""Find images that are damaged, and mend them where a registry can.

Each image is exported as the engine would, and every layer and config held against its digest.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

from holystone.operations.connect import Session
from holystone.operations.digest_check import Damage
from holystone.operations.errors import OperationError
from holystone.operations.live_host import LiveHost
from holystone.operations.mending import Mended, mend
from holystone.operations.reach import Reach, reach_of
from holystone.operations.repair import (
    Group,
    groups,
    held,
    held_by_builds,
    name_of,
    plan_of,
    prepare,
    users_of,
    without_cache,
)
from holystone.operations.verifier import (
    DAMAGED,
    OK,
    Subject,
    Unwatched,
    Verified,
    Watcher,
    batches,
)
from holystone.outside.text import safe
from holystone.planner.inventory import Image, Inventory
from holystone.planner.lookup import did_you_mean, find_images
from holystone.store.lock import HostLock


@dataclass(frozen=True, slots=True)
class Entry:
    """One image, and what was found of it."""

    image: Image
    result: str
    """``ok``, ``damaged`` or ``unchecked``: as it was found, before any repair."""
    damages: tuple[Damage, ...] = ()
    notes: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    """References, or IDs, of other images that hold a damaged layer."""
    containers: tuple[str, ...] = ()
    """Names of the containers made from any of them."""
    repair: str = ""
    """``repaired`` or ``failed``; empty where none was tried."""
    repair_detail: str = ""
    repair_cure: str = ""
    """What to do where it failed: a sentence."""


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
"""Makes what is told how far it is with so many images, of about so many bytes."""


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
    return _Verifying(session, may_take_cache, job, options, progress).run(
        references, repair=repair
    )


class _Verifying:
    """One verification."""

    def __init__(
        self,
        session: Session,
        may_take_cache: MayTakeCache,
        job: str,
        options: Sequence[str],
        progress: Progress,
    ) -> None:
        self.session = session
        self.host = session.host
        self.reach: Reach = reach_of(session)
        self.may_take_cache = may_take_cache
        self.job = job
        self.options = options
        self.progress = progress
        self.bytes_read = 0
        self.store = ""

    def run(self, references: Sequence[str], *, repair: bool) -> Verification:
        began = time.monotonic()
        inventory = self.host.observe()
        self.store = inventory.engine.store
        mended = None
        with self._locked(inventory) if repair else nullcontext():
            chosen = _chosen(inventory, references)
            subjects = self.reach.subjects(inventory.images)
            asked = [each for each in subjects if each.image.id in chosen]
            others = [each for each in subjects if each.image.id not in chosen]
            # Only a repair needs to know for certain which layers other images have in common.
            results = self._verify(asked, others if repair else ())
            if repair and any(told.result == DAMAGED for told in results.values()):
                mended = self._repair(results)
        entries = _entries(inventory, subjects, results, mended)
        seconds = time.monotonic() - began
        interrupted = mended.interrupted if mended else ""
        return Verification(entries, self.bytes_read, seconds, repair, interrupted)

    def _verify(
        self, subjects: Sequence[Subject], beside: Sequence[Subject] = ()
    ) -> dict[str, Verified]:
        total = sum(max(each.weight for each in batch) for batch in batches(subjects))
        with self.progress(len(subjects), total) as watcher:
            verifier = self.reach.verifier(self.store, watcher)
            try:
                return verifier.verify(subjects, beside)
            finally:
                self.bytes_read += verifier.bytes_read

    @contextmanager
    def _locked(self, inventory: Inventory) -> Iterator[None]:
        """Hold the lock of this host. Raises LockHeld."""
        ledger = self.session.ledger
        key = f"{inventory.engine.id}/{self.store}"
        with HostLock(ledger.folder, key, ledger.warn).acquire("verify --repair", job=self.job):
            yield

    def _repair(self, results: Mapping[str, Verified]) -> Mended:
        """Mend what is damaged."""
        # Only now: to the engine an export is a use, and what was used since is left alone.
        self.host.watch()
        inventory = self.host.observe()
        subjects = self.reach.subjects(inventory.images)
        made = groups(results, subjects, inventory, results)
        made = prepare(made, self.host, inventory, self.reach.pullable)
        made = self._with_cache(made, inventory)
        plan = plan_of(made, inventory)
        ledger = self.session.ledger
        run = None
        if plan.steps:
            run = ledger.runs.begin(
                plan,
                inventory,
                endpoint=self.session.endpoint,
                job=self.job,
                options=tuple(self.options),
            )
        images = [subject.image for group in made for subject in group.subjects]
        names = [name for image in images for name in image.tags + image.digests]
        key = f"{inventory.engine.id}/{self.store}"
        with ledger.own_pulls(key, names, self.reach.now):
            mended = mend(made, plan, self.host, self.reach, self._verify, run)
        pinned = {image.id: image.pinned for image in images if image.pinned}
        if self.store == "classic" and isinstance(self.host, LiveHost):
            named = {now: pinned[was] for was, now in mended.back.items() if was in pinned}
            self.host.keep_names(named)
        return mended

    def _with_cache(self, made: Sequence[Group], inventory: Inventory) -> list[Group]:
        """The groups with the build cache records that go along, or with these in the way."""
        if all(group.obstacle for group in made):
            return list(made)
        weighed = self.host.weigh(inventory) if inventory.cache else inventory
        made = held_by_builds(made, weighed, self.reach.that_made)
        records = {record.id: record.size for group in made for record in group.cache}
        others: set[object] = {build for group in made for build in group.builds}
        others |= {
            step.image.id for group in made if not group.obstacle for step in group.build_steps
        }
        count = len(records) + len(others)
        if not count or self.may_take_cache(count, sum(records.values())):
            return list(made)
        return without_cache(made)


def images_meant(images: Sequence[Image], names: Sequence[str]) -> set[str]:
    """The IDs of the images that any of these names means.

    Raises OperationError for a name that means none, with those that are close.
    """
    meant: set[str] = set()
    for text in names:
        found = find_images(images, text)
        if not found:
            near = safe(did_you_mean((tag for image in images for tag in image.tags), text))
            said = f"there is no image {text!r}.{near} `holystone images` lists them."
            raise OperationError(said)
        meant |= {image.id for image in found}
    return meant


def _chosen(inventory: Inventory, references: Sequence[str]) -> Collection[str]:
    """The IDs of the images asked for: all that are not merely a step of a build, by default."""
    if references:
        return images_meant(inventory.images, references)
    # A step of a build is whole where the image above it is.
    parents = {image.parent for image in inventory.images}
    return {i.id for i in inventory.images if i.tags or i.digests or i.id not in parents}


def _entries(
    inventory: Inventory,
    subjects: Sequence[Subject],
    results: Mapping[str, Verified],
    mended: Mended | None,
) -> tuple[Entry, ...]:
    """What is told of each image, the damaged ones first."""
    entries = []
    for subject in subjects:
        image = subject.image
        told = results.get(image.id)
        if told is None:
            continue
        is_damaged = told.result == DAMAGED
        bad = {damage.expected for damage in told.damages if damage.expected}
        also = [
            each.image
            for each in subjects
            if each.image.id != image.id and not bad.isdisjoint(held(each))
        ]
        hit = {image.id, *(each.id for each in also)} if is_damaged else set()
        repaired = mended.repaired.get(image.id) if mended and is_damaged else None
        entries.append(
            Entry(
                image,
                told.result,
                told.damages,
                told.notes,
                tuple(map(name_of, also)),
                tuple(each.name or each.id for each in users_of(inventory.containers, hit)),
                *(repaired or ()),
            )
        )
    return tuple(sorted(entries, key=lambda e: (e.result == OK, e.result, name_of(e.image))))
