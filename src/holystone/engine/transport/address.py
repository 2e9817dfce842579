"""An engine's address, as ``--host`` takes it, and the errors that say where it is.

Nothing is connected to here.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import NamedTuple

from holystone.engine.errors import EndpointError, EngineSilent, EngineUnreachable

DOCKER_SOCKET = "/var/run/docker.sock"
PLAIN_PORT, TLS_PORT = 2375, 2376
_FORMS = "unix:///path, tcp://host:port, ssh://user@host or demo:"
_NOT_SUPPORTED = {
    "npipe": "the named pipes of Windows are not supported",
    "fd": "a file descriptor is for the engine to listen on",
}


class TLS(NamedTuple):
    """How to speak TLS: paths of PEM files, None where there is none.

    Without ``ca`` the system's own authorities count. Without ``verify`` any certificate will do.
    """

    ca: str | None
    cert: str | None
    key: str | None
    verify: bool


class SSHDestination(NamedTuple):
    """The pieces of an ``ssh`` address; empty where not given. ``path`` is the engine's socket."""

    user: str
    host: str
    port: str
    path: str


class Endpoint(NamedTuple):
    """One engine's address.

    ``scheme`` is ``unix``, ``tcp``, ``ssh`` or ``demo``. ``address`` is a path, ``host:port`` (IPv6
    in brackets), ``[user@]host[:port][/path]``, or empty for ``demo``. ``source`` says
    where the address was found: ``--host``, ``DOCKER_HOST``, ``context staging``, ``default``.
    """

    scheme: str
    address: str
    tls: TLS | None
    source: str

    @property
    def url(self) -> str:
        """The address as ``--host`` takes it."""
        if self.scheme == "demo":
            return f"demo:{self.address}"
        return f"{self.scheme}://{self.address}"


def parse_host(
    text: str, where: str, source: str, tls: Callable[[], TLS | None] = lambda: None
) -> Endpoint:
    """The endpoint a host URL names.

    ``where`` says in errors what holds the URL. ``tls`` is asked only where the scheme can have it.
    Without a port tcp means 2375, with TLS 2376; without a scheme the URL means tcp, as for docker.
    Raises EndpointError.
    """
    text = text.strip()

    def refuse(problem: str) -> EndpointError:
        return EndpointError(f"{where} is {_without_password(text)!r}: {problem}")

    if not text:
        raise refuse(f"it is empty. Write it like {_FORMS}.")
    if not text.isprintable() or " " in text:
        raise refuse("a host has no spaces or control characters.")
    if text.partition(":")[0] == "demo":
        return _demo(text, source, refuse)
    if text.startswith(("/", ".", "~")):
        path = os.path.abspath(os.path.expanduser(text))
        raise refuse(f"a path needs its scheme: unix://{path}")
    scheme, separator, rest = text.partition("://")
    if not separator:
        scheme, rest = "tcp", text
    scheme = scheme.lower()
    if scheme == "unix":
        path = rest or DOCKER_SOCKET
        if not path.startswith("/"):
            raise refuse(f"the socket's path must be absolute. Did you mean unix:///{path}?")
        return Endpoint("unix", path, None, source)
    if scheme == "ssh":
        return Endpoint("ssh", _checked_ssh(rest, refuse), None, source)
    if scheme in ("tcp", "http", "https"):
        wanted = tls()
        if scheme == "https" and wanted is None:
            wanted = TLS(None, None, None, verify=True)
        host, port = _host_and_port(rest, refuse)
        address = f"{host or 'localhost'}:{port or (TLS_PORT if wanted else PLAIN_PORT)}"
        return Endpoint("tcp", address, wanted, source)
    raise refuse(
        f"{_NOT_SUPPORTED.get(scheme, f'an engine has no scheme {scheme!r}')}. Use {_FORMS}."
    )


