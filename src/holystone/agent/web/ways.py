"""Where the settings have the server listen, and how: all that can be checked without doing it.

The start of the agent checks it before anything else, and a reload of the configuration as well.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Collection, Sequence
from typing import NamedTuple

from holystone.agent.web.listening import (
    ListenSettingsError,
    check_place,
    group_id,
    is_loopback,
    resolve,
)
from holystone.agent.web.peer import LOOPBACK, NETWORK, Peer
from holystone.config.agent_settings import Service
from holystone.outside.text import safe, said

_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")


class Tcp(NamedTuple):
    """How to listen over TCP."""

    listen: str
    places: Sequence[tuple[int, str, int]]
    """Families, addresses and ports."""
    peer: Peer
    """What its connections may do."""
    tls: ssl.SSLContext | None


class Ways(NamedTuple):
    """Where to listen."""

    socket: str
    """The path of the unix socket."""
    group: int | None
    """The number of its group; None: that of the process."""
    tcp: Tcp | None


def ways(settings: Service) -> Ways:
    """What these settings ask for, with the path of the socket. Raises ListenError.

    ListenSettingsError among them, where it cannot work however often it is tried.
    """
    tcp = _tcp(settings) if settings.listen else None
    check_place(settings.socket)
    return Ways(settings.socket, group_id(settings.socket_group), tcp)


def check_listen(settings: Service) -> None:
    """Check where it is to listen over TCP, before its files have to be there.

    Raises ListenError as ``ways`` does.
    """
    if settings.listen:
        _check_files(settings, local=_is_local(resolve(settings.listen)[1]))


def _is_local(places: Sequence[tuple[int, str, int]]) -> bool:
    return all(is_loopback(address) for _, address, _ in places)


def _tcp(settings: Service) -> Tcp:
    host, places = resolve(settings.listen)
    local = _is_local(places)
    _check_files(settings, local=local)
    tls = _tls(settings)
    names: Collection[str] = {*_THIS_MACHINE, host} if local else ()
    return Tcp(settings.listen, places, Peer(LOOPBACK if local else NETWORK, names=names), tls)


def _check_files(settings: Service, *, local: bool) -> None:
    """Raise ListenSettingsError where tokens or TLS are needed and not configured."""
    cert, key, tokens = settings.tls_cert, settings.tls_key, settings.token_file
    lacking = [
        f"agent.{name}"
        for name, value in (("token_file", tokens), ("tls_cert", cert), ("tls_key", key))
        if not value
    ]
    if lacking and not local:
        raise ListenSettingsError(
            f"{safe(settings.listen)} can be reached from other machines, and that takes tokens "
            f"and TLS: set {', '.join(lacking)}; or listen at 127.0.0.1"
        )
    if bool(cert) != bool(key):
        raise ListenSettingsError("agent.tls_cert and agent.tls_key: set both of them, or none")


def _tls(settings: Service) -> ssl.SSLContext | None:
    """How TCP is encrypted, None for not at all. Raises ListenSettingsError."""
    cert, key = settings.tls_cert, settings.tls_key
    if not cert:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        # A key with a password would ask for it on the terminal.
        context.load_cert_chain(cert, key, password=_no_password)
    except (OSError, ValueError) as error:
        mend = "Give PEM files that belong together, which the user of the agent can read"
        message = f"cannot use agent.tls_cert {safe(cert)} with agent.tls_key {safe(key)}"
        raise ListenSettingsError(f"{message}: {said(error)}. {mend}") from None
    return context


def _no_password() -> str:
    raise ValueError("the key has a password, and there is nobody to ask. Give one without")


TAKE_A_RESTART = ("listen", "socket", "socket_group", "tls_cert", "tls_key")
"""The keys of ``[agent]`` that count from the start to the end of an agent."""


def as_started(settings: Service) -> dict[str, object]:
    """The values of the keys that take a restart, and which files they name."""
    return {
        f"agent.{name}": (value, _which(value) if name.startswith("tls_") else None)
        for name in TAKE_A_RESTART
        for value in [getattr(settings, name)]
    }


def _which(path: str) -> tuple[int, int, int] | None:
    """Which file has this path: a certificate that was renewed is another one."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
