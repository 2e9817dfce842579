"""An empty scripted engine to spoil, and a proxy before a real one that meddles with removals."""

from __future__ import annotations

import contextlib
import os
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.engine_client.misbehaving import Behaviour, InTurn, answers

EMPTY: dict[str, Behaviour | InTurn] = {
    "GET /info": answers({"ID": "scripted", "Name": "scripted", "Driver": "overlay2"}),
    "GET /images/json": answers([]),
    "GET /containers/json": answers([]),
    "GET /networks": answers([]),
    "GET /volumes": answers({"Volumes": []}),
    "GET /system/df": answers({"BuildCache": [], "Volumes": []}),
    "GET /events": [b"HTTP/1.0 200 OK\r\n\r\n", 60.0],
}
"""An engine with nothing in it: spoil one entry, and it fails there."""

Gate = Callable[[int], bytes | None]
"""Asked before each removal, with its number from 0: bytes answer it in the engine's place, None
lets it through. Raise ``Dead`` to take the engine away for good."""


class Dead(Exception):
    """The engine is to be gone from now on."""


class Proxy:
    """Stands before an engine's socket; counts and gates what removes something."""

    def __init__(self, engine: Path, folder: str, gate: Gate) -> None:
        """Listen on a socket in ``folder``."""
        self.engine = str(engine)
        self.path = os.path.join(folder, "proxy.sock")
        self.host = f"unix://{self.path}"
        self.gate = gate
        self.removals: list[str] = []
        """Method and path of each, those answered here included."""
        self.sockets: list[socket.socket] = []
        self.lock = threading.Lock()
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(self.path)
        os.chmod(self.path, 0o600)
        self.listener.listen(64)
        self.threads: list[threading.Thread] = []
        self._start(self._accept)

    def die(self) -> None:
        """End every connection and take no more."""
        with self.lock:
            for each in (self.listener, *self.sockets):
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Die, and leave nothing behind."""
        self.die()
        for thread in self.threads:
            thread.join(5)
        for each in (self.listener, *self.sockets):
            each.close()

    def _start(self, work: Callable[..., None], *arguments: socket.socket) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self.threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                engine = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                engine.connect(self.engine)
                with self.lock:
                    self.sockets += [client, engine]
                self._start(self._requests, client, engine)
                self._start(self._answers, client, engine)

    def _requests(self, client: socket.socket, engine: socket.socket) -> None:
        """The client never sends a request before it has the last answer: one read, one request."""
        with contextlib.suppress(OSError):
            while data := client.recv(1 << 16):
                answer = self._ask(data) if data.startswith((b"DELETE ", b"POST /v")) else None
                if answer is None:
                    engine.sendall(data)
                else:
                    client.sendall(answer)
            engine.shutdown(socket.SHUT_WR)

    def _answers(self, client: socket.socket, engine: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := engine.recv(1 << 16):
                client.sendall(data)
            client.shutdown(socket.SHUT_RDWR)

    def _ask(self, data: bytes) -> bytes | None:
        with self.lock:
            number = len(self.removals)
            self.removals.append(data.partition(b" HTTP")[0].decode())
        try:
            return self.gate(number)
        except Dead:
            self.die()
            raise OSError from None


@contextlib.contextmanager
def proxied(engine: Path, gate: Gate = lambda number: None) -> Iterator[Proxy]:
    """A proxy before the engine that listens on this socket."""
    with tempfile.TemporaryDirectory(prefix="proxy-") as folder:
        proxy = Proxy(engine, folder, gate)
        try:
            yield proxy
        finally:
            proxy.close()