def ssh_destination(address: str) -> SSHDestination:
    """The pieces of an ssh endpoint's address."""
    destination, slash, path = address.partition("/")
    user, _, host = destination.rpartition("@")
    if host.startswith("["):
        host, _, port = host[1:].partition("]")
        port = port.removeprefix(":")
    else:
        host, _, port = host.partition(":")
    return SSHDestination(user, host, port, slash + path if path else "")


def unreachable(endpoint: Endpoint, cause: str, mend: str) -> EngineUnreachable:
    """The error that says where, why and what to do."""
    return EngineUnreachable(f"cannot reach the engine at {_where(endpoint)}: {cause}. {mend}")


def silent(endpoint: Endpoint, request: str, waited: float) -> EngineSilent:
    """The error of an engine that takes a request and says nothing for so many seconds."""
    return EngineSilent(
        f"the engine at {_where(endpoint)} seems to hang: it did not answer {request} within "
        f"{waited:g} s. It may be busy: try --timeout with a longer time."
    )


def _where(endpoint: Endpoint) -> str:
    found = "" if endpoint.source in ("--host", "default") else f" (from {endpoint.source})"
    return f"{endpoint.url}{found}"


def host_of(endpoint: Endpoint) -> str:
    """The host of a tcp endpoint, an IPv6 address without its brackets."""
    return endpoint.address.rpartition(":")[0].strip("[]")


def _demo(text: str, source: str, refuse: Callable[[str], EndpointError]) -> Endpoint:
    """The built-in host; a machine of this name needs its scheme."""
    if text in ("demo:", "demo://"):
        return Endpoint("demo", "", None, source)
    raise refuse(
        "the built-in host is written demo: with nothing behind it, and a machine called demo "
        "tcp://demo."
    )


def _host_and_port(text: str, refuse: Callable[[str], EndpointError]) -> tuple[str, str]:
    """Host (IPv6 in brackets) and port, each empty where not given."""
    text = text.removesuffix("/")
    if "@" in text:
        raise refuse("a user name cannot be part of it.")
    if any(sign in text for sign in "/?#"):
        raise refuse("nothing may follow host and port. For a socket write unix:///path.")
    if text.startswith("["):
        host, closing, after = text.partition("]")
        host += closing
        if not closing or ":" not in host or (after and not after.startswith(":")):
            raise refuse("write an IPv6 address like [::1]:2375.")
        port = after.removeprefix(":")
    else:
        host, _, port = text.partition(":")
        if ":" in port or "]" in text:
            raise refuse("write an IPv6 address in brackets, like [::1]:2375.")
    if port and not (port.isascii() and port.isdigit() and 0 < int(port) < 1 << 16):
        raise refuse(f"{port!r} is no port. A port is a number from 1 to 65535.")
    return host, port


def _checked_ssh(rest: str, refuse: Callable[[str], EndpointError]) -> str:
    """An ssh address that ``ssh_destination`` takes apart well; ``%40`` in a user name is ``@``."""
    if "?" in rest or "#" in rest:
        raise refuse("only a port and the path of a socket may follow the host.")
    destination, slash, path = rest.partition("/")
    user, at, place = destination.rpartition("@")
    if ":" in user:
        raise refuse("a password cannot be part of it. Log in with a key.")
    user = user.replace("%40", "@").replace("%5C", "\\").replace("%5c", "\\")
    host, port = _host_and_port(place, refuse)
    if not host or (at and not user):
        raise refuse("the host or the user is missing. Write it like ssh://user@host.")
    if host.startswith("-") or user.startswith("-"):
        raise refuse("neither host nor user may start with a dash.")
    return user + at + host + (f":{port}" if port else "") + (slash + path if path else "")


def _without_password(text: str) -> str:
    """The URL fit to be shown."""
    scheme, separator, rest = text.partition("://")
    login, at, place = rest.rpartition("@")
    user, colon, _ = login.partition(":")
    return f"{scheme}{separator}{user}:***@{place}" if at and colon else text
