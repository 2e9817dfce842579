"""Undoing a run: its images are pulled again by digest and get their tags back.

``resolve`` finds the run, ``plan_restore`` decides for each object it removed what can be done, and
``carry_out`` does it.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from holystone.core.inventory import Engine, Image, Inventory
from holystone.core.lookup import SHORTEST_PREFIX, find_images
from holystone.engine.credentials import CredentialsError
from holystone.engine.errors import EngineError
from holystone.engine.pulling import Images, PullCancelled, PullFailed
from holystone.ledger.records import REMOVED, Removed, RunSummary
from holystone.ledger.runs import Runs
from holystone.upkeep.side_by_side import INTERRUPTED, side_by_side

PULL = "pull"
TAG = "tag"
NOTHING = "nothing"
LOST = "lost"
"""What can be done: pull the image, put tags back on one that is here, nothing as it is here, or
nothing as nothing can give it back."""

RESTORED = "restored"
PRESENT = "present"
FAILED = "failed"
"""How that ended; ``LOST`` stays what it is."""

PULLS_AT_A_TIME = 2
_LOOKED_AT_FIRST = 50
_NAMED = 8

_WHY_LOST = {
    "container": "a container cannot be pulled: start a new one from its image",
    "volume": "the data of a volume is nowhere else",
    "network": "create it again with docker network create, or by what made it",
    "cache": "the next build that needs it makes it again",
}
_NEVER_PUSHED = "no registry has it: it was built here and never pushed. Build it again"


class RestoreError(Exception):
    """There is no such run, it is another engine's, or it removed nothing of that name."""


class Restoring(NamedTuple):
    """One removed object, what can be done about it, and why or how."""

    removed: Removed
    action: str
    detail: str = ""
    image_id: str = ""
    """The ID of the image that is here already."""
    named: bool = False
    """Whether the user asked for just this one."""


class Restored(NamedTuple):
    """How the restoring of one object ended: ``restored``, ``present``, ``failed``, ``lost``."""

    result: str
    detail: str = ""
    image_id: str = ""
    """The ID it has now; empty where it is not here."""


class Undone(NamedTuple):
    """What became of everything, in the order of the plan."""

    results: tuple[Restored, ...]
    seconds: float
    interrupted: str = ""
    named: Mapping[str, Sequence[str]] = {}
    """The digests that name images which came back and had no tag, by ID."""

    @property
    def counts(self) -> Counter[str]:
        """How many ended in each way."""
        return Counter(each.result for each in self.results)


def resolve(runs: Runs, engine: Engine, number: int | None) -> RunSummary:
    """The run of this number, or the latest on this engine that removed an image.

    Raises RestoreError, and LedgerError.
    """
    key = f"{engine.id}/{engine.store}"
    if number is None:
        return _latest(runs, key)
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


def _latest(runs: Runs, key: str) -> RunSummary:
    for limit in (_LOOKED_AT_FIRST, None):
        listed = runs.list(limit)
        for run in listed:
            if run.engine == key and run.removed and any(map(_is_image, runs.removed(run.id))):
                return run
        if limit is not None and len(listed) < limit:
            break
    raise RestoreError(
        "no run on this engine has removed an image; `holystone history` lists the runs"
    )


def _is_image(removed: Removed) -> bool:
    return removed.kind == "image" and removed.result == REMOVED


def plan_restore(
    inventory: Inventory, removals: Sequence[Removed], references: Sequence[str] = ()
) -> list[Restoring]:
    """What can be done about each object that a run removed, or about those that were asked for.

    ``references`` are tags, digests, repositories, names, or the start of IDs. Raises RestoreError
    for those that mean nothing the run removed.
    """
    # A run that was killed may not have told of its last removals: what is gone of them, went.
    gone = [each for each in removals if _is_gone(each)]
    chosen = _chosen(gone, references) if references else gone
    return [_decide(inventory, each, named=bool(references)) for each in chosen]


def _is_gone(removed: Removed) -> bool:
    return removed.result == REMOVED or (not removed.result and removed.kind == "image")


def _chosen(gone: Sequence[Removed], references: Sequence[str]) -> list[Removed]:
    images = [Image(each.id, each.tags, each.digests) for each in gone if each.kind == "image"]
    wanted: set[tuple[str, str]] = set()
    unknown = []
    for text in references:
        found = {("image", image.id) for image in find_images(images, text)}
        found |= {(each.kind, each.id) for each in gone if _is_called(each, text)}
        wanted |= found
        if not found:
            unknown.append(repr(text))
    if unknown:
        names = [name for each in gone for name in each.tags or each.digests]
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        has = f"; it removed {', '.join(names[:_NAMED])}{more}" if names else ""
        raise RestoreError(f"the run removed nothing called {', '.join(unknown)}{has}")
    return [each for each in gone if (each.kind, each.id) in wanted]


def _is_called(removed: Removed, text: str) -> bool:
    if removed.kind == "image":
        return False
    return (
        text == removed.id
        or text in removed.names
        or (len(text) >= SHORTEST_PREFIX and removed.id.startswith(text))
    )


