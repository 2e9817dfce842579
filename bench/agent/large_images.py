"""Large images that do not compress, put into a registry without an engine."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
from contextlib import closing
from functools import cache
from urllib.parse import urlsplit

from tests.engines import Registry
from tests.engines.images import ARCHITECTURE, Layer, layer_of

_LAYERS = 4
_FILE = 64 << 10
"""Bytes of a file: an image of 180 MB has 2,700 of them."""
_PIECE = 256 << 20
_ERROR = 400


def put_image(registry: Registry, name: str, size: int) -> str:
    """Put an image of this size (bytes) there, its layers not compressed; its reference."""
    layers = [_layer(f"{name}-{number}", size // _LAYERS) for number in range(_LAYERS)]
    config = json.dumps(
        {
            "architecture": ARCHITECTURE,
            "os": "linux",
            "config": {"Cmd": ["/bin/true"], "Labels": {"name": name}},
            "rootfs": {"type": "layers", "diff_ids": [each.diff_id for each in layers]},
        }
    ).encode()
    kind = "application/vnd.oci.image"
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{kind}.manifest.v1+json",
        "config": _put_blob(registry, name, config, f"{kind}.config.v1+json"),
        "layers": [
            _put_blob(registry, name, each.tar, f"{kind}.layer.v1.tar", each.diff_id)
            for each in layers
        ],
    }
    body = json.dumps(manifest).encode()
    _send(registry, "PUT", f"/v2/{name}/manifests/1", body, f"{kind}.manifest.v1+json")
    return f"{registry.address}/{name}:1"


def _layer(seed: str, size: int) -> Layer:
    """Files that do not compress; each begins with what no other has."""
    random, files = _random(), {}
    for at in range(0, size, _FILE):
        name = f"{seed}/{at // _FILE}"
        files[name] = (name.encode() + random[at : at + _FILE])[:_FILE]
    return layer_of(files)


@cache
def _random() -> bytes:
    return os.urandom(_PIECE)


def _put_blob(
    registry: Registry, name: str, content: bytes, kind: str, digest: str = ""
) -> dict[str, object]:
    digest = digest or f"sha256:{hashlib.sha256(content).hexdigest()}"
    place = urlsplit(_send(registry, "POST", f"/v2/{name}/blobs/uploads/", b"", ""))
    _send(registry, "PUT", f"{place.path}?{place.query}&digest={digest}", content, "")
    return {"mediaType": kind, "digest": digest, "size": len(content)}


def _send(registry: Registry, method: str, path: str, body: bytes, kind: str) -> str:
    """The location that the registry answers."""
    connection = http.client.HTTPConnection(registry.address, timeout=120)
    with closing(connection):
        headers = {"Content-Type": kind or "application/octet-stream"}
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        told = answer.read()
        if answer.status >= _ERROR:
            raise RuntimeError(f"the registry answers {answer.status} to {path}: {told[:300]!r}")
        return answer.headers.get("Location") or ""
