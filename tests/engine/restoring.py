"""Images in a registry, and a recorded clean that removes them: what ``restore`` starts from."""

from __future__ import annotations

import base64
import contextlib
import json
import time
from pathlib import Path
from typing import Any

from holystone.operations.execute import execute
from holystone.planner.plan import plan
from holystone.planner.policy import TAKES, Grace, Policy
from holystone.store.store import Store
from tests.engine.cleaning import live_host, settle
from tests.engines import Engine, Registry
from tests.engines.api import ApiError
from tests.engines.images import ImageToLoad, layer, load
from tests.engines.registry import PASSWORD, USER

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
"""The kind of manifest that the engines push here."""

EVERYTHING = Policy(
    "deep", TAKES["deep"], Grace.uniform(0), include_local=True, check_registry=False
)
"""Whatever is not in use goes, whether a registry has it or not."""


def login(registry: Registry) -> dict[str, Any]:
    """The configuration of a user who is logged in."""
    auth = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    return {"auths": {registry.address: {"auth": auth}}}


def auth_header(registry: Registry) -> str:
    """The login that an engine passes on to the registry."""
    login = {"username": USER, "password": PASSWORD, "serveraddress": registry.address}
    return base64.urlsafe_b64encode(json.dumps(login).encode()).decode()


def push(engine: Engine, registry: Registry, tag: str) -> None:
    """Push an image by one of its tags."""
    repository, _, version = tag.rpartition(":")
    headers = {"X-Registry-Auth": auth_header(registry)}
    said = engine.api("POST", f"/images/{repository}/push?tag={version}", headers=headers)
    assert not [line for line in said if "error" in line], said


def pushed(engine: Engine, registry: Registry, name: str, *tags: str) -> str:
    """Push an image of that name under these tags; its reference with the registry's digest.

    It is here as if it had been pulled: Podman remembers another digest of what it pushes.
    """
    repository = f"{registry.address}/{name}"
    load(engine, ImageToLoad([layer(name, 30_000)], [f"{repository}:{tag}" for tag in tags]))
    for tag in tags:
        push(engine, registry, f"{repository}:{tag}")
    for tag in tags:
        engine.api("DELETE", f"/images/{repository}:{tag}")
    for tag in tags:
        headers = {"X-Registry-Auth": auth_header(registry)}
        said = engine.api("POST", f"/images/create?fromImage={repository}:{tag}", headers=headers)
        assert not [line for line in said if "error" in line], said
    settle(engine)
    told, _ = registry.call("GET", f"/v2/{name}/manifests/{tags[0]}", MANIFEST)
    return f"{repository}@{told['docker-content-digest']}"


def forget(registry: Registry, reference: str) -> None:
    """Delete an image from the registry, its blobs too: 20.10 keeps manifests for a while."""
    name, _, digest = reference.removeprefix(f"{registry.address}/").partition("@")
    _, manifest = registry.call("GET", f"/v2/{name}/manifests/{digest}", MANIFEST)
    registry.call("DELETE", f"/v2/{name}/manifests/{digest}")
    for blob in {part["digest"] for part in (manifest["config"], *manifest["layers"])}:
        registry.call("DELETE", f"/v2/{name}/blobs/{blob}")


def recorded_clean(engine: Engine, state: Path, policy: Policy = EVERYTHING) -> int:
    """Clean and write that into the ledger; the number of the run."""
    ledger = Store(str(state), _fail)
    host = live_host(engine, state)
    try:
        host.watch()
        inventory = host.weigh(host.date(host.observe()))
        made = plan(inventory, host.usage(), policy, time.time())
        run = ledger.runs.begin(made, inventory, endpoint=engine.host)
        assert run is not None
        outcome = execute(made, inventory, host)
        for (kind, object_id), removal in outcome.results.items():
            run.settle(kind, object_id, removal.result, removal.detail)
        run.end(
            freed_bytes=outcome.freed_bytes,
            freed=outcome.freed,
            removed=outcome.removed,
            skipped=outcome.skipped,
            failed=outcome.failed,
        )
    finally:
        host.close()
        ledger.close()
    return run.id


def image(engine: Engine, reference: str) -> dict[str, Any] | None:
    """What the engine tells of an image; None where it has none."""
    with contextlib.suppress(ApiError):
        told = engine.api("GET", f"/images/{reference}/json")
        assert isinstance(told, dict)
        return told
    return None


def _fail(message: str) -> None:
    raise AssertionError(message)
