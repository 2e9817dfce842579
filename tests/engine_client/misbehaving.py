"""A small engine on a unix socket whose answers are scripted, to the byte and to the second.

    with misbehaving({"GET /images/json": cut_body([{"Id": "sha256:1"}], after=5)}) as host:
        ...  # host is "unix:///..."; host.requests lists what was asked

A request is looked up as it came, then without its API version, then without its query as well;
one for past events, whose query has the time in it, as ``GET /events?past``. ``GET /version`` has
an answer of its own, and whatever is not found gets a 404.
"""

from __future__ import annotations

import contextlib
import enum
import json
import os
import re
import socket
import tempfile
import threading
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

VERSION = {"Version": "20.10.24", "ApiVersion": "1.41", "MinAPIVersion": "1.12"}
_VERSION_PREFIX = re.compile(r" /v\d+\.\d+/")


class Then(enum.Enum):
    """How a connection goes on after an answer."""

    CLOSE = "close it"
    HANG = "keep it open and never send anything more"


CLOSE, HANG = Then.CLOSE, Then.HANG

Behaviour = list[bytes | float | Then | threading.Barrier]
"""Bytes to send, seconds to wait, requests to wait for, and how to go on; without that the next
request is read."""


class InTurn(NamedTuple):
    """One behaviour after the other; the last one stays."""

    behaviours: tuple[Behaviour, ...]


def in_turn(*behaviours: Behaviour) -> InTurn:
    """Another answer each time."""
    return InTurn(behaviours)


def answers(body: Any, status: int = 200) -> Behaviour:
    """A proper answer in JSON."""
    return raw(json.dumps(body).encode(), status)


def raw(body: bytes, status: int = 200, *, length: int | None = None) -> Behaviour:
    """A proper answer with any body; ``length`` to lie about how long it is."""
    told = len(body) if length is None else length
    return [_head(status, f"Content-Length: {told}") + body]


def refuses(status: int, message: str) -> Behaviour:
    """An error as the engine puts it."""
    return answers({"message": message}, status)


def together(barrier: threading.Barrier, body: Any) -> Behaviour:
    """A proper answer once so many requests have come that wait for one another."""
    return [barrier, *answers(body)]


def slow(seconds: float, body: Any) -> Behaviour:
    """A proper answer, after a while."""
    return [seconds, *answers(body)]


def drips(body: Any, pause: float, size: int = 1) -> Behaviour:
    """A proper answer in pieces of ``size`` bytes with a pause before each, head included."""
    whole = b"".join(part for part in answers(body) if isinstance(part, bytes))
    script: Behaviour = []
    for start in range(0, len(whole), size):
        script += [pause, whole[start : start + size]]
    return script


def chunked(body: Any, size: int = 7) -> Behaviour:
    """A proper answer in chunks of ``size`` bytes."""
    return [_head(200, "Transfer-Encoding: chunked") + _chunks(body, size) + b"0\r\n\r\n"]


def until_close(body: Any) -> Behaviour:
    """A proper answer that ends where the connection ends."""
    return [_head(200, "Connection: close") + json.dumps(body).encode(), CLOSE]


def cut_head() -> Behaviour:
    """Half a head, then the end."""
    return [b"HTTP/1.1 200 OK\r\nContent-Ty", CLOSE]


def cut_body(body: Any, after: int, then: Then = CLOSE) -> Behaviour:
    """A Content-Length for the whole body, but only its first ``after`` bytes."""
    whole = json.dumps(body).encode()
    return [_head(200, f"Content-Length: {len(whole)}") + whole[:after], then]


