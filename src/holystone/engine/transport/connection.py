"""A connected socket to an endpoint, or one clear reason why there is none, and the mend."""

from __future__ import annotations

import os
import socket
import stat
import time

from holystone.engine.errors import EngineUnreachable
from holystone.engine.transport import tls
from holystone.engine.transport.address import Endpoint, host_of, unreachable

_TLS_ALERT = b"\x15\x03"
_WANTS_TLS = (b"HTTP request to an HTTPS server", b"plain HTTP request was sent to HTTPS port")
"""What Go's server and nginx answer to HTTP on a port with TLS."""


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
        return tls.wrap(plain, endpoint, timeout)
    if endpoint.scheme == "ssh":
        from holystone.engine.transport import ssh  # Loads subprocess, which few hosts need.

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
        raise _unix_failure(endpoint, error, timeout) from None
    except BaseException:
        sock.close()
        raise


def _unix_failure(endpoint: Endpoint, error: OSError, timeout: float) -> EngineUnreachable:
    path = endpoint.address
    podman = "podman" in path
    if isinstance(error, PermissionError):
        return unreachable(
            endpoint,
            "permission denied",
            "Run as root, start a socket of your own with 'systemctl --user start podman.socket', "
            "or pass --host."
            if podman
            else "Add the user to the docker group or pass --host.",
        )
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        if endpoint.source == "default":
            mend = "Is Docker or Podman installed and started? Start it or pass --host."
        else:
            mend = f"Start the engine, or correct {endpoint.source}."
        return unreachable(endpoint, "no such file", mend)
    if isinstance(error, TimeoutError):
        return unreachable(
            endpoint,
            f"no answer within {timeout:g} s",
            "The engine is too busy to take connections: try again, or a longer --timeout.",
        )
    if isinstance(error, ConnectionRefusedError):
        what = _kind_of_file(path)
        if what:
            return unreachable(
                endpoint,
                f"it is {what}, not a socket",
                "Remove it and start the engine, or pass --host. (Docker makes a folder where a "
                "socket to mount was missing.)"
                if what == "a folder"
                else "Pass --host with the engine's socket.",
            )
        service = "podman.socket" if podman else "docker"
        return unreachable(
            endpoint,
            "connection refused, no engine listens on it",
            f"Start the engine (systemctl start {service}) or pass --host.",
        )
    # A path over 107 bytes, or a socket that is no stream, comes without or with other numbers.
    return unreachable(endpoint, error.strerror or str(error), "Pass --host with another socket.")


def _kind_of_file(path: str) -> str:
    """What a path holds where it is no socket, else nothing."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return ""
    if stat.S_ISSOCK(mode):
        return ""
    return "a folder" if stat.S_ISDIR(mode) else "a file"


class _PlainSocket(socket.socket):
    """A TCP socket that knows an answer in TLS, or one that asks for TLS, by its first bytes."""

    endpoint: Endpoint | None = None

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        data = super().recv(size, flags)
        if self.endpoint:
            if data.startswith(_TLS_ALERT) or any(words in data for words in _WANTS_TLS):
                raise unreachable(
                    self.endpoint,
                    "the engine wants TLS",
                    "Set DOCKER_TLS_VERIFY=1, and DOCKER_CERT_PATH to the folder with ca.pem, "
                    "cert.pem and key.pem; or pass --context with one that has TLS.",
                )
            self.endpoint = None
        return data


def _tcp(endpoint: Endpoint, timeout: float) -> socket.socket:
    host, port = host_of(endpoint), endpoint.address.rpartition(":")[2]
    try:
        made = socket.create_connection((host, int(port)), timeout)
    except (OSError, UnicodeError) as error:
        raise _tcp_failure(endpoint, error, timeout) from None
    sock = _PlainSocket(made.family, made.type, made.proto, made.detach())
    sock.settimeout(timeout)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.endpoint = endpoint if endpoint.tls is None else None
    return sock


def _tcp_failure(
    endpoint: Endpoint, error: OSError | UnicodeError, timeout: float
) -> EngineUnreachable:
    host, port = host_of(endpoint), endpoint.address.rpartition(":")[2]
    if isinstance(error, socket.gaierror | UnicodeError):
        mend = "Check its spelling and the name servers, or use its IP address."
        if host == "docker":
            mend = (
                "In a CI job that name needs the service docker:dind. Otherwise correct the name."
            )
        if getattr(error, "errno", None) == socket.EAI_AGAIN:
            return unreachable(endpoint, f"no name server could tell where {host!r} is", mend)
        return unreachable(endpoint, f"the name {host!r} is not known", mend)
    if isinstance(error, TimeoutError):
        return unreachable(
            endpoint,
            f"no answer within {timeout:g} s",
            "Check the address and any firewall between, or try a longer --timeout.",
        )
    if isinstance(error, ConnectionRefusedError):
        other = " (with TLS it is mostly 2376)" if port == "2375" else ""
        return unreachable(
            endpoint,
            f"connection refused, nothing listens on port {port}",
            f"Start the engine there with -H tcp://..., or correct the port{other}.",
        )
    words = (error.strerror or str(error)).lower()
    return unreachable(endpoint, words, "Check the address and the network, or pass --host.")
