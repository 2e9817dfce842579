"""Carry out a plan, step by step, and return the result of each step.

Containers go first, then images with children before parents, then cache records leaves first.
Within a kind, steps that do not wait for one another run in parallel, as many as speed the engine
up.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

from holystone.engine.host import (
    ALREADY_GONE,
    FAILED,
    NOT_TRIED,
    REMOVED,
    SKIPPED,
    UNKNOWN,
    Host,
    Removal,
)
from holystone.operations.workers import INTERRUPTED, Crew
from holystone.planner.bounds import Slack, slack_of
from holystone.planner.builders import parted
from holystone.planner.holders import shares_of_records
from holystone.planner.inventory import Inventory
from holystone.planner.sizes import free
from holystone.planner.verdict import KINDS, Plan, Step

Key = tuple[str, str]
"""Kind and ID: what names one object on a host."""


_BATCH = 1000
"""Cache records in one call to the host: as many as BuildKit is asked for at once. Ctrl-C waits for
the call under way."""


class Outcome(NamedTuple):
    """The result of every step. ``freed_bytes`` counts the objects that went, layers once."""

    results: dict[Key, Removal]
    freed: dict[Key, int]
    freed_bytes: int
    seconds: float
    interrupted: str = ""
    """Why the run ended before its last step; empty where it did not."""
    slack: Slack = Slack()
    """How far the bytes that the disk gained by what went may lie from ``freed_bytes``."""

    def _count(self, result: str) -> int:
        return sum(1 for removal in self.results.values() if removal.result == result)

    @property
    def removed(self) -> int:
        """How many objects were removed."""
        return self._count(REMOVED)

    @property
    def skipped(self) -> int:
        """How many were left alone: used since planned, gone already, or refused by the engine."""
        return self._count(SKIPPED)

    @property
    def failed(self) -> int:
        """How many removals failed."""
        return self._count(FAILED)

    @property
    def not_tried(self) -> int:
        """How many removals were not begun, as the run ended before."""
        return self._count(NOT_TRIED)

    @property
    def unknown(self) -> int:
        """How many removals got no answer, and could not be looked at since."""
        return self._count(UNKNOWN)


def execute(
    plan: Plan,
    inventory: Inventory,
    host: Host,
    report: Callable[[Step, Removal], None] = lambda *_: None,
    begin: Callable[[Sequence[Step]], None] = lambda _: None,
    looked: Callable[[Step, Removal], None] = lambda *_: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Outcome:
    """Remove what the plan lets go. ``inventory`` is what it was made from.

    ``begin`` is called before steps are asked of the engine and ``report`` after each step, from
    the thread that makes them. An engine that stops answering, or Ctrl-C, ends the run, and so does
    ``cancelled`` once it is true: steps under way are waited for, and the rest is reported as not
    tried. What got no answer is looked at in the end; ``looked`` is called with what that tells.
    """
    started = time.monotonic()
    crew = Crew(report, begin, cancelled)
    for kind in KINDS:
        steps = [step for step in plan.steps if step.kind == kind]
        if kind == "cache":
            batches = _batches(steps)
            crew.work(batches, host.remove_cache, min(1, len(batches)))
        elif kind == "builder":
            batches = [batch for group in _by_builder(steps) for batch in _batches(group)]
            crew.work(batches, host.remove_from_builder, min(1, len(batches)))
        else:
            crew.work(
                [[step] for step in steps],
                lambda job: [host.remove(job[0])],
                min(host.workers, len(steps)),
            )
    if not crew.abandoned:
        _look(plan, host, crew, looked)
    freed, slack = _freed(plan, inventory, crew.results)
    return Outcome(
        results=crew.results,
        freed=freed,
        freed_bytes=sum(freed.values()),
        seconds=time.monotonic() - started,
        interrupted=crew.stopped,
        slack=slack,
    )


def _batches(steps: list[Step]) -> list[list[Step]]:
    return [steps[start : start + _BATCH] for start in range(0, len(steps), _BATCH)]


def _by_builder(steps: Sequence[Step]) -> list[list[Step]]:
    """The steps of each builder, in their order."""
    groups: dict[str, list[Step]] = {}
    for step in steps:
        groups.setdefault(parted(step.id)[0], []).append(step)
    return list(groups.values())


def _look(plan: Plan, host: Host, crew: Crew, looked: Callable[[Step, Removal], None]) -> None:
    """Settle what got no answer by what is there now, where the engine answers again."""
    unknown = [s for s in plan.steps if crew.results[s.kind, s.id].result == UNKNOWN]
    if not unknown:
        return
    try:
        told = host.look(unknown, [crew.results[step.kind, step.id] for step in unknown])
    except KeyboardInterrupt:
        crew.stopped = INTERRUPTED
        return
    for step, removal in zip(unknown, told, strict=True):
        if removal.result != UNKNOWN:
            crew.results[step.kind, step.id] = removal
            looked(step, removal)
    if all(removal.result in (REMOVED, SKIPPED) for removal in crew.results.values()):
        crew.stopped = ""  # Nothing was left to do.


def _freed(
    plan: Plan, inventory: Inventory, results: dict[Key, Removal]
) -> tuple[dict[Key, int], Slack]:
    """Bytes freed by each step that succeeded, and how far their sum may be wrong.

    A layer goes with its last holder: where an image or a build cache record of the plan stayed
    after all, or somebody else removed it, the bytes of those that went are told anew for the set
    that went.
    """
    gone = [step for step in plan.steps if results[step.kind, step.id].result == REMOVED]
    freed = {(step.kind, step.id): step.freed_bytes for step in gone}
    if len(gone) == len(plan.steps):
        below, above = plan.freed_bytes - plan.at_least, plan.at_most - plan.freed_bytes
        return freed, Slack(plan.estimated, below, above)
    missing = {key for key, removal in results.items() if removal.detail == ALREADY_GONE}
    images = {i.id: i for i in inventory.images if ("image", i.id) not in missing}
    cache = {r.id: r for r in inventory.cache if ("cache", r.id) not in missing}
    gone_images = [images[step.id] for step in gone if step.kind == "image"]
    gone_records = [cache[step.id] for step in gone if step.kind == "cache"]
    left = inventory._replace(images=tuple(images.values()), cache=tuple(cache.values()))
    shares = shares_of_records(left)
    anew = free(left, gone_images, gone_records, shares)
    freed.update((("image", i.id), n) for i, n in zip(gone_images, anew.images, strict=True))
    freed.update((("cache", r.id), n) for r, n in zip(gone_records, anew.records, strict=True))
    made = [replace(step, freed_bytes=freed[step.kind, step.id]) for step in gone]
    return freed, slack_of(left, made, gone_images, anew.slack, shares.blobs)
