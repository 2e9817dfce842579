"""Which engine is meant: by options, environment, the docker command's contexts, and sockets.

The order is the docker command's own: ``--context`` or ``--host``, DOCKER_HOST, DOCKER_CONTEXT, the
current context of the Docker configuration, the default socket. Podman's socket is the last resort.
"""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Mapping
from typing import Any, NamedTuple

from holystone.engine.errors import EndpointError
from holystone.engine.transport.address import DOCKER_SOCKET, TLS, TLS_PORT, Endpoint, parse_host
from holystone.outside.home import NOWHERE, home
from holystone.outside.regular_file import NotRegular, read_regular

PODMAN_SOCKET = "/run/podman/podman.sock"
USER_SOCKETS = "/run/user"
"""Folder with one folder of sockets per user ID, where XDG_RUNTIME_DIR does not say."""
LARGEST_CONFIG = 10_000_000
"""Bytes of a file of the docker command's configuration. One with a thousand logins has a tenth."""


def resolve(host: str | None, context: str | None, environ: Mapping[str, str]) -> Endpoint:
    """The engine meant by the options (None where not given) and the environment.

    As in docker/cli ``resolveContextName`` and ``resolveDefaultDockerEndpoint``, except that an
    empty option and a broken ``config.json`` are errors instead of ways to another engine.
    Raises EndpointError, which names the option, variable or file, and the mend.
    """
    if host is not None and context is not None:
        raise EndpointError(
            "--host and --context are both given and each names an engine. Pass only one of them."
        )
    if host is not None:
        return _given(host, "--host", environ)
    by_variable = environ.get("DOCKER_HOST", "").strip()
    if context is not None:
        if not context:
            raise EndpointError("--context is empty. Name a context, or leave the option out.")
        name, named_by = context, "--context"
    elif by_variable:
        return _given(by_variable, "DOCKER_HOST", environ)
    elif environ.get("DOCKER_CONTEXT"):
        name, named_by = environ["DOCKER_CONTEXT"], "DOCKER_CONTEXT"
    else:
        name, named_by = _current_context(environ)
    if name != "default":
        found = _find(name, named_by, config_folder(environ))
        return parse_host(found.host, found.where, f"context {name}", lambda: found.tls)
    if by_variable:
        return _given(by_variable, "DOCKER_HOST", environ)
    return _default(environ)


def config_folder(environ: Mapping[str, str]) -> str:
    """The docker command's configuration folder: ``DOCKER_CONFIG``, or ``~/.docker``.

    Where the user has no home folder it is one that cannot be there.
    """
    return environ.get("DOCKER_CONFIG") or os.path.join(home(environ) or NOWHERE, ".docker")


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


def _given(text: str, name: str, environ: Mapping[str, str]) -> Endpoint:
    return parse_host(text, name, name, lambda: _tls_of_environment(environ))


def _current_context(environ: Mapping[str, str]) -> tuple[str, str]:
    """The current context's name and the file that says so."""
    path = os.path.join(config_folder(environ), "config.json")
    return (_current(path) if os.path.lexists(path) else "default"), path


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
    tls = _tls_of_environment(environ)
    if tls:
        variable = "DOCKER_TLS_VERIFY" if tls.verify else "DOCKER_TLS"
        return Endpoint("tcp", f"localhost:{TLS_PORT}", tls, f"{variable} without DOCKER_HOST")
    if not os.path.exists(DOCKER_SOCKET):
        mine = f"{USER_SOCKETS}/{os.getuid()}"
        runtime = environ.get("XDG_RUNTIME_DIR") or mine
        for path in (
            f"{runtime}/docker.sock",
            f"{runtime}/podman/podman.sock",
            f"{mine}/podman/podman.sock",
            PODMAN_SOCKET,
        ):
            if os.path.isabs(path) and os.path.exists(path):
                return Endpoint("unix", path, None, "default")
    return Endpoint("unix", DOCKER_SOCKET, None, "default")


