"""The demo host for one command, with what earlier ones did to it where a folder keeps that."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from holystone.cli.session import warn

if TYPE_CHECKING:
    from holystone.demo.host import DemoHost
    from holystone.engine.host import Host
    from holystone.planner.usage import Lease
    from holystone.store.store import Store


_LONGEST = 30 * 86400.0
"""Seconds since a plan was made whose host can still be told."""


def folder_of(options: argparse.Namespace) -> str | None:
    """The folder that was named for what holystone remembers; None where none was."""
    return options.state or os.environ.get("HOLYSTONE_STATE") or None


@contextmanager
def opened(options: argparse.Namespace, *, past: bool = False) -> Iterator[tuple[DemoHost, Store]]:
    """The demo host and its ledger: of the folder that was named, else both for this command only.

    Raises DemoStateError. ``past``: the latter knows the last run before.
    """
    from holystone.demo.host import DemoHost
    from holystone.demo.state import DemoState

    folder = folder_of(options)
    with _ledger(folder) as ledger:
        if past and folder is None:
            remember_last_run(ledger)

        def leases(now: float) -> Sequence[Lease]:
            # Else a mere look would begin a ledger.
            return ledger.recall_leases(now) if ledger.exists() else ()

        now = time.time()
        # Whoever carries out a plan finds the host of that moment, and not one that is made anew.
        planned_at = getattr(options, "planned_at", now)
        began = planned_at if now - _LONGEST < planned_at < now else now
        yield DemoHost(DemoState(folder), ledger, leases, now, began), ledger


def keep_moment(host: Host) -> None:
    """Have later commands find the host that a plan in a file was made for."""
    from holystone.demo.host import DemoHost
    from holystone.demo.state import DemoStateError

    if isinstance(host, DemoHost):
        try:
            host.keep_moment()
        except DemoStateError as error:
            warn(str(error))


def remember_last_run(ledger: Store) -> None:
    """Have the ledger know the last clean of the demo host, made the night before.

    So that there is something to show and to restore where no folder keeps what is done now.
    """
    from holystone.demo.run import demo_run
    from holystone.store.runs import Runs

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
def _ledger(folder: str | None) -> Iterator[Store]:
    """The ledger of this folder; without one that of a folder which is gone at the end."""
    from holystone.store.store import Store

    passing = "" if folder else _passing_folder()
    ledger = Store(folder or passing, warn)
    try:
        yield ledger
    finally:
        ledger.close()
        if passing and os.path.exists(passing):
            import shutil

            shutil.rmtree(passing, ignore_errors=True)


def _passing_folder() -> str:
    """The name of a folder that nobody else can have; the ledger makes it if it is needed."""
    place = os.environ.get("TMPDIR") or "/tmp"  # noqa: S108 - the rest of the name is random
    return os.path.join(place, f"holystone-demo-{os.urandom(8).hex()}")
