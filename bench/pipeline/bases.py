"""The base images of the pipeline: incompressible data in layers, put into the registry once."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import http.client
import json
from typing import NamedTuple
from urllib.parse import urlsplit

from tests.engines import Registry
from tests.engines.images import ImageToLoad, Layer, busybox_layer, layer

_DOCKER = "application/vnd.docker"
_LARGEST = 250_000_000
"""Bytes of one layer."""


class Base(NamedTuple):
    """A base image: its repository and tag, and how large its layers are, in bytes."""

    reference: str
    layers: tuple[int, ...]


def bases(python: int, node: int, ml: int) -> tuple[Base, Base, Base]:
    """The three of the pipeline, of so many bytes, in layers as such images have them."""
    return (
        Base("python:3.12", _split(python, (40, 50, 8, 2))),
        Base("node:20", _split(node, (30, 60, 8, 2))),
        Base("ml/train:2", _split(ml, (5, 10, 45, 25, 15))),
    )


def _split(size: int, percent: tuple[int, ...]) -> tuple[int, ...]:
    """Layers of these shares; one that would be too large for the memory becomes several."""
    layers: list[int] = []
    for part in percent:
        count = -(-size * part // 100 // _LARGEST) or 1
        layers += [size * part // 100 // count] * count
    return tuple(layers)


def push(registry: Registry, base: Base) -> None:
    """Make an image and put it into the registry, past every link."""
    repository, _, tag = base.reference.partition(":")
    steps: list[Layer] = []
    blobs = []
    for number, size in enumerate((0, *base.layers)):
        made = layer(f"{base.reference} {number}", size) if number else busybox_layer()
        # Stored, not compressed: random data does not get smaller.
        content = gzip.compress(made.tar, compresslevel=0, mtime=0)
        kind = f"{_DOCKER}.image.rootfs.diff.tar.gzip"
        blobs.append(_blob(registry, repository, content, kind))
        # The configuration names the layers; a gigabyte of them is not held for that.
        steps.append(dataclasses.replace(made, tar=b""))
    config = ImageToLoad(steps).config
    kind = f"{_DOCKER}.distribution.manifest.v2+json"
    manifest = {
        "schemaVersion": 2,
        "mediaType": kind,
        "config": _blob(registry, repository, config, f"{_DOCKER}.container.image.v1+json"),
        "layers": blobs,
    }
    content = json.dumps(manifest).encode()
    _send(registry, "PUT", f"/v2/{repository}/manifests/{tag}", content, kind)


def push_packages(registry: Registry, size: int) -> str:
    """Put so many bytes into the registry; answers the path by which they are downloaded."""
    content = layer("packages", size).tar
    digest = _blob(registry, "packages", content, "application/octet-stream")["digest"]
    return f"/v2/packages/blobs/{digest}"


def _blob(registry: Registry, repository: str, content: bytes, kind: str) -> dict[str, object]:
    """Put a blob into the registry; answers how a manifest names it."""
    digest = "sha256:" + hashlib.sha256(content).hexdigest()
    where = urlsplit(_send(registry, "POST", f"/v2/{repository}/blobs/uploads/", b""))
    path = f"{where.path}?{where.query}&digest={digest}"
    _send(registry, "PUT", path, content, "application/octet-stream")
    return {"mediaType": kind, "size": len(content), "digest": digest}


def _send(registry: Registry, method: str, path: str, body: bytes, kind: str = "") -> str:
    """One request; answers the Location of what it made. Raises RuntimeError."""
    connection = http.client.HTTPConnection("127.0.0.1", registry.port, timeout=120)
    try:
        connection.request(method, path, body, {"Content-Type": kind} if kind else {})
        answer = connection.getresponse()
        said = answer.read()
    finally:
        connection.close()
    if answer.status >= 300:
        raise RuntimeError(f"{method} {path}: {answer.status} {said.decode(errors='replace')}")
    return answer.getheader("Location", "")
