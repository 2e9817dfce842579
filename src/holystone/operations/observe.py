"""Observe a host: remember which images were used since the last look."""

from __future__ import annotations

from dataclasses import dataclass

from holystone.engine.host import Observed
from holystone.operations.connect import Session
from holystone.planner.inventory import Inventory
from holystone.planner.usage import Usage


@dataclass(frozen=True, slots=True)
class Observation:
    """What was seen of use, with the host it was seen on."""

    inventory: Inventory
    observed: Observed
    usage: Usage


def observe(session: Session) -> Observation:
    """Look at a host, and remember the uses since the last look. Raises EngineError."""
    inventory = session.observe()
    observed = session.host.keep_uses(inventory)
    return Observation(inventory, observed, session.host.usage())
