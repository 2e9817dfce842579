"""Connect to a host: an engine with what is remembered of it, or the built-in demo host."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from threading import Timer
from types import TracebackType
from typing import Self

from holystone.engine.client import Client
from holystone.engine.host import Host
from holystone.engine.transport import connection
from holystone.engine.transport.endpoint import Endpoint, resolve
from holystone.operations.live_host import LiveHost
from holystone.planner.inventory import Inventory
from holystone.store.engine_facts import mark
from holystone.store.folder import default_folder
from holystone.store.store import Store

_PATIENCE = 2.0
"""Seconds of silence from an engine before the caller is told."""
SILENCE = 10.0
"""Seconds: how long an engine may be silent by default; see ``engine.transport.http``."""


def ignore(message: str) -> None:
    """Take a warning, and tell nobody."""


def nothing() -> None:
    """Do nothing."""


@dataclass(slots=True, eq=False)
class Session:
    """One host at hand, and what is remembered of it. Close it, or use it as a context manager.

    It serves any number of operations, one after another.
    """

    host: Host
    endpoint: str
    """Where the host is, as people write it."""
    ledger: Store
    """Of the demo host one that is gone with the session, unless a state folder was named."""
    is_demo: bool = False
    warn: Callable[[str], None] = ignore
    """Takes what goes wrong without ending an operation."""
    slow: Callable[[], None] | None = None
    """Called, from a thread of its own, where the engine has not answered for two seconds."""
    keep_moment: Callable[[], None] = nothing
    """Have later sessions find the host that a saved plan is for: the demo host ages with it."""
    _ends: ExitStack = field(default_factory=ExitStack)

    def observe(self, *, sizes: bool = False, every: bool = True) -> Inventory:
        """Everything on the host now; see ``Host.observe``. Raises EngineError."""
        with _patience(self.slow):
            return self.host.observe(sizes=sizes, every=every)

    def close(self) -> None:
        """Let go of the host and the ledger, and keep what was learned."""
        self._ends.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def connect(
    host: str | None = None,
    *,
    context: str | None = None,
    timeout: float = SILENCE,
    state: str | None = None,
    environ: Mapping[str, str] | None = None,
    warn: Callable[[str], None] = ignore,
    slow: Callable[[], None] | None = None,
    past: bool = False,
    planned_at: float | None = None,
) -> Session:
    """The host of this URL or docker context, else the one the environment names.

    ``timeout`` is how many seconds the engine may be silent, ``state`` the folder of the ledger,
    ``warn`` takes what goes wrong without ending an operation. ``past`` and ``planned_at`` (UTC
    seconds) are for the demo host: see ``open_demo``. Raises EngineError.
    """
    environ = os.environ if environ is None else environ
    endpoint = resolve(host, context, environ)
    if endpoint.scheme == "demo":
        # The demo host is a dozen files that a real one does not need.
        from holystone.demo.opening import open_demo

        folder = state or environ.get("HOLYSTONE_STATE") or None
        ends = ExitStack()
        demo, ledger = ends.enter_context(open_demo(folder, warn, past=past, planned_at=planned_at))
        return Session(
            demo,
            endpoint.url,
            ledger,
            is_demo=True,
            warn=warn,
            slow=slow,
            keep_moment=demo.keep_moment,
            _ends=ends,
        )
    ledger = Store(state or default_folder(environ), warn)
    session = _connect(endpoint, timeout, ledger, slow)
    session.warn = warn
    return session


def _connect(
    endpoint: Endpoint, timeout: float, ledger: Store, slow: Callable[[], None] | None
) -> Session:
    client = Client(endpoint, timeout, connection.connect)
    with _patience(slow):
        client.negotiate()
    known_by = _recall_engine(client, ledger)
    known = client.info
    host = LiveHost(client, ledger)

    def remember_engine() -> None:
        if known_by and client.info is not None and client.info is not known:
            ledger.remember_engine(known_by, client.info, time.time())

    ends = ExitStack()
    ends.callback(ledger.close)
    ends.callback(remember_engine)
    ends.callback(host.close)
    return Session(host, endpoint.url, ledger, slow=slow, _ends=ends)


def _recall_engine(client: Client, ledger: Store) -> str:
    """Tell the client what is remembered of its engine; what that is known by, if it is kept."""
    version = client.negotiate()
    if not version.podman or client.endpoint.scheme != "unix":
        return ""
    known_by = mark(client.endpoint.address, version.engine)
    client.info = ledger.recall_engine(known_by, time.time()) if known_by else None
    return known_by


@contextmanager
def _patience(slow: Callable[[], None] | None) -> Iterator[None]:
    if slow is None:
        yield
        return
    said = Timer(_PATIENCE, slow)
    said.daemon = True
    said.start()
    try:
        yield
    finally:
        said.cancel()
