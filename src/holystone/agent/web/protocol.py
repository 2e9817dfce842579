"""A connection: uvicorn's, with an end to all waiting for a slow or silent client."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from holystone.agent.web.peer import SOCKET, Peer, user_of

HEAD_SECONDS = 10.0
"""How long a client may take for the head of its first request."""
READ_SECONDS = 30.0
"""How long a client may leave an answer unread."""
MOST_CONNECTIONS = 128
"""On each listener."""


class Connection(H11Protocol):
    """One connection. The listener's ``Peer`` is in its state; here it learns who this one is."""

    _head: asyncio.TimerHandle | None = None
    """Ends the wait for the head of a request."""
    _unread: asyncio.TimerHandle | None = None
    """Ends the wait for a client that does not read."""

    def connection_made(  # type: ignore[override] # as uvicorn has it
        self, transport: asyncio.Transport
    ) -> None:
        """Learn who is there; refuse one too many."""
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            transport.abort()
            return
        peer: Peer = self.app_state["peer"]
        if peer.listener == SOCKET:
            peer = peer._replace(uid=user_of(transport.get_extra_info("socket")))
        elif self.client is not None:
            peer = peer._replace(address=self.client[0])
        self.app_state = {**self.app_state, "peer": peer}
        self._head = self.loop.call_later(HEAD_SECONDS, transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop all timers."""
        for timer in (self._head, self._unread):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came, and see that a head does not take too long."""
        super().data_received(data)
        if self._is_answering():
            # The body has a time of its own; see ``requests.body``.
            if self._head is not None:
                self._head.cancel()
                self._head = None
        elif self._head is None and self.timeout_keep_alive_task is None:
            # The next request has begun, or the rest of a body comes that nobody reads.
            self._head = self.loop.call_later(HEAD_SECONDS, self.transport.abort)

    def _is_answering(self) -> bool:
        """Whether the head of a request is here, and its answer is not complete."""
        cycle: RequestResponseCycle | None = vars(self)["cycle"]
        return cycle is not None and not cycle.response_complete

    def pause_writing(self) -> None:
        """Much of an answer was not read: give the client a while."""
        super().pause_writing()
        self._abort_unread()

    def resume_writing(self) -> None:
        """The client reads."""
        super().resume_writing()
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def timeout_keep_alive_handler(self) -> None:
        """No next request came."""
        super().timeout_keep_alive_handler()
        # A connection that was closed stays open until its last answer was read.
        self._abort_unread()

    def _abort_unread(self) -> None:
        if self._unread is None:
            self._unread = self.loop.call_later(READ_SECONDS, self.transport.abort)
