"""Server-sent events: how it stands with the agent, each time that changes.

A stream looks at the version of the state a few times a second, which costs next to nothing and
bounds the number of its events.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from holystone.agent.state import State
from holystone.agent.web.errors import ApiError
from holystone.present.document import Document, dump

MEDIA = "text/event-stream"
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


@dataclass(slots=True)
class Streams:
    """The streams that are open."""

    state: State
    document: Callable[[], Document]
    """What an event tells."""
    most: int = 32
    pause: float = 0.25
    """Seconds between two looks."""
    alive: float = 15.0
    """Seconds of silence after which a comment goes out."""
    open: int = 0
    stopped: bool = False

    def answer(self, method: str) -> Response:
        """A stream; for HEAD its head alone. Raises ApiError where there are too many."""
        if method == "HEAD":
            return Response(headers=_HEADERS | {"Content-Type": f"{MEDIA}; charset=utf-8"})
        if self.open >= self.most:
            retry = {"Retry-After": "15"}
            message = f"{self.most} streams of events are open, and no more may be"
            raise ApiError(503, "too_many", message, "Close one.", retry)
        return _Stream(self)

    async def events(self) -> AsyncIterator[str]:
        """The state now and after each change, until the agent stops."""
        loop = asyncio.get_running_loop()
        yield "retry: 3000\n\n"
        version, said_at = -1, loop.time()
        while not self.stopped:
            if self.state.version != version:
                version = self.state.version
                data = self.document()
                # Dumped, it is one line.
                yield f"id: {version}\nevent: state\ndata: {dump(data)}\n\n"
                said_at = loop.time()
            elif loop.time() - said_at >= self.alive:
                yield ": still here\n\n"
                said_at = loop.time()
            await asyncio.sleep(self.pause)


class _Stream(StreamingResponse):
    """A stream that counts itself while it is open."""

    def __init__(self, streams: Streams) -> None:
        super().__init__(streams.events(), headers=_HEADERS, media_type=MEDIA)
        self.streams = streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.streams.open += 1
        try:
            await super().__call__(scope, receive, send)
        finally:
            self.streams.open -= 1
