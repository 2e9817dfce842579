"""Find the engine's address: from options, environment, contexts and sockets.

The order is the docker command's own: ``--context`` or ``--host``, DOCKER_HOST, DOCKER_CONTEXT, the
current context of the Docker configuration, the default socket. Podman's socket is the last resort.
Nothing is connected to here.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import NamedTuple

from holystone.engine.errors import EndpointError
from holystone.outside.home import config_folder

DOCKER_SOCKET = "/var/run/docker.sock"
PODMAN_SOCKET = "/run/podman/podman.sock"
USER_SOCKETS = "/run/user"
"""Folder with one folder of sockets per user ID, where XDG_RUNTIME_DIR does not say."""
PLAIN_PORT, TLS_PORT = 2375, 2376
_FORMS = "unix:///path, tcp://host:port, ssh://user@host or demo:"
_NOT_SUPPORTED = {
    "npipe": "the named pipes of Windows are not supported",
    "fd": "a file descriptor is for the engine to listen on",
}
Refuse = Callable[[str], EndpointError]


class TLS(NamedTuple):
    """How to speak TLS: paths of PEM files, None where there is none.

    Without ``ca`` the system's own authorities count. Without ``verify`` any certificate will do.
    """

    ca: str | None
    cert: str | None
    key: str | None
    verify: bool


class SSHDestination(NamedTuple):
    """The parts of an ``ssh`` address; empty where not given. ``path`` is the engine's socket."""

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
        return f"{self.scheme}:{'' if self.scheme == 'demo' else '//'}{self.address}"

    @property
    def where(self) -> str:
        """The address and, where that is not plain, what named it."""
        named = self.source not in ("--host", "default")
        return f"{self.url} (from {self.source})" if named else self.url

    @property
    def host(self) -> str:
        """The host of a tcp endpoint, an IPv6 address without its brackets."""
        return self.address.rpartition(":")[0].strip("[]")


def resolve(host: str | None, context: str | None, environ: Mapping[str, str]) -> Endpoint:
    """The engine meant by the options (None where not given) and the environment.

    As in docker/cli ``resolveContextName`` and ``resolveDefaultDockerEndpoint``, except that an
    empty option and a broken ``config.json`` are errors instead of ways to another engine.
    Raises EndpointError, which names the option, variable or file, and the mend.
    """

    def given(text: str, name: str) -> Endpoint:
        return parse_host(text, name, name, lambda: _tls_of_environment(environ))

    if host is not None and context is not None:
        raise EndpointError(
            "--host and --context are both given and each names an engine. Pass only one of them."
        )
    if host is not None:
        return given(host, "--host")
    by_variable = environ.get("DOCKER_HOST", "").strip()
    if context is not None:
        if not context:
            raise EndpointError("--context is empty. Name a context, or leave the option out.")
        name, named_by = context, "--context"
    elif by_variable:
        return given(by_variable, "DOCKER_HOST")
    elif environ.get("DOCKER_CONTEXT"):
        name, named_by = environ["DOCKER_CONTEXT"], "DOCKER_CONTEXT"
    else:
        name, named_by = "", os.path.join(config_folder(environ), "config.json")
    if not name and not os.path.lexists(named_by):
        name = "default"
    if name != "default":
        from holystone.engine.transport import contexts  # Few hosts have any.

        name = name or contexts.current(named_by)
        if name != "default":
            found = contexts.find(name, named_by, config_folder(environ))
            files = tls_in(found.tls_folder, verify=found.verify)
            tls = None if found.verify and not (files.ca or files.cert) else files
            return parse_host(found.host, found.where, f"context {name}", lambda: tls)
    return given(by_variable, "DOCKER_HOST") if by_variable else _default(environ)


def tls_in(folder: str, *, verify: bool) -> TLS:
    """The files of a certificate folder (``ca.pem``, ``cert.pem``, ``key.pem``) that are there.

    Raises EndpointError where only one of the client's certificate and key is there.
    """
    ca, cert, key = (
        path if os.path.exists(path) else None
        for path in (os.path.join(folder, name) for name in ("ca.pem", "cert.pem", "key.pem"))
    )
    if (cert is None) != (key is None):
        there, missing = ("cert.pem", "key.pem") if cert else ("key.pem", "cert.pem")
        raise EndpointError(
            f"{folder} holds {there} but no {missing}. The client's certificate needs both files."
        )
    return TLS(ca, cert, key, verify)


