"""The docker command's contexts, as its configuration folder holds them.

Layout and keys are those of docker/cli ``cli/context/store``: the folder of a context is the
SHA-256 of its name.
"""

from __future__ import annotations

import difflib
import json
import os
from hashlib import sha256
from typing import Any, NamedTuple

from holystone.engine.errors import EndpointError
from holystone.outside.home import LARGEST_CONFIG
from holystone.outside.regular_file import NotRegular, read_regular
from holystone.outside.text import said


class Context(NamedTuple):
    """A context's settings of its engine. ``where`` names it, its file and the key in errors."""

    host: str
    tls_folder: str
    """Where its files for TLS are, as far as it has any."""
    verify: bool
    """Whether the certificate of the engine is checked."""
    where: str


def current(path: str) -> str:
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


def find(name: str, named_by: str, folder: str) -> Context:
    """The context of that name in a configuration folder; ``named_by`` says in errors who asked.

    Raises EndpointError.
    """
    digest = sha256(name.encode("utf-8", "surrogateescape")).hexdigest()
    path = os.path.join(folder, "contexts", "meta", digest, "meta.json")
    if not os.path.lexists(path):
        names = _known(folder)
        near = difflib.get_close_matches(name, names, 1)
        guess = f" Did you mean {near[0]!r}?" if near else ""
        raise EndpointError(
            f"unknown context {name!r} (named by {named_by}). "
            f"Contexts in {folder}: {', '.join(names)}.{guess}"
        )
    endpoints = _read(path).get("Endpoints")
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
    tls_folder = os.path.join(folder, "contexts", "tls", digest, "docker")
    where = f"Endpoints.docker.Host of context {name!r} ({path})"
    return Context(host, tls_folder, not skip, where)


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


def _read(path: str) -> dict[str, Any]:
    """A JSON file that holds an object. Raises EndpointError."""
    try:
        content = json.loads(read_regular(path, LARGEST_CONFIG))
        if isinstance(content, dict):
            return content
        problem = f"{path} holds no JSON object. Mend it"
    except NotRegular as error:
        problem = f"cannot read {path}: {error}. Mend that"
    except OSError as error:
        problem = f"cannot read {path}: {said(error)}. Mend that"
    except (ValueError, RecursionError) as error:
        problem = f"{path} is no JSON: {error}. Mend it"
    raise EndpointError(f"{problem}, or pass --host.")
