"""Which objects were used since they were observed, or since a plan was made.

The first comes from the stream of events, the second from the engine's log of events. Docker keeps
its latest 256 events and forgets them when it restarts; Podman has a log on the disk. The log
reaches back to a moment if it has an event from before that moment.
"""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Sequence

from holystone.engine.client import Client
from holystone.engine.errors import EngineRefused, ProtocolError
from holystone.engine.events import Event, EventStream, read_events
from holystone.planner.inventory import Image, Inventory
from holystone.planner.names import Names
from holystone.planner.usage import Key, Since

_DAY = 86400
_BEGINNINGS = ("create", "init", "start", "restart")


class Touched:
    """The IDs of objects that events named. Safe to ask from several threads.

    Who uses an image may build on it next. The classic builder then looks for the step among all
    that was built on that image before, and fails where one of these goes meanwhile (moby
    ``image/cache``, ``getLocalCachedImage``). So a use of an image is one of its nameless steps.
    """

    def __init__(self, stream: EventStream | None) -> None:
        self.names = Names(())
        """Those of the images as they were observed."""
        self.references_moved = False
        """Whether any image may have got a reference since."""
        self._steps: defaultdict[str, list[str]] = defaultdict(list)
        """The IDs of the nameless images that were built on an image, by its ID."""
        self._ids: set[str] = set()
        self._lock = threading.Lock()
        self.stream: EventStream | None = None
        self._inbox: deque[Event] = deque()
        self._breaks = 0
        if stream is not None:
            self.watch(stream)

    def watch(self, stream: EventStream) -> None:
        """Take the events of this stream."""
        self.stream, self._inbox, self._breaks = stream, stream.inbox(), stream.breaks

    def forget(self) -> None:
        """Start again, before the host is observed once more.

        Raises ProtocolError where the stream is broken.
        """
        with self._lock:
            if self.stream is not None:
                self.stream.poll()
                self._breaks = self.stream.breaks
            self._inbox.clear()
            self._ids.clear()
            self.references_moved = False

    def observed(self, images: Sequence[Image]) -> None:
        """Take the images whose references events will name."""
        self.names = Names(images)
        self._steps.clear()
        for image in images:
            if image.parent and not image.tags and not image.pinned:
                self._steps[image.parent].append(image.id)

    def follow(self, object_id: str = "") -> bool:
        """Read the events that have come; True where this object was used.

        Raises ProtocolError if the stream broke: then it is unknown what happened since.
        """
        with self._lock:
            if self.stream is not None:
                self.stream.poll()
                if self.stream.breaks != self._breaks:
                    raise ProtocolError(
                        "the answer to GET /events broke off since the host was observed, so it is "
                        "not known what was used. Observe it again."
                    )
            while self._inbox:
                event = self._inbox.popleft()
                if event.uses:
                    for _, used_id in used_by(event, self.names):
                        self._touch(used_id)
                    self.references_moved |= event.kind == "image"
            return object_id in self._ids

    def _touch(self, used_id: str) -> None:
        """Note a use of this, and so of all steps that were built on it."""
        below = [used_id]
        while below:
            touched = below.pop()
            if touched not in self._ids:
                self._ids.add(touched)
                below += self._steps.get(touched, ())

    def meant_by(self, event: Event) -> set[str]:
        """The IDs of the images that an event has to do with."""
        return _images_of(event, self.names)


def used_by(event: Event, names: Names) -> set[Key]:
    """The objects that an event of use names: its own, and the images it means."""
    return {(event.kind, event.id), *(("image", each) for each in _images_of(event, names))}


def _images_of(event: Event, names: Names) -> set[str]:
    if event.kind == "image":
        return names.meant(event.id) | names.meant(event.name)
    return names.meant(event.image) if event.kind == "container" else set()


def used_since(client: Client, inventory: Inventory, moment: float) -> Since:
    """The objects of a host that events name since then (UTC seconds). Raises EngineError."""
    podman = client.negotiate().podman
    if podman:
        query = f"since={max(1, int(moment) - _DAY)}&stream=false"
    else:
        # Everything it has: only an event from before shows that none is missing.
        query = f"since=1&until={client.time or f'{client.clock.now():.6f}'}"
    try:
        body = client.send([("GET", client.versioned(f"/events?{query}"))])[0].checked().body
    except EngineRefused:
        return Since(moment, complete=False)
    return read_since(read_events(body), inventory, moment, podman=podman)


def read_since(
    events: Sequence[Event], inventory: Inventory, moment: float, *, podman: bool = False
) -> Since:
    """The uses that these events show since then."""
    later = [event for event in events if event.at > moment]
    complete = len(later) < len(events)
    if podman and complete:
        # Its events do not tell which volumes were mounted, and nothing tells what a container had
        # that is gone.
        here = {container.id for container in inventory.containers}
        begun = (e for e in later if e.kind == "container" and e.action in _BEGINNINGS)
        complete = all(event.id in here for event in begun)
    names = Names(inventory.images)
    used = frozenset(key for event in later if event.uses for key in used_by(event, names))
    return Since(moment, used, complete)
