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
    from holystone.core.usage import Lease
    from holystone.engine.simulation.demo_host import DemoHost
    from holystone.ledger.ledger import Ledger

KEEP = "Only with --state FOLDER (or HOLYSTONE_STATE) the demo host remembers what was done to it."


def folder_of(options: argparse.Namespace) -> str | None:
    """The folder that was named for what holystone remembers; None where none was."""
    return options.state or os.environ.get("HOLYSTONE_STATE") or None


@contextmanager
def opened(options: argparse.Namespace) -> Iterator[tuple[DemoHost, Ledger]]:
    """The demo host and its ledger: of the folder that was named, else both for this command only.

    Raises DemoStateError.
    """
    from holystone.engine.simulation.demo_host import DemoHost
    from holystone.engine.simulation.demo_state import DemoState

    folder = folder_of(options)
    with _ledger(folder) as ledger:

        def leases(now: float) -> Sequence[Lease]:
            # Else a mere look would begin a ledger.
            return ledger.recall_leases(now) if ledger.exists() else ()

        yield DemoHost(DemoState(folder), ledger, leases, time.time), ledger


@contextmanager
def _ledger(folder: str | None) -> Iterator[Ledger]:
    """The ledger of this folder; without one that of a folder which is gone at the end."""
    from holystone.ledger.ledger import Ledger

    passing = "" if folder else _passing_folder()
    ledger = Ledger(folder or passing, warn)
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
