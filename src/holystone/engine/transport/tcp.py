"""A TCP connection to an engine, with TLS where its endpoint asks for it."""

from __future__ import annotations

import socket

from holystone.engine.transport import tls
from holystone.engine.transport.endpoint import Endpoint
from holystone.engine.transport.failures import failure, tcp_failure

_TLS_ALERT = b"\x15\x03"
_WANTS_TLS = (b"HTTP request to an HTTPS server", b"plain HTTP request was sent to HTTPS port")
"""What Go's server and nginx answer to HTTP on a port with TLS."""


def dial(endpoint: Endpoint, timeout: float) -> socket.socket:
    """A connected socket; see ``connection.connect``. Raises EngineUnreachable."""
    plain = _dial(endpoint, timeout)
    if endpoint.tls is None:
        return plain
    return tls.wrap(plain, endpoint, timeout)


class _PlainSocket(socket.socket):
    """A TCP socket that knows an answer in TLS, or one that asks for TLS, by its first bytes."""

    endpoint: Endpoint | None = None

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        data = super().recv(size, flags)
        if self.endpoint:
            if data.startswith(_TLS_ALERT) or any(words in data for words in _WANTS_TLS):
                raise failure(self.endpoint, "wants TLS")
            self.endpoint = None
        return data


def _dial(endpoint: Endpoint, timeout: float) -> socket.socket:
    port = int(endpoint.address.rpartition(":")[2])
    try:
        made = socket.create_connection((endpoint.host, port), timeout)
    except (OSError, UnicodeError) as error:
        raise tcp_failure(endpoint, error, timeout) from None
    sock = _PlainSocket(made.family, made.type, made.proto, made.detach())
    sock.settimeout(timeout)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.endpoint = endpoint if endpoint.tls is None else None
    return sock
