"""Bring removed images back: pull them by digest, restore their names, and look once more.

An engine that was stopped during a request can carry out the removal late, after a look has found
the image. So the run checks images whose removal got no answer again at its end.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from holystone.engine.errors import EngineError
from holystone.operations.watching import Watcher
from holystone.operations.workers import INTERRUPTED, NOT_TRIED, side_by_side
from holystone.registry.credentials import CredentialsError
from holystone.registry.pull import Images, PullCancelled, PullFailed
from holystone.store.records import Removed

PULL = "pull"
TAG = "tag"
NOTHING = "nothing"
LOST = "lost"
"""What can be done: pull the image, put references back on one that is here, nothing as it is here,
or nothing as nothing can give it back."""

RESTORED = "restored"
PRESENT = "present"
FAILED = "failed"
"""How that ended; ``LOST`` stays what it is."""

PULLS_AT_A_TIME = 2
_LATE = 1.0
"""Seconds before images whose removal got no answer are looked at again."""
_MOST_LOOKS = 3


@dataclass(frozen=True, slots=True)
class Entry:
    """One object that a run removed, and what became or would become of it."""

    removed: Removed
    action: str
    """``pull``, ``tag``, ``nothing`` or ``lost``."""
    result: str = ""
    """``restored``, ``present``, ``failed`` or ``lost``; empty in a dry run."""
    detail: str = ""
    image_id: str = ""
    """The ID an image has now; empty where it is not here."""
    named: bool = False
    """Whether the caller asked for just this one."""

    @property
    def is_here(self) -> bool:
        """Whether all of it is here in the end."""
        return self.result in (RESTORED, PRESENT)


class Undone(NamedTuple):
    """The results, in the order of the plan."""

    entries: tuple[Entry, ...]
    seconds: float
    interrupted: str
    named: Mapping[str, Sequence[str]]
    """The digests that name images which came back and had no tag, by ID."""


def carry_out(plan: Sequence[Entry], puller: Images, watcher: Watcher) -> Undone:
    """Do what the plan says, two pulls at a time. Ctrl-C ends the pulls under way.

    The entries name what failed; the rest is done.
    """
    began = time.monotonic()
    named: dict[str, Sequence[str]] = {}
    work = [_Work(each, place, puller, watcher, named) for place, each in enumerate(plan)]
    interrupted = _do(work, puller)
    for _ in range(_MOST_LOOKS):
        if interrupted:
            break
        try:
            lacking = _lacking(work)
        except KeyboardInterrupt:
            interrupted = INTERRUPTED
        else:
            if not lacking:
                break
            interrupted = _do(lacking, puller)
    done = tuple(each.done for each in work)
    return Undone(done, time.monotonic() - began, interrupted, named)


def _do(work: Sequence[_Work], puller: Images) -> str:
    """Carry these out; why that ended before, else an empty text."""
    return side_by_side(
        len(work), lambda at: work[at].do(), parallel=PULLS_AT_A_TIME, cancel=puller.cancel
    )


def _lacking(work: Sequence[_Work]) -> list[_Work]:
    """The images that went, or lost a reference, after they were seen to be whole."""
    unsure = [
        each
        for each in work
        if each.item.removed.unanswered and (each.done.image_id or each.image_id)
    ]
    if unsure:
        time.sleep(_LATE)
    return [each for each in unsure if each.lacks()]


class _Work:
    """One object, what is to be done about it, and what has become of it."""

    def __init__(
        self,
        item: Entry,
        place: int,
        puller: Images,
        watcher: Watcher,
        named: dict[str, Sequence[str]],
    ) -> None:
        self.item = item
        self.place = place
        self.puller = puller
        self.watcher = watcher
        self.action = item.action
        self.image_id = item.image_id
        """The ID of the image that is here; empty where it has to be pulled."""
        self.done = replace(item, result=FAILED, detail=f"{NOT_TRIED}: {INTERRUPTED}", image_id="")
        self.named = named
        """See ``Undone.named``."""
        self.not_unpacked = ""
        """Why an image that came could not be unpacked."""
        self.not_given: dict[str, str] = {}
        """The digests that no registry gives, and why."""

    def lacks(self) -> bool:
        """Whether there is something to be done after all."""
        removed = self.item.removed
        image_id = self.done.image_id or self.image_id
        try:
            here = self.puller.references(image_id)
            if here is None:
                self.action, self.image_id = PULL, ""
                return bool(removed.digests)
            lacking = self._missing_digests(here)
            tags = [each for each in removed.tags if each not in here]
            lacking += [each for each in tags if self.puller.image_id(each) is None]
        except EngineError:
            return True  # An engine in the middle of a removal answers with all kinds of errors.
        if lacking:
            self.action, self.image_id = TAG, image_id
        return bool(lacking)

    def do(self) -> None:
        result, detail, image_id = self._restore()
        self.done = replace(self.item, result=result, detail=detail, image_id=image_id)
        self.watcher.settled(self.place)

    def _restore(self) -> tuple[str, str, str]:
        """How it ended, why or how, and the ID of the image that is here then."""
        if self.action == LOST:
            return LOST, self.item.detail, ""
        if self.action == NOTHING:
            return PRESENT, self.item.detail, self.image_id
        faults: dict[str, str] = {}
        try:
            image_id = self.image_id or self._pull_all(faults)
            before = self.puller.references(image_id) if self.image_id else set()
            said = self._name(image_id)
            after = self._pull_digests(image_id)
        except PullCancelled:
            return FAILED, INTERRUPTED, ""
        except (CredentialsError, EngineError) as error:
            return FAILED, str(error), ""
        without = [f"without {name}: {why}" for name, why in self.not_given.items()]
        lacks = [f"{each} did not come back: {why}" for each, why in faults.items()]
        told = ["; ".join(lacks), said, self.not_unpacked, *without]
        unchanged = self.image_id and before == after
        result = FAILED if faults else PRESENT if unchanged else RESTORED
        return result, "; ".join(filter(None, told)), image_id

    def _pull_all(self, faults: dict[str, str]) -> str:
        """Pull each platform that was here; answers the image's ID.

        ``faults`` gets those that no registry gives, where one came.
        """
        image_id = ""
        for platform in self.item.removed.platforms or ("",):
            try:
                image_id = self._pull(platform)
            except (PullFailed, CredentialsError) as error:
                faults[platform] = str(error)
        if not image_id:
            raise PullFailed("; ".join(dict.fromkeys(faults.values())))
        return image_id

    def _pull(self, platform: str) -> str:
        """Pull by the first digest that a registry still has; answers the image's ID."""
        faults: dict[str, str] = {}
        for reference in self.item.removed.digests:
            try:
                image_id = self.puller.pull(
                    reference,
                    lambda come, size: self.watcher.moved(self.place, come, size),
                    platform=platform,
                )
            except PullFailed as error:
                # The containerd store has what it could not unpack, as most artifacts.
                came = self.puller.image_id(reference) if "unpack" in str(error) else None
                if came is None:
                    faults[reference] = str(error)
                    continue
                image_id, self.not_unpacked = came, f"it is not unpacked: {error}"
            except CredentialsError as error:
                faults[reference] = str(error)
                continue
            if not self.item.removed.tags:
                self.named[image_id] = (reference,)
            self.not_given = faults
            return image_id
        raise PullFailed("; ".join(dict.fromkeys(faults.values())))

    def _pull_digests(self, image_id: str) -> set[str] | None:
        """Pull an image that is here by the digests it lacks: its layers are here, its name comes.

        Answers its references by then; what no registry gives is noted.
        """
        here = self.puller.references(image_id)
        for reference in self._missing_digests(here) if here is not None else ():
            try:
                self.puller.pull(reference, lambda come, size: None)  # noqa: ARG005
            except (PullFailed, CredentialsError) as error:
                self.not_given[reference] = str(error)
                continue
            here = {*(here or ()), reference}
            if not self.item.removed.tags:
                self.named[image_id] = (*self.named.get(image_id, ()), reference)
        return here

    def _missing_digests(self, here: set[str]) -> list[str]:
        """The digests that an image had and lacks; Podman counts those of a manifest otherwise."""
        had = self.item.removed.digests if self.puller.keeps_digests else ()
        return [each for each in had if each not in here and each not in self.not_given]

    def _name(self, image_id: str) -> str:
        """Put its tags back; tells what is otherwise than it was."""
        removed = self.item.removed
        told = []
        if image_id != removed.id:
            told.append(
                f"its ID was {short(removed.id)} and is {short(image_id)} now: "
                "the digest stands for another image on this engine"
            )
        holders = ((tag, self.puller.tag(image_id, tag)) for tag in removed.tags)
        told += [moved(tag, holder) for tag, holder in holders if holder]
        return "; ".join(told)


def moved(tag: str, holder: str) -> str:
    """That a tag has gone to another image, in words."""
    return f"{tag} is another image by now ({short(holder)}) and stays that"


def short(image_id: str) -> str:
    """An image's ID as people write it."""
    return image_id.removeprefix("sha256:")[:12]
