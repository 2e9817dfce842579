"""The engine's events, and the one stream that passes them to all listeners.

The stream is opened before the first question of an observation. What events tell of use meanwhile
(``engine.activity``) and what they add to the memory of use (``usage.tracker``) come from it.
"""

from __future__ import annotations

import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from holystone.engine.client import Client
from holystone.engine.errors import EngineError, ProtocolError, connection_broke
from holystone.engine.parse import full_id
from holystone.engine.transport.http import Connection, read_json
from holystone.planner.names import is_id

_RECORD_SEPARATOR = b"\x1e"
"""Stands before each event in an ``application/json-seq`` stream (RFC 7464)."""
_GOING = frozenset({"delete", "untag", "destroy", "remove", "prune", "disconnect", "unmount"})
"""Actions that end an object, a name or a use. Our own removals cause them; they use nothing."""
_OVERLAP = 1
"""Seconds before the newest event from which a stream that is opened again begins: engines send
events a little out of order."""
_REMEMBERED = 4096
"""How many events are known again; more than engines send in the overlap."""
_MOST_WORDS = 4096
"""Texts that events share: those of one object come again and again."""
_LONGEST = 1 << 24
"""Bytes of one event."""
_PAUSES = (0.1, 10.0)
"""The first and the longest pause (seconds) before the stream is opened again; it doubles."""


class Event(NamedTuple):
    """What happened to one object. ``image`` is the reference a container was started from."""

    kind: str
    action: str
    id: str
    name: str
    image: str
    nanoseconds: int = 0
    """When it happened, since 1970; 0 where the engine did not say."""

    @property
    def at(self) -> float:
        """When it happened, UTC seconds."""
        return self.nanoseconds / 1e9

    @property
    def uses(self) -> bool:
        """True if the event means that the object is in use."""
        return self.action not in _GOING

    @property
    def image_id(self) -> str:
        """The ID in an event of an image; Podman has the ID of a new one as the name."""
        return full_id(self.id if is_id(self.id) else self.name)

    @property
    def written(self) -> str:
        """The reference in an event of an image: Docker has it as the ID, Podman as the name."""
        return self.name if not self.id or is_id(self.id) else self.id


