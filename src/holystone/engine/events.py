"""The engine's events, followed without waiting: what has been used since a plan was made.

The stream is opened before the first question of an observation and read, as far as it has come,
before each removal.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from holystone.engine.client import Client
from holystone.engine.errors import ProtocolError
from holystone.engine.transport.http import Connection
from holystone.engine.transport.text import read_json

_RECORD_SEPARATOR = b"\x1e"
"""Stands before each event in an ``application/json-seq`` stream (RFC 7464)."""
_GOING = frozenset({"delete", "untag", "destroy", "remove", "prune", "disconnect", "unmount"})
"""Actions that end an object, a name or a use. Our own removals cause them; they use nothing."""


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
        """True where the event means that somebody works with the object."""
        return self.action not in _GOING


class EventStream:
    """An open stream of events; ``poll`` gives what has come since the last call."""

    def __init__(self, client: Client, clock: Callable[[], float] = time.time) -> None:
        """Open the stream. When this returns the engine is already sending. Raises EngineError.

        Of an engine on this machine events from before are left out, on its own clock, should
        that be another: Podman writes them down late, and sends some that happened before it was
        asked.
        """
        client.negotiate()
        ahead = client.clock.ahead
        # How far it is ahead is known to half a second.
        opened = clock() + ahead - 0.5 if ahead else clock()
        self.opened = opened if client.endpoint.scheme == "unix" else 0.0
        self.connection: Connection = client.open()
        try:
            # HTTP/1.0: the body then comes as it is, without chunks, until the connection ends.
            self.connection.send("GET", client.versioned("/events"), version="1.0")
            if self.connection.receive_head() >= 400:
                self.connection.receive_rest().checked()
        except OSError as error:
            self.connection.close()
            raise ProtocolError(
                f"the connection broke while asking GET /events: {error.strerror or error}. "
                "Is the engine being restarted?"
            ) from None
        except BaseException:
            self.connection.close()
            raise
        self.connection.sock.settimeout(0)
        self.held = b""

    def poll(self) -> list[Event]:
        """The events that have come since the last call; never waits.

        Raises ProtocolError where the engine ended the stream: nothing is known any more of what
        is in use, so nothing may be removed.
        """
        self.held += self.connection.arrived()
        *lines, rest = self.held.split(b"\n")
        self.held = rest
        events = []
        for line in lines:
            try:
                message = read_json(line.strip(_RECORD_SEPARATOR + b" \r") or b"null")
            except (ValueError, RecursionError):
                raise ProtocolError(
                    f"the answer to GET /events is garbled: {line[:60]!r} is no JSON. "
                    "Is there a proxy before the engine?"
                ) from None
            if not isinstance(message, dict):
                continue
            event = read_event(message)
            if not 0 < event.at < self.opened:
                events.append(event)
        return events

    def close(self) -> None:
        """End the stream."""
        self.connection.close()


def read_event(message: dict[str, object]) -> Event:
    """One message of ``GET /events``."""
    actor = message.get("Actor")
    actor = actor if isinstance(actor, dict) else {}
    attributes = actor.get("Attributes")
    attributes = attributes if isinstance(attributes, dict) else {}
    return Event(
        kind=str(message.get("Type") or ""),
        action=str(message.get("Action") or "").partition(":")[0],
        id=str(actor.get("ID") or message.get("id") or ""),
        name=str(attributes.get("name") or ""),
        image=str(attributes.get("image") or ""),
        nanoseconds=_moment(message),
    )


def _moment(message: dict[str, object]) -> int:
    """When it happened, in nanoseconds; of an engine that gives whole seconds the beginning."""
    for key, factor in (("timeNano", 1), ("time", 10**9)):
        value = message.get(key)
        if isinstance(value, int) and value > 0:
            return value * factor
    return 0
