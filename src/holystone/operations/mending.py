"""Carrying a repair out: build cache and images are removed, the images pulled and verified again.

A repair must not end with less than it began with. What was removed, or may have been, is pulled
again whatever else goes wrong; a pull that fails is tried again; a tag that an image lost before
its removal was refused is put back. What is missing after all stands in the history as removed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple, Protocol

from holystone.engine.errors import EngineError
from holystone.engine.host import ALREADY_GONE, REMOVED, UNKNOWN, Host, Removal
from holystone.operations.bring_back import (
    PRESENT,
    PULL,
    RESTORED,
    Restored,
    Restoring,
    carry_out,
)
from holystone.operations.repair import FAILED, REPAIRED, Group, Repaired, name_of
from holystone.operations.verifier import OK, Subject, Verified
from holystone.operations.watching import Unwatched
from holystone.operations.workers import INTERRUPTED
from holystone.planner.inventory import Image
from holystone.planner.verdict import Plan
from holystone.registry.pull import Images
from holystone.store.records import Removed
from holystone.store.run import Run

_MAY_BE_GONE = (REMOVED, UNKNOWN)
_HERE = (RESTORED, PRESENT)
_PAUSES = (1.0, 4.0)
"""Seconds before each further try of pulls that failed: a registry or an engine may be starting."""
_CACHE_CURE = (
    "Remove all of the build cache (docker builder prune --all) and repair again: some of it holds "
    "what is damaged."
)


class Brings(Protocol):
    """What a repair needs of an engine beside ``Host``."""

    def puller(self) -> Images:
        """What pulls and names images."""

    def forget_builds(self, names: Sequence[bytes]) -> None:
        """Have BuildKit forget builds. Raises EngineError."""


class Mended(NamedTuple):
    """What became of everything."""

    repaired: dict[str, Repaired]
    """By the ID of the image as it was."""
    verified: dict[str, Verified]
    """What the last look found, by the same."""
    interrupted: str = ""
    back: Mapping[str, str] = {}
    """The IDs of the images that came back, by those they had."""


def mend(
    made: Sequence[Group],
    plan: Plan,
    host: Host,
    reach: Brings,
    verify: Callable[[Sequence[Subject]], Mapping[str, Verified]],
    run: Run | None,
) -> Mended:
    """Remove, pull, tag and verify again the groups that have no obstacle.

    Ctrl-C ends the removals, and once more the pulls; the ledger knows what is missing then.
    """
    return _Mending(made, plan, host, reach, run).mend(verify)


class _Mending:
    """One repair."""

    def __init__(
        self,
        made: Sequence[Group],
        plan: Plan,
        host: Host,
        reach: Brings,
        run: Run | None,
    ) -> None:
        self.made = made
        self.reach = reach
        self.steps = {(step.kind, step.id): step for step in plan.steps}
        self.host = host
        self.puller = reach.puller()
        self.run = run
        self.removals: dict[tuple[str, str], Removal] = {}
        self.stuck: dict[int, str] = {}
        """Why groups were not removed in whole, by their place."""
        self.interrupted = ""

    def mend(self, verify: Callable[[Sequence[Subject]], Mapping[str, Verified]]) -> Mended:
        for group in self.made:
            if group.obstacle:
                for each in group.subjects:
                    self._settle("image", each.image.id, Removal(FAILED, group.obstacle))
        try:
            for place, group in enumerate(self.made):
                if not group.obstacle:
                    self._remove(place, group)
        except KeyboardInterrupt:
            self.interrupted = INTERRUPTED
        except EngineError as error:
            gone = str(error)
            self.stuck |= {at: gone for at, group in enumerate(self.made) if not group.obstacle}
        self._look()
        # From here on ``holystone restore`` can bring back what was removed, should this be killed.
        self._end()
        gone_images = [
            each for group in self.made for each in group.subjects
            if self._result(each) in _MAY_BE_GONE
        ]  # fmt: skip
        back = dict(zip((each.image.id for each in gone_images), self._pull(gone_images),
                        strict=True))  # fmt: skip
        self._put_tags_back()
        ids = {i: done.image_id for i, done in back.items() if done.result in _HERE}
        again = [
            each._replace(image=each.image._replace(id=ids[each.image.id]))
            for each in gone_images if each.image.id in ids
        ]  # fmt: skip
        for i, done in back.items():
            if done.result not in _HERE:
                removal = self.removals["image", i]
                detail = f"not pulled again: {done.detail}"
                self._settle("image", i, removal._replace(detail=detail))
        self._end()
        looked = {} if self.interrupted else verify(again)
        verified = {i: looked[now] for i, now in ids.items() if now in looked}
        repaired = {
            each.image.id: self._told(place, group, each.image.id, back, verified)
            for place, group in enumerate(self.made)
            for each in group.subjects
        }
        return Mended(repaired, verified, self.interrupted, ids)

    def _result(self, subject: Subject) -> str:
        removal = self.removals.get(("image", subject.image.id))
        return removal.result if removal else ""

    def _remove(self, place: int, group: Group) -> None:
        """Remove a group: its build cache records, then its images, until one stays."""
        if group.builds:
            self.reach.forget_builds(group.builds)
        steps = [self.steps["cache", record.id] for record in group.cache]
        left = [step for step in steps if (step.kind, step.id) not in self.removals]
        for step, removal in zip(left, self.host.remove_cache(left) if left else [], strict=True):
            self._settle("cache", step.id, removal)
        for record in group.cache:
            removal = self.removals["cache", record.id]
            if removal.result != REMOVED and removal.detail != ALREADY_GONE:
                said = f"build cache that holds what is damaged stayed: {removal.detail}"
                self.stuck[place] = said
                return
        # What was made from a step of a build goes before it.
        for subject in group.subjects + group.build_steps:
            key = ("image", subject.image.id)
            # Until more is known: it is pulled again also where something comes between.
            self.removals[key] = Removal(UNKNOWN)
            if self.run is not None:
                self.run.ask([key])
            removal = self.host.remove(self.steps[key])
            self._settle(*key, removal)
            if removal.result != REMOVED:
                name = name_of(subject.image)
                self.stuck[place] = f"{name} could not be removed: {removal.detail}"
                return

    def _settle(self, kind: str, object_id: str, removal: Removal) -> None:
        self.removals[kind, object_id] = removal
        if self.run is not None:
            self.run.settle(kind, object_id, removal.result, removal.detail, removal.lost)

    def _look(self) -> None:
        """Settle what got no answer by what is there now, where the engine answers again."""
        unknown = [key for key, removal in self.removals.items() if removal.result == UNKNOWN]
        if not unknown:
            return
        steps, removals = [self.steps[key] for key in unknown], [self.removals[k] for k in unknown]
        try:
            told = self.host.look(steps, removals)
        except KeyboardInterrupt:
            self.interrupted = INTERRUPTED
            return
        for key, removal in zip(unknown, told, strict=True):
            self._settle(*key, removal)

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

    def _pull(self, gone: Sequence[Subject]) -> list[Restored]:
        """Pull these images again; those that fail a few times more."""
        todo = [_restoring(each.image, self._result(each)) for each in gone]
        undone = carry_out(todo, self.puller, Unwatched())
        results = list(undone.results)
        stopped = undone.interrupted
        for pause in _PAUSES:
            missing = [at for at, done in enumerate(results) if done.result not in _HERE]
            if not missing or stopped:
                break
            try:
                time.sleep(pause)
            except KeyboardInterrupt:
                stopped = INTERRUPTED
                break
            undone = carry_out([todo[at] for at in missing], self.puller, Unwatched())
            stopped = undone.interrupted
            for at, done in zip(missing, undone.results, strict=True):
                results[at] = done
        self.interrupted = stopped or self.interrupted
        return results

    def _put_tags_back(self) -> None:
        """Give images that stayed the tags that they lost before the last one was refused."""
        for group in self.made:
            for each in group.subjects:
                if self._result(each) in ("", *_MAY_BE_GONE) or group.obstacle:
                    continue
                for tag in each.image.tags:
                    with suppress(EngineError):
                        self.puller.tag(each.image.id, tag)

    def _told(
        self,
        place: int,
        group: Group,
        image_id: str,
        back: Mapping[str, Restored],
        verified: Mapping[str, Verified],
    ) -> Repaired:
        """How the mending of one image ended."""
        if group.obstacle:
            return Repaired(FAILED, group.obstacle, group.cure)
        done = back.get(image_id)
        if image_id in verified and verified[image_id].result == OK and done is not None:
            return Repaired(REPAIRED, done.detail)
        if done is not None and done.result not in _HERE:
            number = f" {self.run.id}" if self.run is not None else ""
            cure = f"`holystone restore{number}` brings it back once its registry answers."
            return Repaired(FAILED, f"removed, and not pulled again: {done.detail}", cure)
        stuck = self.stuck.get(place, "")
        if done is not None and not stuck and not self.interrupted:
            detail = "pulled again and no better: something else holds what is damaged"
            return Repaired(FAILED, detail, _CACHE_CURE)
        return Repaired(FAILED, stuck or INTERRUPTED, "Repair again.")


def _restoring(image: Image, result: str) -> Restoring:
    names = image.tags or image.digests
    removed = Removed(
        "image", image.id, names, image.tags, image.digests, image.labels, image.size, 0, 0,
        result, "", None, image.platforms,
    )  # fmt: skip
    return Restoring(removed, PULL, image.digests[0], named=True)
