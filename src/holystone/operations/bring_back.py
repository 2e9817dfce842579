"""Bring removed images back: pull them by digest, name them as they were, and look once more.

An engine that stood still when it was asked for a removal may make it after the image was seen to
be there. So images whose removal got no answer are looked at again in the end.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from holystone.engine.errors import EngineError
from holystone.operations.watching import Watcher
from holystone.operations.workers import INTERRUPTED, side_by_side
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
        self.plan = list(plan)
        self.puller = puller
        self.watcher = watcher
        self.results = [Restored(FAILED, f"not tried: {INTERRUPTED}")] * len(plan)
        self.named: dict[str, Sequence[str]] = {}
        """See ``Undone.named``."""
        self.not_unpacked: dict[int, str] = {}
        """Why images that came could not be unpacked, by their place."""
        self.not_given: dict[int, dict[str, str]] = {}
        """The digests that no registry gives, and why, by the place of their image."""

    def run(self) -> str:
        """Work until all is done; why it ended before, else an empty text."""
        interrupted = self._do(range(len(self.plan)))
        for _ in range(_MOST_LOOKS):
            if interrupted:
                break
            try:
                lacking = self._lacking()
            except KeyboardInterrupt:
                return INTERRUPTED
            if not lacking:
                break
            interrupted = self._do(lacking)
        return interrupted

    def _do(self, places: Sequence[int]) -> str:
        return side_by_side(
            len(places),
            lambda number: self._settle(places[number]),
            parallel=PULLS_AT_A_TIME,
            cancel=self.puller.cancel,
        )

    def _lacking(self) -> list[int]:
        """The places of images that went, or lost a reference, after they were seen to be whole."""
        unsure = [
            place
            for place, item in enumerate(self.plan)
            if item.removed.unanswered and (self.results[place].image_id or item.image_id)
        ]
        if not unsure:
            return []
        time.sleep(_LATE)
        return [place for place in unsure if self._lacks(place)]

    def _lacks(self, place: int) -> bool:
        removed = self.plan[place].removed
        image_id = self.results[place].image_id or self.plan[place].image_id
        try:
            here = self.puller.references(image_id)
            if here is None:
                self.plan[place] = self.plan[place]._replace(action=PULL, image_id="")
                return bool(removed.digests)
            digests = self._missing_digests(place, here)
            tags = [t for t in removed.tags if t not in here and self.puller.image_id(t) is None]
        except EngineError:
            return True  # An engine in the middle of a removal answers with all kinds of errors.
        if digests or tags:
            self.plan[place] = self.plan[place]._replace(action=TAG, image_id=image_id)
        return bool(digests or tags)

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
            before = self.puller.references(image_id) if item.image_id else set()
            said = self._name(item.removed, image_id)
            after = self._pull_digests(place, image_id)
        except PullCancelled:
            return Restored(FAILED, INTERRUPTED)
        except (PullFailed, CredentialsError, EngineError) as error:
            return Restored(FAILED, str(error))
        without = [f"without {name}: {why}" for name, why in self.not_given.get(place, {}).items()]
        detail = "; ".join(filter(None, [said, self.not_unpacked.get(place, ""), *without]))
        if faults:
            lacks = "; ".join(f"{each} did not come back: {said}" for each, said in faults.items())
            return Restored(FAILED, "; ".join(filter(None, [lacks, detail])), image_id)
        if item.image_id and before == after:
            return Restored(PRESENT, detail, image_id)
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
        faults: dict[str, str] = {}

        def moved(come: int, size: int) -> None:
            self.watcher.moved(place, come, size)

        for reference in removed.digests:
            try:
                image_id = self.puller.pull(reference, moved, platform=platform)
            except PullFailed as error:
                # The containerd store has what it could not unpack, as most artifacts.
                came = self.puller.image_id(reference) if "unpack" in str(error) else None
                if came is None:
                    faults[reference] = str(error)
                    continue
                image_id, self.not_unpacked[place] = came, f"it is not unpacked: {error}"
            except CredentialsError as error:
                faults[reference] = str(error)
                continue
            if not removed.tags:
                self.named[image_id] = (reference,)
            self.not_given[place] = faults
            return image_id
        raise PullFailed("; ".join(dict.fromkeys(faults.values())))

    def _pull_digests(self, place: int, image_id: str) -> set[str] | None:
        """Pull an image that is here by the digests it lacks: its layers are here, its name comes.

        Answers its references by then; what no registry gives is noted.
        """
        removed = self.plan[place].removed
        here = self.puller.references(image_id)
        for reference in self._missing_digests(place, here) if here is not None else ():
            try:
                self.puller.pull(reference, lambda come, size: None)  # noqa: ARG005
            except (PullFailed, CredentialsError) as error:
                self.not_given.setdefault(place, {})[reference] = str(error)
                continue
            here = {*(here or ()), reference}
            if not removed.tags:
                self.named[image_id] = (*self.named.get(image_id, ()), reference)
        return here

    def _missing_digests(self, place: int, here: set[str]) -> list[str]:
        """The digests that an image had and lacks; Podman counts those of a manifest otherwise."""
        if not self.puller.keeps_digests:
            return []
        given = self.not_given.get(place, {})
        had = self.plan[place].removed.digests
        return [each for each in had if each not in here and each not in given]

    def _name(self, removed: Removed, image_id: str) -> str:
        """Put its tags back; tells what is otherwise than it was."""
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
