"""Emptying an engine between tests, by force and all of it, without starting it anew."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from .api import ApiError
from .engine import Engine, in_old_shape

PREDEFINED_NETWORKS = frozenset({"bridge", "host", "none", "podman"})


class NotEmptied(Exception):
    """Some objects would not go; the message has the engine's words."""


def empty(engine: Engine) -> None:
    """Remove every container, image, volume, network and build cache record.

    Uses force and the prune of the build cache, which holystone itself never does. Where BuildKit
    never lets go of a record, a restart of the engine helps: on 20.10 a client that was killed
    while it asked for ``/system/df`` has that effect. Raises ``NotEmptied`` when something stays.
    """
    for container in engine.client.list("/containers/json"):
        # Podman's forced removal waits ten seconds for the container to end by itself.
        with contextlib.suppress(ApiError):
            engine.api("POST", f"/containers/{container['Id']}/kill")
    if engine.store == "podman":
        # The infra container of a pod goes with the pod alone.
        _remove(engine, _pods)
    _remove(engine, _containers)
    if engine.store != "podman":
        _empty_cache(engine)
    for listed in (_images, _volumes, _networks):
        _remove(engine, listed)


def _empty_cache(engine: Engine) -> None:
    """Prune the build cache until none is left: BuildKit lets go of a build after its end."""
    deadline = time.monotonic() + 10
    while True:
        engine.api("POST", "/build/prune?all=1")
        # Of the build cache alone, where the engine can: a damaged image must not matter.
        usage = engine.api("GET", "/system/df?type=build-cache&verbose=1")
        left = in_old_shape(usage).get("BuildCache")
        if not left:
            return
        if time.monotonic() > deadline:
            raise NotEmptied(f"{engine.kind}: build cache stays: {left[0]}")
        time.sleep(0.1)


def _containers(engine: Engine) -> list[str]:
    found = engine.client.list("/containers/json?all=1")
    return [f"/containers/{container['Id']}?force=1&v=1" for container in found]


def _pods(engine: Engine) -> list[str]:
    found = engine.api("GET", "/v4.0.0/libpod/pods/json") or []
    return [f"/v4.0.0/libpod/pods/{pod['Id']}?force=true" for pod in found]


def _images(engine: Engine) -> list[str]:
    if engine.store == "podman":
        # Manifest lists are in no other list.
        found = engine.api("GET", "/v4.0.0/libpod/images/json?all=true") or []
        return [f"/v4.0.0/libpod/images/{image['Id']}?force=true" for image in found]
    found = engine.client.list("/images/json?all=1")
    return [f"/images/{image['Id']}?force=1" for image in found]


def _volumes(engine: Engine) -> list[str]:
    found = engine.api("GET", "/volumes")["Volumes"] or []
    return [f"/volumes/{volume['Name']}?force=1" for volume in found]


def _networks(engine: Engine) -> list[str]:
    found = [n for n in engine.client.list("/networks") if n["Name"] not in PREDEFINED_NETWORKS]
    return [f"/networks/{network['Id']}" for network in found]


def _remove(engine: Engine, listed: Callable[[Engine], list[str]]) -> None:
    """Delete what is listed, again as long as that makes it fewer: parents go after children."""
    before: set[str] = set()
    answers: list[str] = []
    with ThreadPoolExecutor(8) as pool:
        while paths := set(listed(engine)):
            if paths == before:
                raise NotEmptied(f"{engine.kind}: {next(filter(None, answers), 'no word why')}")
            before = paths
            answers = list(pool.map(lambda path: _delete(engine, path), paths))


def _delete(engine: Engine, path: str) -> str:
    """What the engine had against it; nothing if it is gone."""
    try:
        engine.api("DELETE", path)
    except ApiError as error:
        return "" if error.status == 404 else str(error)
    return ""
