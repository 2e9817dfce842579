"""The host as a running agent knows it: for looking only, in place of asking its engine.

An agent keeps what is on the host from the engine's events. Where it does not run, is of another
version or of another host, or does not know what is asked for, the engine is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import closing, suppress
from http.client import HTTPException
from typing import NoReturn

from holystone.engine.host import Observed, Removal
from holystone.operations.agent_client import agent_connection
from holystone.operations.errors import BeyondAgent
from holystone.operations.snapshot_text import Told, decode
from holystone.planner.inventory import Disk, Inventory
from holystone.planner.totals import Beside
from holystone.planner.usage import Lease, Since, Usage

_OK = 200


def ask_agent(
    path: str, endpoint: str, leases: Callable[[], Sequence[Lease]], *, every: bool
) -> AgentHost | None:
    """The host at this endpoint, as the agent behind this socket knows it; None where it does not.

    ``leases`` are those that count now; ``every`` as for ``Host.observe``. Never raises.
    """

    def ask(*, every: bool) -> Told | None:
        with (
            suppress(OSError, ValueError, HTTPException),
            closing(agent_connection(path)) as connection,
        ):
            connection.request("GET", f"/api/v1/inventory?every={'true' if every else 'false'}")
            answer = connection.getresponse()
            if answer.status == _OK:
                told = decode(answer.read())
                return told if told.endpoint == endpoint else None
        return None

    told = ask(every=every)
    return None if told is None else AgentHost(told, leases, lambda: ask(every=True))


class AgentHost:
    """A ``Host`` to look at. What only the engine can tell raises ``BeyondAgent``."""

    workers = 1

    def __init__(
        self,
        told: Told,
        leases: Callable[[], Sequence[Lease]],
        whole: Callable[[], Told | None],
    ) -> None:
        """``whole`` asks the agent for all of it."""
        self.told = told
        self.leases = leases
        self.whole = whole

    def watch(self) -> None:
        """Nothing is removed, so nothing need be followed."""

    def observe(self, *, sizes: bool = False, every: bool = True) -> Inventory:
        """What the agent knows, with the disk as it was when it answered."""
        inventory = self.told.inventory
        if (sizes and inventory.volumes) or (every and inventory.partial):
            raise BeyondAgent
        return inventory

    def complete(self, *, sizes: bool = False) -> Inventory:
        """What the agent knows of everything."""
        told = self.whole()
        if told is None:
            raise BeyondAgent
        self.told = told
        return self.observe(sizes=sizes)

    def date(self, inventory: Inventory) -> Inventory:
        """The inventory as it is: the agent has dated all images."""
        return inventory

    def date_tagged(self, inventory: Inventory) -> Inventory:
        """The inventory as it is: the agent has dated all images."""
        return inventory

    def weigh(self, inventory: Inventory) -> Inventory:
        """The inventory as it is: the agent has weighed all images."""
        return inventory

    def ask_builders(self, *_: object) -> Inventory:
        """Only the engine reaches its builders."""
        raise BeyondAgent

    def confirm(
        self,
        inventory: Inventory,
        image_ids: Collection[str],
        *,
        anew: bool = False,  # noqa: ARG002 - as Host has it
    ) -> Inventory:
        """The inventory as it is: it has what registries said lately, and none is asked."""
        if image_ids:
            raise BeyondAgent
        return inventory

    def usage(self, *, demand: bool = True) -> Usage:  # noqa: ARG002 - all of it came along
        """What the agent remembers, with the leases of now."""
        return self.told.usage._replace(leases=tuple(self.leases()))

    def used_since(self, *_: object) -> Since:
        """The engine's events are not here."""
        raise BeyondAgent

    def keep_uses(self, *_: object) -> Observed:
        """The agent keeps them."""
        raise BeyondAgent

    def remove(self, *_: object) -> NoReturn:
        """Nothing is removed here."""
        raise BeyondAgent

    def remove_cache(self, *_: object) -> list[Removal]:
        """Nothing is removed here."""
        raise BeyondAgent

    def remove_from_builder(self, *_: object) -> list[Removal]:
        """Nothing is removed here."""
        raise BeyondAgent

    def look(self, *_: object) -> list[Removal]:
        """Nothing was removed here."""
        raise BeyondAgent

    def disk(self) -> Disk:
        """The disk as the agent last saw it."""
        return self.told.inventory.disk

    def beside(self, *_: object) -> Beside:
        """The data folder is not read."""
        raise BeyondAgent

    def close(self) -> None:
        """There is nothing to let go of."""
