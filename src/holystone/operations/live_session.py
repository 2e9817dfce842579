"""The host behind an engine, and its ledger."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager

from holystone.engine.client import Client
from holystone.engine.observe import Begun
from holystone.operations.live_host import LiveHost
from holystone.store.engine_facts import mark
from holystone.store.folder import default_folder
from holystone.store.store import Store


@contextmanager
def live_session(
    client: Client,
    begun: Begun | None,
    state: str | None,
    environ: Mapping[str, str],
    warn: Callable[[str], None],
    *,
    hot: bool = False,
) -> Iterator[tuple[LiveHost, Store]]:
    """The host and the ledger; for ``begun`` see ``LiveHost``, for the rest ``connect``."""
    with ExitStack() as ends:
        ledger = Store(state or default_folder(environ), warn)
        ends.callback(ledger.close)
        if client.negotiate().podman:
            ends.callback(_recall_engine(client, ledger))
        if hot:
            from holystone.operations.hot_host import HotHost  # Only a daemon needs it.

            live: LiveHost = HotHost(client, ledger)
        else:
            live = LiveHost(client, ledger, begun=begun)
        ends.callback(live.close)
        yield live, ledger


def _recall_engine(client: Client, ledger: Store) -> Callable[[], None]:
    """Tell the client what is remembered of a Podman; what keeps what it says anew."""
    if client.endpoint.scheme != "unix":
        return lambda: None
    known_by = mark(client.endpoint.address, client.negotiate().engine)
    known = ledger.recall_engine(known_by, time.time()) if known_by else None
    client.info = known

    def remember() -> None:
        if known_by and client.info is not None and client.info is not known:
            ledger.remember_engine(known_by, client.info, time.time())

    return remember
