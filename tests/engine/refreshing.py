"""Tags that move in a registry while an engine keeps what they meant before."""

from __future__ import annotations

import base64
import http.client
import json
from typing import Any

from tests.engine.restoring import MANIFEST, push
from tests.engines import Engine, Registry
from tests.engines.images import ImageToLoad, layer, load
from tests.engines.registry import PASSWORD, USER


def move_tag(engine: Engine, registry: Registry, name: str, tag: str, size: int = 30_000) -> None:
    """Put another image under a tag in the registry; the engine's images stay as they are.

    ``size``: the bytes of its layer.
    """
    repository = f"{registry.address}/{name}"
    load(engine, ImageToLoad([layer(f"{name} next", size)], [f"{repository}:next"]))
    push(engine, registry, f"{repository}:next")
    engine.api("DELETE", f"/images/{repository}:next")
    _, manifest = registry.call("GET", f"/v2/{name}/manifests/next", MANIFEST)
    put_manifest(registry, name, tag, manifest)


def put_manifest(registry: Registry, name: str, reference: str, manifest: Any) -> str:
    """Put a manifest, or an index, under a tag or digest in the registry; answers its digest."""
    connection = http.client.HTTPConnection("127.0.0.1", registry.port, timeout=30)
    try:
        basic = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        connection.request(
            "PUT",
            f"/v2/{name}/manifests/{reference}",
            json.dumps(manifest),
            {"Content-Type": manifest["mediaType"], "Authorization": f"Basic {basic}"},
        )
        answer = connection.getresponse()
        assert answer.status == 201
        return str(answer.headers["Docker-Content-Digest"])
    finally:
        connection.close()
