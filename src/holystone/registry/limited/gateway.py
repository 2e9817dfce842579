"""A registry on a loopback port that passes on what others have, no faster than a pace.

Engines trust loopback without TLS. What it is asked for has a secret in front of it, so that nobody
else on this machine pulls with the user's logins.
"""

from __future__ import annotations

import json
import secrets
import socket
import threading
import time
from collections.abc import Callable
from http.client import HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from holystone.planner.reference import Reference
from holystone.registry.limited.pace import Pace
from holystone.registry.limited.upstream import Upstream, UpstreamError

_ASKED = ("Accept", "Range", "If-Range")
_TOLD = (
    "Content-Type",
    "Content-Length",
    "Content-Range",
    "Accept-Ranges",
    "Docker-Content-Digest",
    "ETag",
)
_LARGEST_PIECE = 1 << 16
_TLS_RECORD = b"\x16"


class Gateway:
    """The registry, while it is entered. Its upstreams are made when they are first needed."""

    def __init__(self, pace: Pace, reach: Callable[[str], Upstream]) -> None:
        """``reach`` makes the upstream for a domain."""
        self.pace = pace
        self._reach = reach
        self._secret = secrets.token_hex(8)
        self._lock = threading.Lock()
        self._upstreams: list[Upstream] = []
        gateway = self

        class Handler(_Handler):
            """Knows the gateway."""

            owner = gateway

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def offer(self, reference: Reference) -> tuple[str, str]:
        """The repository here under which a tag can be pulled, and its digest.

        Raises UpstreamError.
        """
        number, upstream = self._upstream(reference.domain)
        digest = upstream.digest(reference.path, reference.tag)
        address = f"127.0.0.1:{self._server.server_address[1]}"
        return f"{address}/{self._secret}/{number}/{reference.path}", digest

    def find(self, path: str) -> tuple[Upstream, str, str] | None:
        """The upstream, repository and rest that a path here stands for; None for any other."""
        head, _, rest = path.removeprefix("/v2/").partition("/")
        number, _, rest = rest.partition("/")
        with self._lock:
            numbered = {str(place): upstream for place, upstream in enumerate(self._upstreams)}
        known = secrets.compare_digest(head.encode(), self._secret.encode())
        if not known or number not in numbered:
            return None
        for word in ("manifests", "blobs"):
            repository, found, name = rest.rpartition(f"/{word}/")
            if found:
                return numbered[number], repository, f"{word}/{name}"
        return None

    def _upstream(self, domain: str) -> tuple[int, Upstream]:
        with self._lock:
            for number, upstream in enumerate(self._upstreams):
                if upstream.domain == domain:
                    return number, upstream
            self._upstreams.append(self._reach(domain))
            return len(self._upstreams) - 1, self._upstreams[-1]


class _Handler(BaseHTTPRequestHandler):
    """Answers one connection of the engine."""

    owner: Gateway
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Pass on a manifest or a blob."""
        if self.path in ("/v2", "/v2/"):
            self._say(200, {})
            return
        found = self.owner.find(self.path)
        if found is None:
            self._say(404, {"errors": [{"code": "NAME_UNKNOWN", "message": "no such repository"}]})
            return
        upstream, repository, rest = found
        headers = {name: ", ".join(self.headers.get_all(name, ())) for name in _ASKED}
        headers = {name: value for name, value in headers.items() if value}
        try:
            answer = upstream.open(self.command, repository, rest, headers)
        except UpstreamError as error:
            self._say(502, {"errors": [{"code": "UNKNOWN", "message": str(error)}]})
            return
        with answer:
            self._pass_on(answer)

    do_HEAD = do_GET  # noqa: N815 - as the base calls it

    def handle(self) -> None:
        """Answer what is asked, but TLS with what tells the engine to go on without it.

        It tries TLS first, and looks for ``HTTP/`` in the answer to give that up.
        """
        if self.connection.recv(1, socket.MSG_PEEK) == _TLS_RECORD:
            self.wfile.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
        else:
            super().handle()

    def _say(self, status: int, told: dict[str, Any]) -> None:
        body = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _pass_on(self, answer: Any) -> None:
        self.send_response(answer.status)
        for name in _TOLD:
            if value := answer.headers.get(name):
                self.send_header(name, value)
        if not answer.headers.get("Content-Length"):
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command == "HEAD":
            return
        pace = self.owner.pace
        piece = max(1, min(_LARGEST_PIECE, int(pace.rate / 10)))
        left = int(answer.headers.get("Content-Length") or 0)
        try:
            while some := answer.read(piece):
                time.sleep(pace.wait_for(len(some)))
                self.wfile.write(some)
                left -= len(some)
        except (OSError, HTTPException):
            left = 1
        if left > 0:
            # The engine must not take what came for the whole; it asks for the rest.
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as the base has it
        """Say nothing: the engine tells what matters."""
