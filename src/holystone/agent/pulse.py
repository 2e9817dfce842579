"""Ask the engine every few seconds whether it is alive, also while a job runs.

An engine that hangs sends no events and breaks no connection: an agent that waits for events takes
it to be idle. ``GET /_ping`` takes no lock of the engine, so that a busy one answers it too.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from holystone.agent.logs import log
from holystone.agent.mends import for_agent
from holystone.agent.standing import Standing
from holystone.engine.client import Client
from holystone.engine.errors import EngineError
from holystone.engine.transport import connection
from holystone.engine.transport.endpoint import Endpoint

_EACH, _AGAIN = 5.0, 1.0
"""Seconds before the next ping: after an answer, and after none."""
_PATIENCE = 2
"""The engine is gone where it answered no ping for so many times the time that it is given."""


class Ping:
    """Asks an engine for a sign of life. Its connection stays open: over ssh each is a login."""

    def __init__(self, endpoint: Endpoint, timeout: float) -> None:
        """``timeout`` is how many seconds the engine has for an answer."""
        self.timeout = timeout
        self._client = Client(endpoint, timeout, connection.connect)

    def ask(self) -> None:
        """Ask once: any answer is a sign, a refusal too. Raises EngineError where none came."""
        try:
            self._client.send([("GET", "/_ping")])
        except EngineError:
            self.close()
            raise

    def close(self) -> None:
        """Close the connection; the next question opens another one."""
        self._client.close()


class Pulse(threading.Thread):
    """Pings as long as the agent runs."""

    def __init__(
        self,
        ping: Ping,
        standing: Standing,
        returned: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``returned`` is called when a ping is answered after one that was not."""
        super().__init__(name="pulse", daemon=True)
        self._ping = ping
        self._standing = standing
        self._returned = returned
        self._clock = clock
        self._unheard: float | None = None
        """When the first ping began that was not answered; None while they are answered."""
        self._stopping = threading.Event()

    def run(self) -> None:
        """Ping until told to stop."""
        pause = _EACH
        while not self._stopping.wait(pause):
            try:
                pause = self.beat()
            except Exception:  # noqa: BLE001 - one fault must not end all pings
                log.exception("a ping failed; the next one follows")
                pause = _EACH
        self._ping.close()

    def stop(self) -> None:
        """End after the ping under way."""
        self._stopping.set()

    def beat(self) -> float:
        """Ping once, and say what that means; seconds until the next one."""
        began = self._clock()
        try:
            self._ping.ask()
        except EngineError as error:
            if self._unheard is None:
                self._unheard = began
            if self._clock() - self._unheard >= _PATIENCE * self._ping.timeout:
                self._standing.silent(for_agent(str(error)))
            return _AGAIN
        self._standing.answers()
        if self._unheard is not None:
            self._unheard = None
            self._returned()
        return _EACH
