"""The engines of a test session: each kind starts when first asked for and serves all tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from .engine import Engine, start_engine
from .kept import EngineFailed, EngineUnavailable


class Engines:
    """Running engines by kind."""

    def __init__(self, unavailable: Callable[[str], NoReturn]) -> None:
        """``unavailable`` is told why a kind cannot run here, and skips or fails the test."""
        self._unavailable = unavailable
        self._running: dict[str, Engine] = {}
        self._failed: dict[str, EngineFailed] = {}

    def __call__(self, kind: str) -> Engine:
        """The session's engine of a kind; a new one if a test has killed it.

        Raises ``EngineFailed``, from the second time on at once, when it does not come up.
        """
        if kind in self._failed:
            raise self._failed[kind]
        if kind not in self._running or not self._running[kind].alive:
            try:
                self._running[kind] = self.own(kind)
            except EngineFailed as error:
                self._failed[kind] = error
                raise
        return self._running[kind]

    def own(self, kind: str, *arguments: str, hostname: str = "", engine_id: str = "") -> Engine:
        """A new engine for the caller alone, who stops it; ``arguments`` go to the daemon.

        For the rest see ``start_engine``.
        """
        try:
            return start_engine(kind, arguments=arguments, hostname=hostname, engine_id=engine_id)
        except EngineUnavailable as reason:
            self._unavailable(str(reason))

    def stop(self) -> None:
        """Stop them all."""
        for engine in self._running.values():
            engine.stop()
