"""The demo host for one command, with what earlier ones did to it where a folder keeps that."""

from __future__ import annotations

import argparse
import os
from contextlib import AbstractContextManager

from holystone.cli.session import warn
from holystone.demo.host import DemoHost
from holystone.demo.opening import open_demo
from holystone.store.store import Store


def folder_of(options: argparse.Namespace) -> str | None:
    """The folder that was named for what holystone remembers; None where none was."""
    return options.state or os.environ.get("HOLYSTONE_STATE") or None


def opened(
    options: argparse.Namespace, *, past: bool = False
) -> AbstractContextManager[tuple[DemoHost, Store]]:
    """The demo host and its ledger; see ``open_demo``."""
    return open_demo(folder_of(options), warn, past=past)
