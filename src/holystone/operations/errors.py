"""Why an operation was not carried out. Errors of the engine and of the ledger are separate.

One place to import from: ``EngineError``, ``EngineUnreachable``, ``StoreError`` and ``LockHeld``
are here as well. Each message says what is wrong and how to fix it.
"""

from __future__ import annotations

from holystone.engine.errors import EngineError, EngineUnreachable
from holystone.store import LockHeld, StoreError

__all__ = (
    "AgentEnds",
    "BeyondAgent",
    "Cancelled",
    "Declined",
    "EngineError",
    "EngineUnreachable",
    "LeasesUnread",
    "LockHeld",
    "NotThere",
    "OperationError",
    "RequestError",
    "StoreError",
    "TargetUnseen",
)


class OperationError(Exception):
    """The operation was not carried out."""


class RequestError(OperationError):
    """What was asked contradicts itself, or no host can do it."""


class NotThere(OperationError):
    """A name was given that means nothing on the host; the message has those that are close."""


class TargetUnseen(OperationError):
    """A target was given, and how full the engine's disk is cannot be seen from here."""


class LeasesUnread(OperationError):
    """Leases cannot be read, and this clean could take what they keep. Nothing was removed."""


class Declined(OperationError):
    """The clean was not confirmed. Nothing was removed."""


class Cancelled(OperationError):
    """The caller cancelled before anything was removed."""


class AgentEnds(OperationError):
    """The agent ends, and does not do or finish what it was asked for."""


class BeyondAgent(OperationError):
    """The agent does not know what is asked for: the engine is to be asked."""
