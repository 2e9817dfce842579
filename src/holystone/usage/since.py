"""What was used since a plan was made, by the engine's own log of events.

Docker keeps its latest 256 events and forgets them when it restarts; Podman has a log on the disk.
The log reaches back to a moment where it has an event from before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from holystone.engine.client import Client
from holystone.engine.errors import EngineRefused
from holystone.engine.events import Event
from holystone.planner.inventory import Inventory
from holystone.planner.names import Names
from holystone.planner.saved_plan import Since
from holystone.planner.usage import Key
from holystone.usage.engine_history import parsed

_DAY = 86400
_BEGINNINGS = ("create", "init", "start", "restart")


def used_since(client: Client, inventory: Inventory, moment: float) -> Since:
    """The objects of a host that events name since then (UTC seconds). Raises EngineError."""
    podman = client.negotiate().podman
    if podman:
        query = f"since={max(1, int(moment) - _DAY)}&stream=false"
    else:
        # Everything it has: only an event from before tells that none is missing.
        query = f"since=1&until={client.time or f'{client.clock.now():.6f}'}"
    try:
        body = client.send([("GET", client.versioned(f"/events?{query}"))])[0].checked().body
    except EngineRefused:
        return Since(moment, complete=False)
    return read_since(parsed(body), inventory, moment, podman=podman)


def read_since(
    events: Sequence[Event], inventory: Inventory, moment: float, *, podman: bool = False
) -> Since:
    """What these events tell of the time since then."""
    later = [event for event in events if event.at > moment]
    complete = len(later) < len(events)
    if podman and complete:
        # Its events tell of no volume that is mounted, and what a container had that is gone
        # nobody can tell.
        here = {container.id for container in inventory.containers}
        begun = (e for e in later if e.kind == "container" and e.action in _BEGINNINGS)
        complete = all(event.id in here for event in begun)
    return Since(moment, frozenset(_used(later, Names(inventory.images))), complete)


def _used(events: Iterable[Event], names: Names) -> Iterable[Key]:
    for event in events:
        if not event.uses:
            continue
        yield event.kind, event.id
        if event.kind == "image":
            yield from (("image", each) for each in names.meant(event.id))
            yield from (("image", each) for each in names.meant(event.name))
        elif event.kind == "container":
            yield from (("image", each) for each in names.meant(event.image))
