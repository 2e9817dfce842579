"""Whether the engine answers, as looks, jobs and pings find: the one place that says so."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from holystone.agent.logs import log
from holystone.agent.state import DOWN, STARTING, UP, Snapshot, State


class Standing:
    """Keeps ``State.now.engine``, and tells the log of each change. Safe to use from all threads.

    An engine that answers pings may still answer nothing else, and the other way round: it is up
    where neither failed.
    """

    def __init__(self, state: State, clock: Callable[[], float] = time.monotonic) -> None:
        self.state = state
        self._clock = clock
        self._heard = clock()
        """When the engine last gave a sign of life; the start, where it gave none."""
        self._lock = threading.Lock()
        self._failed = ""
        """Why the last look or job failed; empty where a look ended well since."""
        self._silent = ""
        """Why pings are not answered; empty where they are."""

    def looked(self, snapshot: Snapshot) -> None:
        """A look ended well."""
        with self._lock:
            self._failed = self._silent = ""
            self._heard = self._clock()
            self._tell(snapshot)

    def failed(self, why: str) -> None:
        """A look or a job could not be done."""
        with self._lock:
            self._failed = why
            self._tell(self.state.now.snapshot)

    def silent(self, why: str) -> None:
        """Pings have not been answered for long enough."""
        with self._lock:
            self._silent = why
            self._tell(self.state.now.snapshot)

    def answers(self) -> None:
        """A ping was answered."""
        with self._lock:
            self._heard = self._clock()
            if self._silent:
                self._silent = ""
                self._tell(self.state.now.snapshot)

    def _tell(self, snapshot: Snapshot | None) -> None:
        now = self.state.now
        why = self._failed or self._silent
        engine = DOWN if why else STARTING if snapshot is None else UP
        changes: dict[str, Any] = {"snapshot": snapshot, "engine_said": why}
        if engine != now.engine:
            unheard = self._clock() - self._heard if engine == DOWN else 0.0
            changes |= {"engine": engine, "engine_since": time.time(), "engine_unheard": unheard}
        self.state.set(**changes)
        if engine == now.engine:
            return
        if engine == DOWN:
            log.warning("the engine does not answer", why=why)
        elif snapshot is not None:
            known = snapshot.inventory.engine
            log.info(
                "the engine answers again" if now.engine == DOWN else "the engine answers",
                engine=now.endpoint,
                name=known.name,
                version=known.version,
                store=known.store,
            )
