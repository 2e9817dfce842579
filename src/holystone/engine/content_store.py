"""Manifests and configs read from containerd's content store, where this process may.

On the containerd image store an image's ID is the digest of its manifest (or of an index of
manifests), and the blobs lie in files named by their digest. Reading them takes a hundredth of
the time of an inspection and tells what no call of the engine's does: the compressed size of each
layer. Where the folder cannot be read (a remote engine, no root) the engine is asked instead.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from typing import Any

from holystone.core.inventory import Blob
from holystone.core.memory import ImageFacts

_BLOBS = "io.containerd.content.v1.content/blobs/sha256"
_LARGEST_JSON = 8 << 20
"""Bytes; the OCI distribution specification lets registries refuse manifests above 4 MiB."""


def read_content(
    root: str, ids: Iterable[str], known: Mapping[str, ImageFacts]
) -> dict[str, ImageFacts]:
    """The facts of those of these images whose content is whole and of one platform.

    ``root`` is the engine's data folder. What cannot be read is left out.
    """
    for folder in (f"{root}/containerd/daemon/{_BLOBS}", f"/var/lib/containerd/{_BLOBS}"):
        if os.access(folder, os.R_OK | os.X_OK):
            break
    else:
        return {}
    facts = {}
    for image_id in ids:
        try:
            content = _read_image(folder, image_id)
        except (AttributeError, TypeError):
            continue  # JSON of another shape than a manifest's.
        if content is not None:
            diff_ids, blobs = content
            facts[image_id] = known[image_id]._replace(diff_ids=diff_ids, blobs=blobs)
    return facts


def _read_image(folder: str, image_id: str) -> tuple[tuple[str, ...], tuple[Blob, ...]] | None:
    """The diff IDs and the blobs of one image; None where it is not whole."""
    top = _read_json(folder, image_id)
    if top is None:
        return None
    document, size = top
    blobs = [Blob(image_id, size)]
    stacks: list[tuple[str, ...]] = []
    for descriptor in document.get("manifests") or ():
        inner = _read_json(folder, str(descriptor.get("digest")))
        if inner is None:
            continue  # A platform that was not pulled.
        blobs.append(Blob(str(descriptor["digest"]), inner[1]))
        _read_manifest(folder, inner[0], blobs, stacks)
    if "layers" in document:
        _read_manifest(folder, document, blobs, stacks)
    return (stacks[0], tuple(blobs)) if len(stacks) == 1 else None


def _read_manifest(
    folder: str, manifest: Mapping[str, Any], blobs: list[Blob], stacks: list[tuple[str, ...]]
) -> None:
    """Add a manifest's blobs that are there, and its diff IDs where it is an image's."""
    config = _read_json(folder, str((manifest.get("config") or {}).get("digest")))
    whole = config is not None
    for descriptor in (manifest.get("config") or {}, *(manifest.get("layers") or ())):
        digest = str(descriptor.get("digest"))
        try:
            blobs.append(Blob(digest, os.stat(_path(folder, digest)).st_size))
        except (OSError, ValueError):
            whole = False
    if config is not None and whole:
        rootfs = config[0].get("rootfs") or {}
        layers = manifest.get("layers") or ()
        if len(rootfs.get("diff_ids") or ()) == len(layers) and not _attestation(manifest):
            stacks.append(tuple(rootfs.get("diff_ids") or ()))


def _attestation(manifest: Mapping[str, Any]) -> bool:
    """True for what BuildKit keeps beside an image to tell how it was made."""
    layers = manifest.get("layers") or ()
    return any("in-toto" in str(layer.get("mediaType")) for layer in layers)


def _path(folder: str, digest: str) -> str:
    """The file of a blob. Raises ValueError for what is no digest."""
    algorithm, _, digits = digest.partition(":")
    if algorithm != "sha256" or len(digits) != 64 or not digits.isalnum():
        raise ValueError(digest)
    return f"{folder}/{digits}"


def _read_json(folder: str, digest: str) -> tuple[dict[str, Any], int] | None:
    """A blob that holds a JSON object, and its size; None where it is not there or is none."""
    try:
        with open(_path(folder, digest), "rb") as file:
            data = file.read(_LARGEST_JSON)
        document = json.loads(data)
    except (OSError, ValueError, RecursionError):
        return None
    return (document, len(data)) if isinstance(document, dict) else None
