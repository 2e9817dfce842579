"""Carry out a repair: remove build cache and images, pull the images again and verify them.

A repair must not end with fewer images than before. Each image that was removed, or may have been,
is pulled again, also after other errors. A failed pull is tried again. If an image lost a tag
before its removal was refused, the tag is put back. The history lists a missing image as removed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from holystone.engine.errors import EngineError
from holystone.engine.host import ALREADY_GONE, FAILED, REMOVED, UNKNOWN, Host, Removal
from holystone.operations import bring_back
from holystone.operations.bring_back import PULL, carry_out
from holystone.operations.reach import Reach
from holystone.operations.repair import Group, name_of
from holystone.operations.verifier import OK, Entry, Subject
from holystone.operations.watching import Unwatched
from holystone.operations.workers import INTERRUPTED
from holystone.planner.inventory import Image
from holystone.planner.verdict import Plan
from holystone.store.records import Removed
from holystone.store.run import Run

REPAIRED = "repaired"
_MAY_BE_GONE = (REMOVED, UNKNOWN)
_PAUSES = (1.0, 4.0)
"""Seconds before each further try of pulls that failed: a registry or an engine may be starting."""
_CACHE_CURE = (
    "Remove all of the build cache (docker builder prune --all) and repair again: some of it holds "
    "what is damaged."
)
_Key = tuple[str, str]
"""Kind and ID of an object."""


class Repaired(NamedTuple):
    """How the mending of one image ended."""

    repair: str
    repair_detail: str
    repair_cure: str = ""


class Mended(NamedTuple):
    """The results of a repair."""

    repaired: dict[str, Repaired]
    """By the ID of the image as it was."""
    interrupted: str
    back: Mapping[str, str]
    """The IDs of the images that came back, by those they had."""


def mend(
    made: Sequence[Group],
    plan: Plan,
    host: Host,
    reach: Reach,
    verify: Callable[[Sequence[Subject]], Mapping[str, Entry]],
    run: Run | None,
) -> Mended:
    """Remove, pull, tag and verify again the groups that have no obstacle.

    Ctrl-C ends the removals, and once more the pulls; the ledger knows what is missing then.
    """
    return _Mending(made, plan, host, reach, run).mend(verify)


class _Mending:
    """One repair."""

    def __init__(
        self, made: Sequence[Group], plan: Plan, host: Host, reach: Reach, run: Run | None
    ) -> None:
        self.made = made
        self.steps = {(step.kind, step.id): step for step in plan.steps}
        self.host = host
        self.reach = reach
        self.puller = reach.puller()
        self.run = run
        self.removals: dict[_Key, Removal] = {}
        self.stuck: dict[int, str] = {}
        """Why groups were not removed in whole, by their place."""
        self.interrupted = ""

    def mend(self, verify: Callable[[Sequence[Subject]], Mapping[str, Entry]]) -> Mended:
        able = [place for place, group in enumerate(self.made) if not group.obstacle]
        for group in self.made:
            for each in group.subjects if group.obstacle else ():
                self._settle(("image", each.image.id), Removal(FAILED, group.obstacle))
        try:
            for place in able:
                self.stuck[place] = self._remove(self.made[place])
        except KeyboardInterrupt:
            self.interrupted = INTERRUPTED
        except EngineError as error:
            self.stuck = dict.fromkeys(able, str(error))
        self._look()
        # From here on ``holystone restore`` can bring back what was removed, should this be killed.
        self._end()
        gone = [e for g in self.made for e in g.subjects if self._result(e) in _MAY_BE_GONE]
        back = dict(zip((each.image.id for each in gone), self._pull(gone), strict=True))
        self._put_tags_back()
        ids = {i: done.image_id for i, done in back.items() if done.is_here}
        again = [
            each._replace(image=each.image._replace(id=ids[each.image.id]))
            for each in gone
            if each.image.id in ids
        ]
        for i, done in back.items():
            if not done.is_here:
                removal = self.removals["image", i]
                detail = f"not pulled again: {done.detail}"
                self._settle(("image", i), removal._replace(detail=detail))
        self._end()
        looked = {} if self.interrupted else verify(again)
        whole = {was for was, now in ids.items() if now in looked and looked[now].result == OK}
        repaired = {
            each.image.id: self._told(place, group, back.get(each.image.id), whole)
            for place, group in enumerate(self.made)
            for each in group.subjects
        }
        return Mended(repaired, self.interrupted, ids)

    def _result(self, subject: Subject) -> str:
        removal = self.removals.get(("image", subject.image.id))
        return removal.result if removal else ""

    def _remove(self, group: Group) -> str:
        """Remove a group: its build cache records, then its images, until one stays.

        Answers why one stayed, else an empty text.
        """
        if group.builds:
            self.reach.forget_builds(group.builds)
        records: list[_Key] = [("cache", record.id) for record in group.cache]
        left = [self.steps[key] for key in records if key not in self.removals]
        for step, removal in zip(left, self.host.remove_cache(left) if left else [], strict=True):
            self._settle((step.kind, step.id), removal)
        for key in records:
            removal = self.removals[key]
            if removal.result != REMOVED and removal.detail != ALREADY_GONE:
                return f"build cache that holds what is damaged stayed: {removal.detail}"
        # What was made from a step of a build goes before it.
        for subject in group.subjects + group.build_steps:
            key = ("image", subject.image.id)
            # Until more is known: it is pulled again also where something comes between.
            self.removals[key] = Removal(UNKNOWN)
            if self.run is not None:
                self.run.ask([key])
            removal = self.host.remove(self.steps[key])
            self._settle(key, removal)
            if removal.result != REMOVED:
                return f"{name_of(subject.image)} could not be removed: {removal.detail}"
        return ""

    def _settle(self, key: _Key, removal: Removal) -> None:
        self.removals[key] = removal
        if self.run is not None:
            self.run.settle(*key, removal.result, removal.detail, removal.lost)

    def _look(self) -> None:
        """Settle what got no answer by what is there now, where the engine answers again."""
        unknown = {key: told for key, told in self.removals.items() if told.result == UNKNOWN}
        if not unknown:
            return
        try:
            looked = self.host.look([self.steps[key] for key in unknown], list(unknown.values()))
        except KeyboardInterrupt:
            self.interrupted = INTERRUPTED
            return
        for key, removal in zip(unknown, looked, strict=True):
            self._settle(key, removal)

    def _end(self) -> None:
        """Close the run, by what is known so far."""
        if self.run is None:
            return
        results = [removal.result for removal in self.removals.values()]
        removed, failed = results.count(REMOVED), results.count(FAILED)
        unknown = results.count(UNKNOWN)
        self.run.end(
            freed_bytes=0,
            freed={key: 0 for key, told in self.removals.items() if told.result == REMOVED},
            removed=removed,
            skipped=len(results) - removed - failed - unknown,
            failed=failed,
            unknown=unknown,
            interrupted=self.interrupted,
        )

    def _pull(self, gone: Sequence[Subject]) -> list[bring_back.Entry]:
        """Pull these images again; those that fail a few times more."""
        todo = [_to_pull(each.image, self._result(each)) for each in gone]
        undone = carry_out(todo, self.puller, Unwatched())
        done = list(undone.entries)
        stopped = undone.interrupted
        for pause in _PAUSES:
            missing = [at for at, each in enumerate(done) if not each.is_here]
            if not missing or stopped:
                break
            try:
                time.sleep(pause)
            except KeyboardInterrupt:
                stopped = INTERRUPTED
                break
            undone = carry_out([todo[at] for at in missing], self.puller, Unwatched())
            stopped = undone.interrupted
            for at, each in zip(missing, undone.entries, strict=True):
                done[at] = each
        self.interrupted = stopped or self.interrupted
        return done

    def _put_tags_back(self) -> None:
        """Give images that stayed the tags that they lost before the last one was refused."""
        for group in self.made:
            for each in group.subjects if not group.obstacle else ():
                if self._result(each) in ("", *_MAY_BE_GONE):
                    continue
                for tag in each.image.tags:
                    with suppress(EngineError):
                        self.puller.tag(each.image.id, tag)

    def _told(
        self, place: int, group: Group, done: bring_back.Entry | None, whole: set[str]
    ) -> Repaired:
        """How the mending of one image ended; ``done`` is how it was pulled, if it was."""
        if group.obstacle:
            return Repaired(FAILED, group.obstacle, group.cure)
        stuck = self.stuck.get(place, "")
        if done is None:
            return Repaired(FAILED, stuck or INTERRUPTED, "Repair again.")
        if done.removed.id in whole:
            return Repaired(REPAIRED, done.detail)
        if not done.is_here:
            number = f" {self.run.id}" if self.run is not None else ""
            cure = f"`holystone restore{number}` brings it back once its registry answers."
            return Repaired(FAILED, f"removed, and not pulled again: {done.detail}", cure)
        if stuck or self.interrupted:
            return Repaired(FAILED, stuck or INTERRUPTED, "Repair again.")
        detail = "pulled again and no better: something else holds what is damaged"
        return Repaired(FAILED, detail, _CACHE_CURE)


def _to_pull(image: Image, result: str) -> bring_back.Entry:
    names = image.tags or image.digests
    removed = Removed(
        "image", image.id, names, image.tags, image.digests, image.labels, image.size, 0, 0,
        result, "", None, image.platforms,
    )  # fmt: skip
    return bring_back.Entry(removed, PULL, named=True)
