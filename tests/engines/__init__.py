"""Private real engines and registries for tests and benches, none of them the system's own.

By hand: ``python -m tests.engines --help``. From a test: the fixtures in ``tests/conftest.py``
(``engine``, ``fresh_engine``, ``own_engine``, ``engines``, ``registry``, ``unique``), with
``tests.engines.images`` to fill an engine. From a script::

    engine = start_engine("docker28c")
    engine.docker("info")
    engine.api("GET", "/images/json")
    engine.stop()  # or the end of the script, in whatever way it comes
"""

from __future__ import annotations

from .api import ApiError, EngineApi
from .engine import Engine, running, start_engine, stop_recorded
from .kept import EngineFailed, EngineUnavailable
from .kinds import KINDS, Kind
from .registry import Registry, start_registry

__all__ = [
    "KINDS",
    "ApiError",
    "Engine",
    "EngineApi",
    "EngineFailed",
    "EngineUnavailable",
    "Kind",
    "Registry",
    "running",
    "start_engine",
    "start_registry",
    "stop_recorded",
]
