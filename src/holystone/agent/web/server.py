"""Serve the application on a unix socket and, where asked for, over TCP: one loop in one thread."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import threading
from contextlib import suppress
from typing import NamedTuple

import uvicorn
from starlette.applications import Starlette
from uvicorn.server import ServerState

from holystone.agent.web.listening import ListenError, UnixSocket, listen_tcp, listen_unix
from holystone.agent.web.peer import SOCKET, Peer
from holystone.agent.web.protocol import MOST_CONNECTIONS, Connection
from holystone.agent.web.ways import as_started, ways
from holystone.config.agent_settings import Service
from holystone.operations.agent_socket import SOCKET_NAME
from holystone.outside.text import said

_HANDSHAKE_SECONDS = 10.0
_LOOKS_FOR_CLOSED = 20
IDLE_SECONDS = 20
"""How long a connection may wait for its next request."""


class _Listener(NamedTuple):
    """A socket that listens, and what its connections may do."""

    socket: socket.socket
    peer: Peer
    tls: ssl.SSLContext | None = None


class Server:
    """The server of the agent. ``folder`` is the state folder, where the socket is by default."""

    def __init__(self, app: Starlette, settings: Service, folder: str) -> None:
        self.app = app
        self.socket = settings.socket or os.path.join(folder, SOCKET_NAME)
        """The path of the unix socket."""
        self.settings = settings._replace(socket=self.socket)
        self._started_as = as_started(self.settings)
        self.addresses: tuple[str, ...] = ()
        """Where it listens over TCP, each as ``HOST:PORT``; known once it was started."""
        self._unix: UnixSocket | None = None
        self._listeners: list[_Listener] = []
        self._servers: list[asyncio.Server] = []
        self._states: list[ServerState] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = asyncio.Event()
        self._ready = threading.Event()
        self._failed: OSError | None = None
        self._patience = 5.0
        self._thread = threading.Thread(target=self._run, name="web", daemon=True)

    def start(self) -> None:
        """Listen, and return. Raises ListenError; then it listens nowhere."""
        try:
            self._listen()
        except BaseException:
            self._close()
            raise
        self._thread.start()
        self._ready.wait()
        if self._failed is not None:
            self._close()
            raise ListenError(f"cannot serve: {said(self._failed)}") from self._failed

    def changed(self, settings: Service) -> list[str]:
        """The keys that have other values by now, and take a restart to count."""
        return [
            key for key, value in as_started(settings).items() if value != self._started_as[key]
        ]

    def stop(self, timeout: float = 5.0) -> None:
        """Take no more requests, let those under way end, and return after this many seconds."""
        loop, self._patience = self._loop, timeout
        self.app.state.streams.stopped = True
        if self._thread.is_alive() and loop is not None:
            with suppress(RuntimeError):  # It has ended by itself.
                loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join(timeout + 1.0)
        self._close()

    def _listen(self) -> None:
        wanted = ways(self.settings)
        if tcp := wanted.tcp:
            made = listen_tcp(tcp.listen, tcp.places)
            self._listeners += [_Listener(each, tcp.peer, tcp.tls) for each in made]
            self.addresses = tuple(_address(each) for each in made)
        self._unix = listen_unix(wanted.socket, wanted.group, self.settings.socket_group)
        self._listeners.append(_Listener(self._unix.socket, Peer(SOCKET)))

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except OSError as error:
            self._failed = error
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        config = uvicorn.Config(
            self.app, http=Connection, ws="none", lifespan="off", loop="asyncio",
            log_config=None, log_level="error", access_log=False, proxy_headers=False,
            server_header=False, date_header=False, limit_concurrency=MOST_CONNECTIONS,
            timeout_keep_alive=IDLE_SECONDS,
        )  # fmt: skip
        config.load()
        for listener in self._listeners:
            self._servers.append(await self._begin(config, listener))
        self._ready.set()
        await self._stopping.wait()
        await self._finish()

    async def _begin(self, config: uvicorn.Config, listener: _Listener) -> asyncio.Server:
        """Accept connections. Each listener counts its own, so that none holds up another."""
        state = ServerState()
        self._states.append(state)
        return await asyncio.get_running_loop().create_server(
            lambda: Connection(config, state, {"peer": listener.peer}),
            sock=listener.socket,
            ssl=listener.tls,
            ssl_handshake_timeout=_HANDSHAKE_SECONDS if listener.tls else None,
        )

    async def _finish(self) -> None:
        """Close: idle connections at once, the others when they were answered or it is time."""
        # What was accepted a moment ago becomes a connection only while its server is there.
        for listener in self._listeners:
            asyncio.get_running_loop().remove_reader(listener.socket)
        await asyncio.sleep(0.01)
        for server in self._servers:
            server.close()
        for connection in self._connections():
            connection.shutdown()
        tasks = [task for state in self._states for task in state.tasks]
        if tasks:
            _, pending = await asyncio.wait(tasks, timeout=self._patience)
            for task in pending:
                task.cancel()
        for connection in self._connections():
            connection.transport.close()
        # What was not sent by now nobody reads.
        await self._closed()
        for connection in self._connections():
            connection.transport.abort()
        await self._closed()

    def _connections(self) -> list[Connection]:
        return [
            each
            for state in self._states
            for each in state.connections
            if isinstance(each, Connection)
        ]

    async def _closed(self) -> None:
        """Wait until all connections are closed, but not long."""
        for _ in range(_LOOKS_FOR_CLOSED):
            if not self._connections():
                return
            await asyncio.sleep(0.01)

    def _close(self) -> None:
        for listener in self._listeners:
            listener.socket.close()
        self._listeners = []
        if self._unix is not None:
            self._unix.remove()
            self._unix = None


def _address(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
