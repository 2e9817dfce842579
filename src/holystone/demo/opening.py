"""Open the demo host with what earlier commands did to it, where a folder keeps that."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from holystone.demo.host import DemoHost
from holystone.demo.run import demo_run
from holystone.demo.state import DemoState
from holystone.planner.usage import Lease
from holystone.store.runs import Runs
from holystone.store.store import Store

_LONGEST = 30 * 86400.0
"""Seconds since a plan was made whose host can still be told."""


@contextmanager
def open_demo(
    folder: str | None,
    warn: Callable[[str], None],
    *,
    past: bool = False,
    planned_at: float | None = None,
) -> Iterator[tuple[DemoHost, Store]]:
    """The demo host and its ledger, kept in ``folder``; without one both end with the block.

    ``past``: without a folder the ledger knows one run before. ``planned_at`` (UTC seconds): the
    host is the one that a plan was made for then. Raises DemoStateError.
    """
    with _ledger(folder, warn) as ledger:
        if past and folder is None:
            _remember_last_run(ledger)

        def leases(now: float) -> Sequence[Lease]:
            # Else a mere look would begin a ledger.
            return ledger.recall_leases(now) if ledger.exists() else ()

        now = time.time()
        # Whoever carries out a plan finds the host of that moment, and not one that is made anew.
        told = planned_at is not None and now - _LONGEST < planned_at < now
        yield DemoHost(DemoState(folder), ledger, leases, now, planned_at if told else now), ledger


def _remember_last_run(ledger: Store) -> None:
    """Have the ledger know the last clean of the demo host, made the night before.

    So that there is something to show and to restore where no folder keeps what is done now.
    """
    inventory, plan = demo_run(time.time())
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


@contextmanager
def _ledger(folder: str | None, warn: Callable[[str], None]) -> Iterator[Store]:
    """The ledger of this folder; without one that of a folder which is gone at the end."""
    passing = "" if folder else _passing_folder()
    ledger = Store(folder or passing, warn)
    try:
        yield ledger
    finally:
        ledger.close()
        if passing and os.path.exists(passing):
            shutil.rmtree(passing, ignore_errors=True)


def _passing_folder() -> str:
    """The name of a folder that nobody else can have; the ledger makes it if it is needed."""
    place = os.environ.get("TMPDIR") or "/tmp"  # noqa: S108 - the rest of the name is random
    return os.path.join(place, f"holystone-demo-{os.urandom(8).hex()}")
