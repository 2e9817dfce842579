"""Connect a socket to an endpoint, or raise one clear error with its reason and the fix."""

from __future__ import annotations

import socket
import time

from holystone.engine.transport.endpoint import Endpoint


def connect(endpoint: Endpoint, timeout: float) -> socket.socket:
    """A connected socket; each of its operations ends after ``timeout`` seconds.

    Over ssh, and with TLS 1.3, some failures show only when the first answer is read: the socket
    then raises the same EngineUnreachable from ``sendall`` or ``recv``. Closing an ssh socket ends
    its ssh process. Raises EngineUnreachable.
    """
    if endpoint.scheme == "unix":
        return _unix(endpoint, timeout)
    if endpoint.scheme == "tcp":
        from holystone.engine.transport import tcp

        return tcp.dial(endpoint, timeout)
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
        from holystone.engine.transport.failures import unix_failure  # Most connections succeed.

        raise unix_failure(endpoint, error, timeout) from None
    except BaseException:
        sock.close()
        raise