def _tls_of_environment(environ: Mapping[str, str]) -> TLS | None:
    """What DOCKER_TLS_VERIFY, DOCKER_TLS (any value but an empty one) and DOCKER_CERT_PATH ask."""
    verify = bool(environ.get("DOCKER_TLS_VERIFY"))
    if not verify and not environ.get("DOCKER_TLS"):
        return None
    folder = environ.get("DOCKER_CERT_PATH") or config_folder(environ)
    found = tls_in(folder, verify=verify)
    if verify and found.ca is None:
        raise EndpointError(
            "DOCKER_TLS_VERIFY asks to check the engine's certificate, but there is no "
            f"{os.path.join(folder, 'ca.pem')}. Set DOCKER_CERT_PATH to the folder that holds "
            "ca.pem, cert.pem and key.pem, or unset DOCKER_TLS_VERIFY."
        )
    return found


def _default(environ: Mapping[str, str]) -> Endpoint:
    """Docker's socket, or the first other one that is there. With TLS asked for, localhost."""
    if tls := _tls_of_environment(environ):
        variable = "DOCKER_TLS_VERIFY" if tls.verify else "DOCKER_TLS"
        return Endpoint("tcp", f"localhost:{TLS_PORT}", tls, f"{variable} without DOCKER_HOST")
    mine = f"{USER_SOCKETS}/{os.getuid()}"
    runtime = environ.get("XDG_RUNTIME_DIR") or mine
    places = (
        DOCKER_SOCKET,
        f"{runtime}/docker.sock",
        f"{runtime}/podman/podman.sock",
        f"{mine}/podman/podman.sock",
        PODMAN_SOCKET,
    )
    there = (path for path in places if os.path.isabs(path) and os.path.exists(path))
    return Endpoint("unix", next(there, DOCKER_SOCKET), None, "default")


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

    if text in ("demo:", "demo://"):
        return Endpoint("demo", "", None, source)
    if problem := _unlike_a_host(text):
        raise refuse(problem)
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
    if scheme not in ("tcp", "http", "https"):
        said = _NOT_SUPPORTED.get(scheme, f"an engine has no scheme {scheme!r}")
        raise refuse(f"{said}. Use {_FORMS}.")
    wanted = tls()
    if scheme == "https" and wanted is None:
        wanted = TLS(None, None, None, verify=True)
    host, port = _host_and_port(rest, refuse)
    address = f"{host or 'localhost'}:{port or (TLS_PORT if wanted else PLAIN_PORT)}"
    return Endpoint("tcp", address, wanted, source)


def _unlike_a_host(text: str) -> str:
    """What is wrong with a text that has no scheme, or not the signs of a host; else empty."""
    if not text:
        return f"it is empty. Write it like {_FORMS}."
    if not text.isprintable() or " " in text:
        return "a host has no spaces or control characters."
    if text.partition(":")[0] == "demo":
        return (
            "the built-in host is written demo: with nothing behind it, and a machine called demo "
            "tcp://demo."
        )
    if text.startswith(("/", ".", "~")):
        return f"a path needs its scheme: unix://{os.path.abspath(os.path.expanduser(text))}"
    return ""


def ssh_destination(address: str) -> SSHDestination:
    """The parts of an ssh endpoint's address."""
    destination, slash, path = address.partition("/")
    user, _, host = destination.rpartition("@")
    if host.startswith("["):
        host, _, port = host[1:].partition("]")
        port = port.removeprefix(":")
    else:
        host, _, port = host.partition(":")
    return SSHDestination(user, host, port, slash + path if path else "")


def _host_and_port(text: str, refuse: Refuse) -> tuple[str, str]:
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


def _checked_ssh(rest: str, refuse: Refuse) -> str:
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
    scheme, separator, rest = text.partition("://")
    login, at, place = rest.rpartition("@")
    user, colon, _ = login.partition(":")
    return f"{scheme}{separator}{user}:***@{place}" if at and colon else text
