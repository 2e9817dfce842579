"""The data that holystone keeps between runs, in one SQLite file; and its errors."""

from __future__ import annotations

from typing import Any


class StoreError(Exception):
    """The ledger cannot be used; the message says why and what to do."""


class DamagedStoreError(StoreError):
    """What is in the file cannot be what holystone wrote there; the message says what is wrong."""


class LockHeld(Exception):
    """Another run holds the lock of the host, and went on holding it."""

    def __init__(self, holder: Any) -> None:
        """``holder`` is a ``lock.Holder``."""
        super().__init__(f"{holder} holds the lock of this host")
        self.holder = holder
