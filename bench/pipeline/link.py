"""A link of limited bandwidth to a registry, which counts what comes through it."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from types import TracebackType
from typing import Self

from bench.pipeline.pace import Pace

_PIECE = 1 << 16


class Link:
    """A TCP proxy on a loopback port before a registry on another.

    What the registry answers comes at ``rate`` bytes a second, over all connections together;
    what is asked of it goes unhindered. ``pulled`` is the bytes that came so far, headers
    included.
    """

    def __init__(self, registry: int, rate: float) -> None:
        """``registry`` is its port on the loopback interface."""
        self.pulled = 0
        self._registry = registry
        self._pace = Pace(rate)
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        # Closing alone would leave the thread in accept().
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._registry))
                for copy, source, target in (
                    (self._forward, client, server),
                    (self._limited, server, client),
                ):
                    threading.Thread(target=copy, args=(source, target), daemon=True).start()

    def _forward(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(_PIECE):
                target.sendall(piece)
        _end(target)

    def _limited(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(_PIECE):
                with self._lock:
                    self.pulled += len(piece)
                time.sleep(self._pace.wait_for(len(piece)))
                target.sendall(piece)
        _end(target)
        for each in (source, target):
            each.close()


def _end(target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