class EventStream:
    """The events of one engine from now on, over one connection. Safe to use from several threads.

    A command polls: it never waits, and a stream that broke stays broken, since it is unknown what
    was used meanwhile. A daemon waits: a stream that broke is opened again, and ``breaks`` tells
    that events may be missing.
    """

    def __init__(
        self, client: Client, clock: Callable[[], float] = time.time, *, since: int = 0
    ) -> None:
        """Open the stream. When this returns the engine is already sending. Raises EngineError.

        ``since``: begin with the events that the engine still has from about then (nanoseconds).
        Without, events from before are left out where the engine is on this machine, on its own
        clock, should that be another: Podman writes events down late, and sends some that happened
        before it was asked.
        """
        client.negotiate()
        ahead = client.clock.ahead
        # How far it is ahead is known to half a second.
        opened = clock() + ahead - 0.5 if ahead else clock()
        self.opened = opened if client.endpoint.scheme == "unix" and not since else 0.0
        self.client = client
        self.breaks = 0
        """How often the stream broke: events of that time may be lost."""
        self.broken = ""
        """Why the stream is broken now; empty while it runs."""
        self._newest = since
        self._recent: dict[int, None] = {}
        """The hashes of the latest events."""
        self._before: frozenset[int] = frozenset()
        """Those that came before the stream was last opened again: it begins with some of them."""
        self._words: dict[str, str] = {}
        self._inboxes: list[deque[Event]] = []
        self._pause, self._again, self._opened = _PAUSES[0], 0.0, time.monotonic()
        self._lock = threading.RLock()
        self._closed = threading.Event()
        self._connection = self._connected(client)
        self._held = b""

    def inbox(self) -> deque[Event]:
        """A queue of one's own that gets every event from now on; its owner empties it."""
        inbox: deque[Event] = deque()
        with self._lock:
            self._inboxes.append(inbox)
        return inbox

    def poll(self) -> list[Event]:
        """The events that have come since the last call; never waits.

        Raises ProtocolError where the stream is broken: nothing is known any more of what is in
        use, so nothing may be removed.
        """
        with self._lock:
            events = self._come()
            if self.broken:
                raise ProtocolError(self.broken)
            return events

    def wait(self, timeout: float) -> list[Event]:
        """The next events, waited for at most so long (seconds); none where none came.

        A stream that broke is opened again as soon as the engine answers, and begins with the
        events that the engine still has; none comes twice. For one thread at a time.
        """
        until = time.monotonic() + timeout
        while not self._closed.is_set():
            if self.broken:
                self._open_again()
            with self._lock:
                if events := self._come():
                    return events
            left = until - time.monotonic()
            if left <= 0:
                break
            if self.broken:
                self._closed.wait(max(0.0, min(left, self._again - time.monotonic())))
            else:
                poll = select.poll()
                poll.register(self._connection.sock, select.POLLIN)
                poll.poll(left * 1000)
        return []

    def close(self) -> None:
        """End the stream, and every wait for it."""
        self._closed.set()
        with suppress(OSError):
            self._connection.sock.shutdown(socket.SHUT_RDWR)
        self._connection.close()

    def _connected(self, client: Client) -> Connection:
        """A connection on which the engine has begun to answer. Raises EngineError."""
        path = client.versioned("/events")
        if self._newest:
            path += f"?since={max(1, self._newest // 10**9 - _OVERLAP)}"
        connection = client.open()
        try:
            # HTTP/1.0: the body then comes as it is, without chunks, until the connection ends.
            connection.send("GET", path, version="1.0")
            if connection.receive_head() >= 400:
                connection.receive_rest().checked()
            if connection.sock.family in (socket.AF_INET, socket.AF_INET6):
                # Else a lost machine at the other end could stay unnoticed for months.
                connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            connection.sock.settimeout(0)
        except BaseException as error:
            connection.close()
            if not isinstance(error, OSError):
                raise
            raise connection_broke("while asking GET /events", error) from None
        return connection

    def _open_again(self) -> None:
        """Open a broken stream again, where the last try is long enough ago."""
        if time.monotonic() < self._again:
            return
        # The engine may have another version by now.
        client = self.client.sibling()
        client.version = None
        try:
            client.negotiate()
            connection = self._connected(client)
        except EngineError as error:
            self._break(str(error))
            return
        finally:
            client.close()
        with self._lock:
            self._connection, self._held, self.broken = connection, b"", ""
            self._before = frozenset(self._recent)
            self._opened = time.monotonic()

    def _break(self, why: str) -> None:
        """Note why the stream is broken, and when it may be opened again."""
        now = time.monotonic()
        if self._opened and now - self._opened > _PAUSES[1]:
            self._pause = _PAUSES[0]
        self.broken, self._opened, self._again = why, 0.0, now + self._pause
        self._pause = min(2 * self._pause, _PAUSES[1])

    def _come(self) -> list[Event]:
        """Take what has come, and tell it to all inboxes; marks where the stream broke."""
        if self.broken:
            return []
        arrived, why = self._connection.arrived()
        *lines, self._held = (self._held + arrived).split(b"\n")
        events: list[Event] = []
        try:
            for line in lines:
                events += map(self._slim, filter(self._is_new, _read(line)))
        except ProtocolError as error:
            why = str(error)
        if len(self._held) > _LONGEST:
            why = why or str(_garbled(self._held))
        if why:
            self._connection.close()
            self.breaks += 1
            self._break(why)
        for inbox in self._inboxes:
            inbox.extend(events)
        return events

    def _is_new(self, event: Event) -> bool:
        """Whether an event belongs to the stream and has not come before."""
        if 0 < event.at < self.opened:
            return False
        if event.nanoseconds:
            mark = hash(event)
            # One connection sends nothing twice: what looks alike there happened at one moment.
            if mark in self._before:
                return False
            self._recent[mark] = None
            if len(self._recent) > _REMEMBERED:
                del self._recent[next(iter(self._recent))]
            self._newest = max(self._newest, event.nanoseconds)
        return True

    def _slim(self, event: Event) -> Event:
        """The event with the texts of earlier ones: many thousands may wait for a look."""
        if len(self._words) > _MOST_WORDS:
            self._words.clear()
        kind, action, own_id, name, image = (self._words.setdefault(w, w) for w in event[:5])
        return Event(kind, action, own_id, name, image, event.nanoseconds)


def read_events(body: bytes) -> list[Event]:
    """The events in a whole answer to ``GET /events``, in its order; garbled ones are left out."""
    events: list[Event] = []
    for line in body.splitlines():
        with suppress(ProtocolError):
            events += _read(line)
    return events


def _read(line: bytes) -> list[Event]:
    """The event in a line; none in an empty one. Raises ProtocolError."""
    try:
        message = read_json(line.strip(_RECORD_SEPARATOR + b" \r") or b"null")
    except (ValueError, RecursionError):
        raise _garbled(line) from None
    return [read_event(message)] if isinstance(message, dict) else []


def _garbled(line: bytes) -> ProtocolError:
    return ProtocolError(
        f"the answer to GET /events is garbled: {line[:60]!r} is no JSON. "
        "Is there a proxy before the engine?"
    )


def read_event(message: dict[str, object]) -> Event:
    """One message of ``GET /events``; an engine may give whole seconds."""
    actor = message.get("Actor")
    actor = actor if isinstance(actor, dict) else {}
    attributes = actor.get("Attributes")
    attributes = attributes if isinstance(attributes, dict) else {}
    times = ((message.get("timeNano"), 1), (message.get("time"), 10**9))
    told = (value * unit for value, unit in times if isinstance(value, int) and value > 0)
    return Event(
        kind=str(message.get("Type") or ""),
        action=str(message.get("Action") or "").partition(":")[0],
        id=str(actor.get("ID") or message.get("id") or ""),
        name=str(attributes.get("name") or ""),
        image=str(attributes.get("image") or ""),
        nanoseconds=next(told, 0),
    )
