"""Open the demo host with the changes of earlier commands, if a folder keeps them."""

from __future__ import annotations

import math
import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from holystone.demo.contents import demo_inventory
from holystone.demo.host import DemoHost
from holystone.demo.images import DAY, HOUR
from holystone.demo.registry import demo_registries
from holystone.demo.state import DemoState
from holystone.planner.inventory import Image, Inventory
from holystone.planner.names import complete
from holystone.planner.usage import Lease
from holystone.planner.verdict import Fact, Plan, Reason, Rule, Step, Verdict
from holystone.store import samples
from holystone.store.runs import Runs
from holystone.store.samples import Sample
from holystone.store.store import Store

_LONGEST = 30 * DAY
"""Seconds since a plan was made whose host can still be told."""
_BEFORE = 19 * HOUR
"""Seconds since the last run."""
_SAMPLED = 30 * 24
"""So many hours the disk has been looked at."""
_GROWN, _FILLED, _WORKSPACES = 3_141_592_653, 58_000_000_000, 4_000_000_000
"""Bytes: what came since the last run, and in the weeks before it; what jobs take by day."""
# Reference, days since it was last used, bytes that came free.
_REMOVED = (
    ("node:16-alpine", 44, 111_303_318),
    ("registry.example.com/team/backend:1.40.2", 39, 26_417_722),
)


@contextmanager
def open_demo(
    folder: str | None,
    warn: Callable[[str], None],
    *,
    past: bool = False,
    planned_at: float | None = None,
) -> Iterator[tuple[DemoHost, Store]]:
    """The demo host and its ledger, kept in ``folder``; without one both end with the block.

    ``past``: without a folder the ledger knows one run, and how full the disk was in 30 days.
    ``planned_at`` (UTC seconds): the host is the one that a plan was made for then. Raises
    DemoStateError.
    """
    with _ledger(folder, warn) as ledger:
        if past and folder is None:
            _remember_last_run(ledger)
            _remember_disk(ledger, time.time())

        def leases(now: float) -> Sequence[Lease]:
            # Else a mere look would begin a ledger.
            return ledger.recall_leases(now) if ledger.exists() else ()

        now = time.time()
        # Carrying out a plan needs the host of that moment, not a new one.
        told = planned_at is not None and now - _LONGEST < planned_at < now
        yield DemoHost(DemoState(folder), ledger, leases, now, planned_at if told else now), ledger


def _remember_last_run(ledger: Store) -> None:
    """Have the ledger know the last clean of the demo host, made the night before.

    So that there is something to show and to restore where no folder keeps what is done now.
    """
    inventory, plan = _last_run(time.time())
    moments = iter((plan.taken_at, *(plan.taken_at + 0.4 for _ in plan.steps), plan.taken_at + 0.8))
    run = Runs(ledger, lambda: next(moments)).begin(plan, inventory, endpoint="demo:")
    if run is None:
        return
    for step in plan.steps:
        run.settle(step.kind, step.id, "removed")
    free = plan.disk.free_bytes
    run.end(
        freed_bytes=plan.freed_bytes,
        freed={(step.kind, step.id): step.freed_bytes for step in plan.steps},
        removed=len(plan.steps),
        skipped=0,
        failed=0,
        disk_free_after=None if free is None else free + plan.freed_bytes,
    )


def _remember_disk(ledger: Store, now: float) -> None:
    """Have the ledger know a sample an hour, as an agent takes them: a disk that fills slowly.

    By day jobs have their workspaces on it, and since the last clean it has grown faster.
    """
    inventory, _ = demo_inventory(now)
    total, free = inventory.disk.total_bytes or 0, inventory.disk.free_bytes or 0
    found = []
    for hours in range(_SAMPLED, 0, -1):
        at = now - hours * HOUR
        since = min(1.0, hours * HOUR / _BEFORE)
        before = max(0.0, hours * HOUR - _BEFORE) / (_SAMPLED * HOUR)
        by_day = max(0.0, math.sin((at / DAY - 0.25) * math.tau)) * min(1.0, before * 20)
        freed = since * _GROWN + before**0.9 * _FILLED - by_day * _WORKSPACES
        found.append(Sample(at, total, free + int(freed)))

    def write(database: sqlite3.Connection) -> None:
        for sample in found:
            samples.remember(database, inventory.engine.key, sample)

    ledger.try_write(write)


def _last_run(now: float) -> tuple[Inventory, Plan]:
    """The host as a weekly clean of the night before found it, and what that removed."""
    at = now - _BEFORE
    inventory, _ = demo_inventory(at)
    registries = demo_registries(now)
    images: list[Image] = []
    verdicts, steps = [], []
    for reference, days, freed in _REMOVED:
        image = registries.by_tag[complete(reference)]
        images.append(image._replace(tags=(reference,)))
        facts: dict[str, Fact] = {
            "policy": "default",
            "reference": reference,
            "idle": days * DAY - _BEFORE,
            "sign": "last used",
            "unused_for": 30 * DAY,
        }
        reasons = (Reason(Rule.EXPIRED, facts),)
        verdicts.append(Verdict("image", image.id, (reference,), True, reasons, freed))  # noqa: FBT003
        steps.append(Step("image", image.id, (reference,), freed))
    total = sum(step.freed_bytes for step in steps)
    disk = inventory.disk._replace(free_bytes=(inventory.disk.free_bytes or 0) + _GROWN)
    made = Plan(
        "weekly", at, inventory.engine, disk, tuple(verdicts), tuple(steps), total,
        estimated=False, at_least=total, at_most=total,
    )  # fmt: skip
    return inventory._replace(images=tuple(images), disk=disk), made


@contextmanager
def _ledger(folder: str | None, warn: Callable[[str], None]) -> Iterator[Store]:
    """The ledger of this folder; without one that of a folder which is gone at the end.

    Nobody else can have a folder of that name; the ledger makes it if it is needed.
    """
    place = os.environ.get("TMPDIR") or "/tmp"  # noqa: S108 - the rest of the name is random
    passing = os.path.join(place, f"holystone-demo-{os.urandom(8).hex()}")
    ledger = Store(folder or passing, warn)
    try:
        yield ledger
    finally:
        ledger.close()
        if not folder and os.path.exists(passing):
            shutil.rmtree(passing, ignore_errors=True)