class _Context(NamedTuple):
    """What a context says of its engine. ``where`` names it, its file and the key in errors."""

    host: str
    tls: TLS | None
    where: str


def _current(path: str) -> str:
    """The name of the current context in ``config.json``; ``default`` where it has none.

    Raises EndpointError where the file cannot be read: it may name another engine than the default
    one, so it is not passed over.
    """
    name = _read(path).get("currentContext") or "default"
    if not isinstance(name, str):
        raise EndpointError(
            f"{path}: currentContext is {name!r}, not a name. Mend it with 'docker context use', "
            "or pass --host."
        )
    return name


def _find(name: str, named_by: str, folder: str) -> _Context:
    """The context of that name in a configuration folder; ``named_by`` says in errors who asked.

    Layout and keys are those of docker/cli ``cli/context/store``: the folder of a context is the
    SHA-256 of its name. Raises EndpointError.
    """
    from hashlib import sha256  # Loads OpenSSL, which only a named context needs.

    digest = sha256(name.encode("utf-8", "surrogateescape")).hexdigest()
    path = os.path.join(folder, "contexts", "meta", digest, "meta.json")
    if not os.path.lexists(path):
        raise EndpointError(_unknown(name, named_by, folder))
    meta = _read(path)
    endpoints = meta.get("Endpoints")
    engine = endpoints.get("docker") if isinstance(endpoints, dict) else None
    if not isinstance(engine, dict):
        raise EndpointError(
            f"context {name!r} has no Docker engine: {path} lacks Endpoints.docker. "
            f"Add one with 'docker context update', or pass --host."
        )
    host, skip = engine.get("Host"), engine.get("SkipTLSVerify", False)
    if not host or not isinstance(host, str):
        raise EndpointError(
            f"context {name!r} has no address: Endpoints.docker.Host in {path} is {host!r}. "
            f"Set it with 'docker context update {name} --docker host=...', or pass --host."
        )
    if not isinstance(skip, bool):
        raise EndpointError(
            f"context {name!r}: Endpoints.docker.SkipTLSVerify in {path} is {skip!r}; "
            "it must be true or false."
        )
    tls = tls_in(os.path.join(folder, "contexts", "tls", digest, "docker"), verify=not skip)
    wanted = tls if skip or tls.ca or tls.cert else None
    return _Context(host, wanted, f"Endpoints.docker.Host of context {name!r} ({path})")


def _known(folder: str) -> list[str]:
    """The names of all contexts that can be read, ``default`` first."""
    metas = os.path.join(folder, "contexts", "meta")
    names = set()
    for each in os.listdir(metas) if os.path.isdir(metas) else ():
        try:
            names.add(str(_read(os.path.join(metas, each, "meta.json"))["Name"]))
        except (EndpointError, KeyError):
            continue
    return ["default", *sorted(names - {"default"})]


def _unknown(name: str, named_by: str, folder: str) -> str:
    names = _known(folder)
    near = difflib.get_close_matches(name, names, 1)
    guess = f" Did you mean {near[0]!r}?" if near else ""
    return (
        f"unknown context {name!r} (named by {named_by}). "
        f"Contexts in {folder}: {', '.join(names)}.{guess}"
    )


def _read(path: str) -> dict[str, Any]:
    """A JSON file that holds an object. Raises EndpointError."""
    try:
        content = json.loads(read_regular(path, LARGEST_CONFIG))
    except NotRegular as error:
        raise EndpointError(f"cannot read {path}: {error}. Mend that, or pass --host.") from None
    except OSError as error:
        problem = (error.strerror or str(error)).lower()
        raise EndpointError(f"cannot read {path}: {problem}. Mend that, or pass --host.") from None
    except (ValueError, RecursionError) as error:
        raise EndpointError(f"{path} is no JSON: {error}. Mend it, or pass --host.") from None
    if not isinstance(content, dict):
        raise EndpointError(f"{path} holds no JSON object. Mend it, or pass --host.")
    return content
