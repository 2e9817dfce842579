"""Hand-made images and OCI artifacts, pushed straight into a registry: what no builder makes."""

from __future__ import annotations

import base64
import hashlib
import http.client
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from .registry import PASSWORD, USER, Registry

_OCI = "application/vnd.oci.image"
MANIFEST = f"{_OCI}.manifest.v1+json"
INDEX = f"{_OCI}.index.v1+json"
CONFIG = f"{_OCI}.config.v1+json"
LAYER = f"{_OCI}.layer.v1.tar"
HELM = "application/vnd.cncf.helm.config.v1+json"
CHART = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"


class Made(NamedTuple):
    """One piece of content in a registry."""

    media_type: str
    digest: str
    size: int

    @property
    def descriptor(self) -> dict[str, Any]:
        """As a manifest names it."""
        return {"mediaType": self.media_type, "digest": self.digest, "size": self.size}


def digest(data: bytes) -> str:
    """What names these bytes."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def layer_of(name: str, data: bytes) -> bytes:
    """An uncompressed layer with one file."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        info = tarfile.TarInfo(name)
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def image_config(layers: Sequence[bytes], **more: Any) -> dict[str, Any]:
    """The config of an image with these layers, without history and dates unless told."""
    rootfs = {"type": "layers", "diff_ids": [digest(each) for each in layers]}
    return {"architecture": "amd64", "os": "linux", "config": {}, "rootfs": rootfs, **more}


def push_image(
    registry: Registry,
    name: str,
    config: Mapping[str, Any],
    layers: Sequence[bytes],
    *,
    config_type: str = CONFIG,
    layer_type: str = LAYER,
) -> str:
    """Push these under the tag ``1``; the reference to pull them by."""
    described = json.dumps(config).encode()
    for blob in (described, *layers):
        _push_blob(registry, name, blob)
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": Made(config_type, digest(described), len(described)).descriptor,
        "layers": [Made(layer_type, digest(each), len(each)).descriptor for each in layers],
    }
    push_manifest(registry, name, "1", document, MANIFEST)
    return f"{registry.address}/{name}:1"


def push_chart(registry: Registry, name: str, data: bytes) -> str:
    """Push a Helm chart; the reference to pull it by."""
    return push_image(registry, name, {"name": name}, [data], config_type=HELM, layer_type=CHART)


def push_manifest(
    registry: Registry, name: str, tag: str, document: Mapping[str, Any], kind: str
) -> Made:
    """Push a manifest or an index; what it is."""
    data = json.dumps(document).encode()
    _call(registry, "PUT", f"/v2/{name}/manifests/{tag}", data, kind)
    return Made(kind, digest(data), len(data))


def _push_blob(registry: Registry, name: str, data: bytes) -> None:
    location = _call(registry, "POST", f"/v2/{name}/blobs/uploads/", b"", "")
    path = location.split(registry.address, 1)[-1]
    path += ("&" if "?" in path else "?") + f"digest={digest(data)}"
    _call(registry, "PUT", path, data, "application/octet-stream")


def _call(registry: Registry, method: str, path: str, data: bytes, kind: str) -> str:
    """Where the registry says to go on. Raises OSError where it refuses."""
    connection = http.client.HTTPConnection("127.0.0.1", registry.port, timeout=30)
    login = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    headers = {"Authorization": f"Basic {login}"} | ({"Content-Type": kind} if kind else {})
    try:
        connection.request(method, path, body=data, headers=headers)
        response = connection.getresponse()
        said = response.read()
        if response.status >= 300:
            raise OSError(f"{method} {path}: {response.status} {said!r}")
        return response.getheader("Location") or ""
    finally:
        connection.close()
