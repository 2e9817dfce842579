"""A connected socket to an endpoint, or one clear reason why there is none, and the mend."""

from __future__ import annotations

import socket
import time

from holystone.engine.transport.endpoint import Endpoint

_TLS_ALERT = b"\x15\x03"
_WANTS_TLS = (b"HTTP request to an HTTPS server", b"plain HTTP request was sent to HTTPS port")
"""What Go's server and nginx answer to HTTP on a port with TLS."""
# What explains a failure, and what speaks TLS or ssh, is loaded where a run needs it.


def connect(endpoint: Endpoint, timeout: float) -> socket.socket:
    """A connected socket; each of its operations ends after ``timeout`` seconds.

    Over ssh, and with TLS 1.3, some failures show only when the first answer is read: the socket
    then raises the same EngineUnreachable from ``sendall`` or ``recv``. Closing an ssh socket ends
    its ssh process. Raises EngineUnreachable.
    """
    if endpoint.scheme == "unix":
        return _unix(endpoint, timeout)
    if endpoint.scheme == "tcp":
        plain = _tcp(endpoint, timeout)
        if endpoint.tls is None:
            return plain
        from holystone.engine.transport import tls

        return tls.wrap(plain, endpoint, timeout)
    if endpoint.scheme == "ssh":
        from holystone.engine.transport import ssh

        return ssh.dial(endpoint, timeout)
    raise ValueError(f"{endpoint.url} is nothing to connect to")


def _unix(endpoint: Endpoint, timeout: float) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.settimeout(timeout)
    until = time.monotonic() + timeout
    try:
        while True:
            try:
                sock.connect(endpoint.address)
            except BlockingIOError:
                # A full backlog refuses at once instead of waiting: the engine is only busy.
                if time.monotonic() >= until:
                    raise TimeoutError from None
                time.sleep(0.02)
            else:
                return sock
    except OSError as error:
        sock.close()
        from holystone.engine.transport.failures import unix_failure

        raise unix_failure(endpoint, error, timeout) from None
    except BaseException:
        sock.close()
        raise


class _PlainSocket(socket.socket):
    """A TCP socket that knows an answer in TLS, or one that asks for TLS, by its first bytes."""

    endpoint: Endpoint | None = None

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        data = super().recv(size, flags)
        if self.endpoint:
            if data.startswith(_TLS_ALERT) or any(words in data for words in _WANTS_TLS):
                from holystone.engine.transport.failures import failure

                raise failure(self.endpoint, "wants TLS")
            self.endpoint = None
        return data


def _tcp(endpoint: Endpoint, timeout: float) -> socket.socket:
    port = int(endpoint.address.rpartition(":")[2])
    try:
        made = socket.create_connection((endpoint.host, port), timeout)
    except (OSError, UnicodeError) as error:
        from holystone.engine.transport.failures import tcp_failure

        raise tcp_failure(endpoint, error, timeout) from None
    sock = _PlainSocket(made.family, made.type, made.proto, made.detach())
    sock.settimeout(timeout)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.endpoint = endpoint if endpoint.tls is None else None
    return sock
