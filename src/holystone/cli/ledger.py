"""Open the ledger that the options name, for commands that need no engine."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager

from holystone.cli.session import warn
from holystone.engine.host import Host
from holystone.engine.transport.endpoint import resolve
from holystone.operations.connect import connect
from holystone.store.folder import default_folder
from holystone.store.store import Store


def open_ledger(options: argparse.Namespace) -> Store:
    """The ledger that ``--state`` or the environment names; its file is opened at first use."""
    return Store(options.state or default_folder(os.environ), warn)


def is_demo(options: argparse.Namespace) -> bool:
    """Whether ``--host`` names the demo host. Raises EngineError."""
    if options.host is None:
        return False
    return resolve(options.host, None, os.environ).scheme == "demo"


@contextmanager
def remembered(
    options: argparse.Namespace, *, past: bool = False
) -> Iterator[tuple[Store, Host | None]]:
    """The store that the options name, without its engine; the demo host comes with its own.

    ``past``: see ``open_demo``. Raises EngineError.
    """
    if not is_demo(options):
        store = open_ledger(options)
        try:
            yield store, None
        finally:
            store.close()
        return
    with connect(options.host, state=options.state, warn=warn, past=past) as session:
        yield session.ledger, session.host
