"""The host that the agent looks after: its session, its events, and the last look at it."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from holystone.agent.logs import log
from holystone.agent.options import AgentOptions
from holystone.agent.snapshots import available, new_bytes, plan_of
from holystone.agent.standing import Standing
from holystone.agent.state import Snapshot, State
from holystone.demo.host import DemoHost
from holystone.demo.load import Load
from holystone.engine.errors import EngineError
from holystone.engine.events import Event, EventStream
from holystone.operations.connect import Session, connect
from holystone.operations.hot_host import HotHost
from holystone.operations.survey import Survey, survey
from holystone.planner.inventory import Disk
from holystone.planner.names import complete
from holystone.planner.plan import plan
from holystone.planner.policy import LEVELS, Policy
from holystone.store import StoreError

_SETTLE = 0.5
"""Seconds after an event before the host is looked at: most events come in groups."""
_REST = (20.0, 15.0)
"""A look waits so many times as long as the last one took, at most so many seconds."""
_IDLE = 300.0
"""Seconds between looks where no event asks for one: BuildKit sends no events."""
_EACH = 60.0
"""Seconds between plans of the levels that metrics tell of."""
_ON_THEIR_WAY = (0.0, 0.01)
"""Seconds before each reading of the events: an event comes a moment after the change."""
_MOST_UNREAD = 10_000
"""Events after which the host is looked at, though none of them asks for it."""
_PASSING = ("exec_", "health_status", "top", "attach", "detach", "resize", "archive-", "export")
"""Beginnings of what happens to a container all the time and changes nothing that counts."""
_ARRIVED = frozenset({"pull", "load", "import", "build", "tag"})


class HostWatch:
    """Keeps the snapshot current. ``look`` is for one thread, ``follow`` for another."""

    def __init__(self, options: AgentOptions, state: State, warn: Callable[[str], None]) -> None:
        self.options = options
        self.state = state
        self.standing = Standing(state)
        self.warn = warn
        self.session: Session | None = None
        self.woken = threading.Event()
        """Set when events came that ask for a look, or for a look at the disk."""
        self._noting = threading.Lock()
        self._inbox: deque[Event] = deque()
        self._stream: EventStream | None = None
        self._changed_at: float | None = None
        self._looked = self._planned = float("-inf")
        self._planned_for = 0.0
        self._removed = False
        self._took = 0.0
        self._whole = 0.0
        self._breaks = 0
        self._pulled: set[str] = set()
        self._unread = 0
        """Events since the last look: those who look at them later keep them until then."""
        self._load: Load | None = None
        """What keeps the demo host busy."""
        self._volumes: dict[str, tuple[int | None, int | None]] = {}
        """Sizes of volumes when they were last measured, and how much of them is certain."""

    def connect(self) -> Session:
        """The session, opened where there is none. Raises EngineError."""
        if self.session is None:
            told = self.options
            self.session = connect(
                told.host,
                context=told.context,
                timeout=told.timeout,
                state=told.state,
                environ=told.environ,
                warn=self.warn,
                hot=True,
            )
            self.session.ledger.runs.closed = self._settled
            if told.load and isinstance(self.session.host, DemoHost):
                self._load = Load(self.session.host)
        return self.session

    def close(self) -> None:
        """Let go of the host, and keep what was learned."""
        session, self.session, self._stream = self.session, None, None
        if session is not None:
            session.close()

    def _settled(self, number: int) -> None:
        """Say what became of a run that was killed."""
        run = None
        if self.session is not None:
            with suppress(StoreError):
                run = self.session.ledger.runs.get(number)
        if run is not None:
            log.info(
                "settled a run that was killed",
                run=number,
                clean=run.level,
                by=run.job,
                removed=run.removed,
                not_removed=run.failed + run.skipped,
                unknown=run.unknown,
                freed_bytes=run.freed_bytes,
            )

    # Events

    def follow(self, timeout: float) -> None:
        """Read events for a while; notes what they ask for. Never raises EngineError."""
        stream = self._stream
        if stream is None:
            time.sleep(timeout)
            if self._load is not None and self._load.turn():
                self.changed()
            return
        try:
            stream.wait(timeout)
        except (EngineError, OSError, ValueError):
            time.sleep(timeout)  # It is closed while the session is.
        if stream.breaks != self._breaks:
            self.state.lost_events += stream.breaks - self._breaks
            self._breaks = stream.breaks
            self.changed()
        self._note_all()

    def catch_up(self) -> None:
        """Note the events that have come by now, and those that are on their way."""
        stream = self._stream
        for pause in _ON_THEIR_WAY:
            if stream is None:
                break
            time.sleep(pause)
            with suppress(EngineError, OSError, ValueError):
                stream.poll()
        self._note_all()

    def _note_all(self) -> None:
        with self._noting:
            while self._inbox:
                self._note(self._inbox.popleft())

    def _note(self, event: Event) -> None:
        self.state.events[event.kind] += 1
        self._unread += 1
        if self._unread > _MOST_UNREAD:
            self.changed()  # A look empties the queues.
        if event.kind == "container" and event.action.startswith(_PASSING):
            return
        if event.kind == "image":
            if event.action == "pull":
                self._pulled.update(filter(None, (complete(event.id), complete(event.name))))
            elif event.action == "push":
                return
        self.changed()
        if event.action in _ARRIVED or event.action == "die":
            self.woken.set()

    def changed(self) -> None:
        """Have the host looked at soon."""
        if self._changed_at is None:
            self._changed_at = time.monotonic()

    def job_ended(self, *, removed: bool) -> None:
        """Have the host looked at soon; where it removed anything the levels are planned anew."""
        self._removed |= removed
        self.changed()
        self.woken.set()

    @property
    def behind(self) -> bool:
        """Whether something has changed that the snapshot does not show yet."""
        return self._changed_at is not None

    # Looks

    def due_in(self, look_again: float) -> float:
        """Seconds until the next look; 0 where it is due."""
        now = time.monotonic()
        at = self._looked + min(_IDLE, look_again)
        if self._changed_at is not None:
            at = min(at, max(self._changed_at + _SETTLE, self._looked + self._rest()))
        return max(0.0, at - now)

    def _rest(self) -> float:
        times, most = _REST
        return min(times * self._took, most)

    def look(self, policy: Callable[[str], Policy], *, look_again: float, whole: bool) -> Snapshot:
        """Look at the host, and plan. Raises EngineError.

        ``policy`` gives that of a level. ``whole``: ask for everything anew, and measure volumes.
        """
        session = self.connect()
        began, self._changed_at, self._unread = time.monotonic(), None, 0
        at = time.time()
        whole = whole or at - self._whole >= look_again or at < self._whole
        host = session.host
        if whole and isinstance(host, HotHost):
            host.forget()
        host.watch()
        self._subscribe(host)
        # What a weekly clean needs is all that any plan needs, but for the sizes of volumes.
        weekly = policy("weekly")
        wanted = weekly._replace(takes=weekly.takes._replace(volumes=False), target=None)
        found = survey(session, wanted, sizes=whole, layers=True, about=())
        if whole:
            self._whole = at
            self._volumes = {v.name: (v.size, v.at_least) for v in found.inventory.volumes}
        snapshot = self._snapshot(found, policy, at)
        self._looked = time.monotonic()
        self._took = self._looked - began
        self.standing.looked(snapshot)
        if self._removed:
            self._removed, self._planned = False, float("-inf")
        self.plan_levels(policy)
        return snapshot

    def disk(self) -> Disk:
        """The engine's disk now; unknown before the first look. Asks no engine."""
        return Disk() if self.session is None else self.session.host.disk()

    def _subscribe(self, host: object) -> None:
        stream = host.stream if isinstance(host, HotHost) else None
        if stream is not None and stream is not self._stream:
            self._inbox, self._breaks = stream.inbox(), stream.breaks
            self._stream = stream

    def _snapshot(self, found: Survey, policy: Callable[[str], Policy], at: float) -> Snapshot:
        volumes = (
            each._replace(size=size, at_least=least)
            for each in found.inventory.volumes
            for size, least in [self._volumes.get(each.name, (None, None))]
        )
        inventory = found.inventory._replace(volumes=tuple(volumes))
        before = self.state.now.snapshot
        pulled, self._pulled = self._pulled, set()
        if before is not None and pulled:
            self.state.pulled_bytes += new_bytes(before.inventory.images, inventory.images, pulled)
        made = plan(inventory, found.usage, policy("routine"), inventory.taken_at)
        return Snapshot(inventory, found.usage, made, at, self._whole)

    def plan_levels(self, policy: Callable[[str], Policy]) -> None:
        """Note what each level would free, and how much of the disk cleans for space could free.

        That takes a plan each: a new snapshot waits until the last plans are a minute old.
        """
        snapshot = self.state.now.snapshot
        if snapshot is None or snapshot.looked_at == self._planned_for:
            return
        if time.monotonic() - self._planned < _EACH:
            return
        self._planned, self._planned_for = time.monotonic(), snapshot.looked_at
        told = {}
        for level in LEVELS:
            made = plan_of(snapshot, policy(level))
            told[level] = (made.plan.freed_bytes, len(made.plan.steps))
        self.state.reclaimable = told
        self.state.available = available(snapshot, policy("routine"))
