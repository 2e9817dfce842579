"""Connect to a host: an engine with its stored state, or the built-in demo host."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from threading import Timer
from typing import TYPE_CHECKING, NamedTuple, Self

from holystone.engine.client import Client
from holystone.engine.transport import connection
from holystone.engine.transport.endpoint import Endpoint, resolve
from holystone.operations.agent_socket import find_socket

if TYPE_CHECKING:
    from holystone.engine.host import Host
    from holystone.planner.inventory import Inventory
    from holystone.planner.policy import Policy
    from holystone.store.store import Store

_PATIENCE = 2.0
"""Seconds of silence from an engine before the caller gets a warning."""
SILENCE = 10.0
"""Seconds: how long an engine may be silent by default; see ``engine.transport.http``."""


class Wanted(NamedTuple):
    """What an observation asks an engine for; see ``Host.observe``."""

    sizes: bool
    every: bool


def wanted(policy: Policy, *, sizes: bool = False, whole: bool = True) -> Wanted:
    """What a plan with this policy takes. ``whole``: images that stay are to be shown too."""
    # Which images a name means only all of them tell.
    named = policy.only is not None and any(each.text for each in policy.only)
    some = not (whole or named) and policy.takes.tagged == "none" and policy.target is None
    return Wanted(sizes or policy.takes.volumes, not some)


def ignore(message: str) -> None:
    """Ignore a warning."""


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
    """Called, from another thread, if the engine has not answered for two seconds."""
    keep_moment: Callable[[], None] = lambda: None
    """Have later sessions find the host that a saved plan is for: the demo host ages with it."""
    asked: float = 0.0
    """When the host was asked for its first look, UTC seconds; 0 where it was not, or was read."""
    _ends: ExitStack = field(default_factory=ExitStack)

    def observe(self, *, sizes: bool = False, every: bool = True) -> Inventory:
        """Everything on the host now; see ``Host.observe``. Raises EngineError."""
        with _patience(self.slow):
            return self.host.observe(sizes=sizes, every=every)

    def complete(self, *, sizes: bool = False) -> Inventory:
        """The partial look that was just taken, with every image; see ``Host.complete``."""
        with _patience(self.slow):
            return self.host.complete(sizes=sizes)

    def close(self) -> None:
        """Let go of the host and the ledger, and keep what was learned."""
        self._ends.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
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
    ahead: Wanted | None = None,
    watch: bool = False,
    hot: bool = False,
    agent: bool = False,
) -> Session:
    """The host of this URL or docker context, else the one the environment names.

    ``timeout`` is how many seconds the engine may be silent, ``state`` the folder of the ledger,
    ``warn`` takes what goes wrong without ending an operation. ``past`` and ``planned_at`` (UTC
    seconds) are for the demo host: see ``open_demo``. ``ahead`` is what will be observed first: the
    engine is asked for it at once, and works while the rest of the program is imported. With
    ``watch`` its events are followed from before that. ``hot`` is for a session with many looks:
    see ``HotHost``. ``agent`` is for a session that only looks: where an agent runs for this host,
    it is asked in place of the engine, and an operation may raise BeyondAgent. Raises EngineError.
    """
    environ = os.environ if environ is None else environ
    endpoint = resolve(host, context, environ)
    if endpoint.scheme == "demo":
        # A real host does not need the dozen files of the demo host.
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
    if agent and (known := _from_agent(endpoint, state, environ, warn, ahead)):
        return known
    return _reach(endpoint, timeout, state, environ, warn, slow, ahead, watch=watch, hot=hot)


def _from_agent(
    endpoint: Endpoint,
    state: str | None,
    environ: Mapping[str, str],
    warn: Callable[[str], None],
    ahead: Wanted | None,
) -> Session | None:
    """The host as an agent knows it; None where none runs for it."""
    from holystone.store.folder import default_folder

    folder = state or default_folder(environ)
    path = _agent_socket(folder, environ)
    if not path:
        return None
    from holystone.operations.agent_host import ask_agent
    from holystone.store.store import Store

    ledger = Store(folder, warn)
    host = ask_agent(
        path,
        endpoint.url,
        lambda: ledger.recall_leases(time.time()),
        every=ahead is None or ahead.every,
    )
    if host is None:
        ledger.close()
        return None
    ends = ExitStack()
    ends.callback(ledger.close)
    asked = host.told.looked_at
    return Session(host, endpoint.url, ledger, warn=warn, asked=asked, _ends=ends)


def _agent_socket(folder: str, environ: Mapping[str, str]) -> str:
    """The path of the agent's socket; empty where there is none, or none is to be asked."""
    told = environ.get("HOLYSTONE_AGENT", "")
    if told == "off":
        return ""
    return told or find_socket(folder, environ)


def _reach(
    endpoint: Endpoint,
    timeout: float,
    state: str | None,
    environ: Mapping[str, str],
    warn: Callable[[str], None],
    slow: Callable[[], None] | None,
    ahead: Wanted | None,
    *,
    watch: bool,
    hot: bool,
) -> Session:
    client = Client(endpoint, timeout, connection.connect)
    with ExitStack() as ends:
        ends.callback(client.close)
        with _patience(slow):
            podman = client.negotiate().podman
        begun = None
        if ahead is not None and not podman:
            from holystone.engine.observe import begin

            begun = begin(client, sizes=ahead.sizes, untagged=not ahead.every, watch=watch)
            ends.callback(begun.close)
        # The rest takes as long to import as the engine to answer.
        from holystone.operations.live_session import live_session

        opened = live_session(client, begun, state, environ, warn, hot=hot)
        live, ledger = ends.enter_context(opened)
        return Session(
            live,
            endpoint.url,
            ledger,
            warn=warn,
            slow=slow,
            asked=0.0 if begun is None else begun.at,
            _ends=ends.pop_all(),
        )


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