def cut_chunk(body: Any, size: int = 7, then: Then = CLOSE) -> Behaviour:
    """Chunks, the last of which ends in its middle."""
    return [_head(200, "Transfer-Encoding: chunked") + _chunks(body, size)[: -2 - size // 2], then]


def no_last_chunk(body: Any) -> Behaviour:
    """All chunks but the empty one that says the body is whole."""
    return [_head(200, "Transfer-Encoding: chunked") + _chunks(body, 7), CLOSE]


def bad_chunk() -> Behaviour:
    """A chunk size that is no number."""
    return [_head(200, "Transfer-Encoding: chunked") + b"xyz\r\n[]\r\n0\r\n\r\n", CLOSE]


def garbage() -> Behaviour:
    """Bytes that are no HTTP."""
    return [b"SSH-2.0-OpenSSH_9.2\r\n", CLOSE]


def no_json() -> Behaviour:
    """HTTP, but a web page instead of JSON."""
    return raw(b"<html><body>It works!</body></html>")


def silent() -> Behaviour:
    """Never an answer."""
    return [HANG]


def closes() -> Behaviour:
    """No answer, the connection ends."""
    return [CLOSE]


class Host(str):
    """The server's URL, and what it was asked so far (``"GET /v1.41/images/json"``)."""

    __slots__ = ("connections", "requests")
    requests: list[str]
    connections: int


@contextlib.contextmanager
def misbehaving(script: Mapping[str, Behaviour | InTurn]) -> Iterator[Host]:
    """A server that follows the script until the block ends; yields its URL for ``--host``."""
    with tempfile.TemporaryDirectory(prefix="misbehaving-") as folder:
        path = os.path.join(folder, "engine.sock")
        server = _Server(path, script)
        try:
            yield server.host
        finally:
            server.close()


class _Server:
    def __init__(self, path: str, script: Mapping[str, Behaviour | InTurn]) -> None:
        self.host = Host(f"unix://{path}")
        self.host.requests = []
        self.host.connections = 0
        self.script = {"GET /version": answers(VERSION), **script}
        self.turns: dict[str, int] = {}
        self.lock = threading.Lock()
        self.over = threading.Event()
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(path)
        self.listener.listen(64)
        self.connections: list[socket.socket] = []
        self.threads = [threading.Thread(target=self.accept, daemon=True)]
        self.threads[0].start()

    def accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                self.host.connections += 1
                self.connections.append(connection)
                thread = threading.Thread(target=self.serve, args=(connection,), daemon=True)
                self.threads.append(thread)
            thread.start()

    def serve(self, connection: socket.socket) -> None:
        broken = (OSError, threading.BrokenBarrierError)
        with contextlib.suppress(*broken), connection, connection.makefile("rb") as incoming:
            while request := _request(incoming):
                for step in self.behaviour(request):
                    if isinstance(step, bytes):
                        connection.sendall(step)
                    elif isinstance(step, threading.Barrier):
                        step.wait(10)
                    elif isinstance(step, float | int):
                        self.over.wait(step)
                    else:
                        self.over.wait(None if step is HANG else 0)
                        return connection.shutdown(socket.SHUT_RDWR)
                    if self.over.is_set():
                        return None
        return None

    def behaviour(self, request: str) -> Behaviour:
        plain = _VERSION_PREFIX.sub(" /", request)
        with self.lock:
            self.host.requests.append(request)
            path = "GET /events?past" if "/events?" in plain else plain.partition("?")[0]
            for key in (request, plain, path):
                if key in self.script:
                    found = self.script[key]
                    if not isinstance(found, InTurn):
                        return found
                    turn = self.turns.get(key, 0)
                    self.turns[key] = turn + 1
                    return found.behaviours[min(turn, len(found.behaviours) - 1)]
        return refuses(404, "page not found")

    def close(self) -> None:
        self.over.set()
        # Closing alone would not wake the thread that accepts.
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        with self.lock:
            for connection in self.connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join(5)


def _request(incoming: Any) -> str:
    """The next request's method and path; its headers and body are read away."""
    first = incoming.readline().decode("latin-1").split()
    length = 0
    while (line := incoming.readline().strip().lower()) != b"":
        if line.startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
    incoming.read(length)
    return " ".join(first[:2])


def _head(status: int, *headers: str) -> bytes:
    lines = (f"HTTP/1.1 {status} Scripted", "Content-Type: application/json", *headers)
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _chunks(body: Any, size: int) -> bytes:
    whole = json.dumps(body).encode()
    parts = [whole[start : start + size] for start in range(0, len(whole), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)