def _decide(inventory: Inventory, removed: Removed, *, named: bool) -> Restoring:
    if removed.kind != "image":
        return Restoring(removed, LOST, _WHY_LOST[removed.kind], named=named)
    here = _same_image(inventory, removed)
    if here is not None and removed.digests and (absent := _missing(here, removed)):
        detail = f"it is here, without {', '.join(absent)}"
        return Restoring(removed._replace(platforms=absent), PULL, detail, named=named)
    if here is not None:
        holders = {tag: image.id for image in inventory.images for tag in image.tags}
        missing = [tag for tag in removed.tags if tag not in holders]
        moved = [_moved(t, holders[t]) for t in removed.tags if holders.get(t, here.id) != here.id]
        detail = f"it is here, without {', '.join(missing)}" if missing else "it is here"
        action = TAG if missing else NOTHING
        return Restoring(removed, action, "; ".join([detail, *moved]), here.id, named)
    if not removed.digests:
        return Restoring(removed, LOST, _NEVER_PUSHED, named=named)
    return Restoring(removed, PULL, removed.digests[0], named=named)


def _same_image(inventory: Inventory, removed: Removed) -> Image | None:
    for image in inventory.images:
        if image.id == removed.id or not set(removed.digests).isdisjoint(image.digests):
            return image
    return None


def _missing(here: Image, removed: Removed) -> tuple[str, ...]:
    """The platforms that an image had and has no more; none where the engine does not tell."""
    if not here.platforms:
        return ()
    return tuple(each for each in removed.platforms if each not in here.platforms)


class Watcher(Protocol):
    """Is told how far the pulls are. Called from several threads."""

    def moved(self, place: int, come: int, size: int) -> None:
        """Of the object at this place so many bytes have come, of those known of so far."""

    def settled(self, place: int) -> None:
        """The object at this place is done with."""


def carry_out(plan: Sequence[Restoring], puller: Images, watcher: Watcher) -> Undone:
    """Do what the plan says, two pulls at a time. Ctrl-C ends the pulls under way.

    What fails is told in the results, and the rest is done.
    """
    work = _Work(plan, puller, watcher)
    began = time.monotonic()
    interrupted = work.run()
    return Undone(tuple(work.results), time.monotonic() - began, interrupted, work.named)


class _Work:
    """The plan, and what has become of it."""

    def __init__(self, plan: Sequence[Restoring], puller: Images, watcher: Watcher) -> None:
        self.plan = plan
        self.puller = puller
        self.watcher = watcher
        self.results = [Restored(FAILED, f"not tried: {INTERRUPTED}")] * len(plan)
        self.named: dict[str, Sequence[str]] = {}
        """See ``Undone.named``."""
        self.not_unpacked: dict[int, str] = {}
        """Why images that came could not be unpacked, by their place."""

    def run(self) -> str:
        """Work until all is done; why it ended before, else an empty text."""
        return side_by_side(
            len(self.plan), self._settle, parallel=PULLS_AT_A_TIME, cancel=self.puller.cancel
        )

    def _settle(self, place: int) -> None:
        self.results[place] = self._restore(place)
        self.watcher.settled(place)

    def _restore(self, place: int) -> Restored:
        item = self.plan[place]
        if item.action == LOST:
            return Restored(LOST, item.detail)
        if item.action == NOTHING:
            return Restored(PRESENT, item.detail, item.image_id)
        faults: dict[str, str] = {}
        try:
            image_id = item.image_id or self._pull_all(place, item.removed, faults)
            notes = [self._name(item.removed, image_id), self.not_unpacked.get(place, "")]
            detail = "; ".join(filter(None, notes))
        except PullCancelled:
            return Restored(FAILED, INTERRUPTED)
        except (PullFailed, CredentialsError, EngineError) as error:
            return Restored(FAILED, str(error))
        if faults:
            lacks = "; ".join(f"{each} did not come back: {said}" for each, said in faults.items())
            return Restored(FAILED, "; ".join(filter(None, [lacks, detail])), image_id)
        return Restored(RESTORED, detail, image_id)

    def _pull_all(self, place: int, removed: Removed, faults: dict[str, str]) -> str:
        """Pull each platform that was here; answers the image's ID.

        ``faults`` gets those that no registry gives, where one came.
        """
        image_id = ""
        for platform in removed.platforms or ("",):
            try:
                image_id = self._pull(place, removed, platform)
            except (PullFailed, CredentialsError) as error:
                faults[platform] = str(error)
        if not image_id:
            raise PullFailed("; ".join(dict.fromkeys(faults.values())))
        return image_id

    def _pull(self, place: int, removed: Removed, platform: str) -> str:
        """Pull by the first digest that a registry still has; answers the image's ID."""
        faults = []

        def moved(come: int, size: int) -> None:
            self.watcher.moved(place, come, size)

        for reference in removed.digests:
            try:
                image_id = self.puller.pull(reference, moved, platform=platform)
            except PullFailed as error:
                # The containerd store has what it could not unpack, as most artifacts.
                came = self.puller.image_id(reference) if "unpack" in str(error) else None
                if came is None:
                    faults.append(str(error))
                    continue
                image_id, self.not_unpacked[place] = came, f"it is not unpacked: {error}"
            except CredentialsError as error:
                faults.append(str(error))
                continue
            if not removed.tags:
                self.named[image_id] = (reference,)
            return image_id
        raise PullFailed("; ".join(dict.fromkeys(faults)))

    def _name(self, removed: Removed, image_id: str) -> str:
        """Put its tags back; tells what is otherwise than it was."""
        told = []
        if image_id != removed.id:
            told.append(
                f"its ID was {_short(removed.id)} and is {_short(image_id)} now: "
                "the digest stands for another image on this engine"
            )
        holders = ((tag, self.puller.tag(image_id, tag)) for tag in removed.tags)
        told += [_moved(tag, holder) for tag, holder in holders if holder]
        return "; ".join(told)


def _moved(tag: str, holder: str) -> str:
    return f"{tag} is another image by now ({_short(holder)}) and stays that"


def _short(image_id: str) -> str:
    return image_id.removeprefix("sha256:")[:12]
