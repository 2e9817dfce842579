"""Read the past of an engine: its latest events, and the builds that BuildKit remembers.

Docker keeps its latest 256 events, of any kind, and none over a restart (moby ``daemon/events``,
``eventsLimit``); Podman a log on the disk. They show jobs whose containers are gone, and pulls of
images that were here already, for which no date is stored.
"""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from dataclasses import replace
from typing import NamedTuple

from holystone.engine.buildkit import Build, builds_since
from holystone.engine.client import Client, Pending, abandon
from holystone.engine.errors import EngineError, EngineRefused
from holystone.engine.events import Event, EventStream, read_events
from holystone.usage.sighting import Bookmark

KEPT_EVENTS = 256
_NEVER = -1
_KEPT_BUILDS = 50
_BUILDS = (1, 43)
"""The API version of Docker 24, whose BuildKit is the first to remember builds."""
_DAY = 86400
"""How far back (seconds) a log on the disk is read at the first look."""
_OVERLAP = 10.0
"""Seconds before the end of the newest known build that are read again: builds end while the list
is made, and one that is seen twice changes nothing."""

MORE_EVENTS = "more events than the engine keeps"
NO_EVENTS = "the engine's events begin later: it was restarted"
MORE_BUILDS = "more builds than BuildKit remembers"
REFUSED = "the engine refuses to tell its events"


class History(NamedTuple):
    """What an engine still knew since the bookmark, and whether that is all of it."""

    events: tuple[Event, ...]
    """The oldest first."""
    bookmark: Bookmark
    """How far the history has been read now."""
    missed: tuple[str, ...] = ()
    """Why something may have been missed since the last look; empty where nothing was."""


def ask_log(client: Client, bookmark: Bookmark) -> Pending:
    """Ask for the events since the newest one that was read, that one included.

    It waits for nothing that is still to happen. Raises EngineError.
    """
    podman = client.negotiate().podman
    now = client.time or f"{client.clock.now():.6f}"
    # Docker tells what happened at that moment too, Podman only what came after it.
    since = min(bookmark.events // 10**9, int(float(now)))
    if podman:
        query = f"since={since or int(float(now)) - _DAY}&stream=false"
    else:
        query = f"since={since}&until={now}"
    return client.begin([("GET", client.versioned(f"/events?{query}"))])


def read_log(client: Client, pending: Pending, bookmark: Bookmark) -> History:
    """The events that were asked for and were not read before. Raises EngineError."""
    try:
        body = client.finish(pending)[0].checked().body
    except EngineRefused:
        return History((), bookmark, (REFUSED,))
    told = sorted(read_events(body), key=lambda event: event.nanoseconds)
    new = tuple(event for event in told if event.nanoseconds > bookmark.events)
    if not bookmark.events or len(new) < len(told):
        missed: tuple[str, ...] = ()
    elif len(told) >= KEPT_EVENTS:
        # With the newest event of last time the engine no longer has those that came after it.
        missed = (MORE_EVENTS,)
    else:
        missed = (NO_EVENTS,) if bookmark.anchored else ()
    if new:
        bookmark = replace(bookmark, events=new[-1].nanoseconds, anchored=True)
    elif missed:
        now = float(client.time or client.clock.now())
        bookmark = replace(bookmark, events=int(now * 1e9), anchored=False)
    return History(new, bookmark, missed)


class HistoryReader:
    """Reads what happened on an engine since the last look: from its log, later from the stream."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._pending: Pending | None = None
        self._ahead: History | None = None
        """What was read already and not taken yet."""
        self._stream: EventStream | None = None
        self._inbox: deque[Event] = deque()
        """What came over the stream since the last look."""
        self._asked = self._joined = _NEVER
        """How often the stream had broken when the log was asked last, and when the log that was
        taken last was: since then the stream tells all, unless it broke again."""
        self._streaming = False
        """Whether this look takes its events from the stream."""

    def watch(self, stream: EventStream) -> None:
        """Take events from this stream, from the second look on: the first asks the log."""
        self._stream, self._inbox = stream, stream.inbox()
        self.parted()

    def parted(self) -> None:
        """Ask the log at the next look: the bookmark is another one."""
        self._asked = self._joined = _NEVER

    def begin(self, bookmark: Bookmark) -> None:
        """Ask the log, where the stream has not told all since the last look. EngineError."""
        self.close()
        self._streaming = False
        if self._stream is not None and self._joined == self._stream.breaks:
            with suppress(EngineError):
                self._stream.poll()
                self._streaming = True
        if not self._streaming:
            self._asked = _NEVER if self._stream is None else self._stream.breaks
            self._pending = ask_log(self.client, bookmark)

    def peek(self, bookmark: Bookmark) -> History | None:
        """What happened, which the next ``take`` gives again; None where nothing was asked."""
        self._ahead = self._ahead or self._read(bookmark)
        return self._ahead

    def take(self, bookmark: Bookmark) -> History | None:
        """What happened; None where nothing was asked. Raises EngineError."""
        past, self._ahead = self.peek(bookmark), None
        self._joined = self._asked
        return past

    def close(self) -> None:
        """Give up on an answer that was not read."""
        if self._pending is not None:
            abandon(self._pending)
            self._pending = None

    def _read(self, bookmark: Bookmark) -> History | None:
        pending, self._pending = self._pending, None
        if pending is not None:
            return read_log(self.client, pending, bookmark)
        if not self._streaming:
            return None
        # The stream tells all that happened since the bookmark.
        told = [self._inbox.popleft() for _ in range(len(self._inbox))]
        new = [each for each in told if each.nanoseconds > bookmark.events]
        new.sort(key=lambda event: event.nanoseconds)
        if new:
            bookmark = replace(bookmark, events=new[-1].nanoseconds, anchored=True)
        return History(tuple(new), bookmark)


def read_builds(client: Client, past: History) -> tuple[History, tuple[Build, ...] | None]:
    """The builds that ended since the newest that was read; None where no engine remembers them.

    No answer is none either: a proxy before the engine may not let it through.
    """
    version = client.negotiate()
    if version.podman or version.api < _BUILDS:
        return past, None
    known = past.bookmark.builds
    try:
        told = builds_since(client, known - _OVERLAP)
    except EngineError:
        return past, None
    newest = max((build.ended for build in told.builds), default=0.0)
    missed = past.missed
    if known and told.remembered >= _KEPT_BUILDS and told.oldest > known:
        missed = (*missed, MORE_BUILDS)
    bookmark = replace(past.bookmark, builds=max(known, newest))
    return past._replace(bookmark=bookmark, missed=missed), told.builds
