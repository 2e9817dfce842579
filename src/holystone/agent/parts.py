"""The parts of the agent that its ticker and its API work with."""

from __future__ import annotations

from typing import NamedTuple

from holystone.agent.alarm import Alarm
from holystone.agent.owner import Owner
from holystone.agent.state import State
from holystone.agent.worker import Worker
from holystone.store.store import Store


class Parts(NamedTuple):
    """One of each."""

    state: State
    store: Store
    owner: Owner
    worker: Worker
    alarm: Alarm
