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

from holystone.planner.inventory import Blob
from holystone.usage.store_port import ImageFacts

_BLOBS = "io.containerd.content.v1.content/blobs/sha256"
Blobs = tuple[Blob, ...]
_LARGEST_JSON = 8 << 20
"""Bytes; the OCI distribution specification lets registries refuse manifests above 4 MiB."""


def read_content(
    root: str, ids: Iterable[str], known: Mapping[str, ImageFacts]
) -> dict[str, ImageFacts]:
    """The facts of those of these images whose content can be read.

    ``root`` is the engine's data folder. The blobs are those that are here of what an image names,
    the diff IDs those of an image that is whole and of one platform.
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
            fact = known[image_id]._replace(blobs=blobs)
            facts[image_id] = fact if diff_ids is None else fact._replace(diff_ids=diff_ids)
    return facts


def _read_image(folder: str, image_id: str) -> tuple[tuple[str, ...] | None, Blobs] | None:
    """The diff IDs of one image and its blobs that are here; None where they cannot be told."""
    top = _read_json(folder, image_id)
    if top is None:
        return None
    document, size = top
    blobs = [Blob(image_id, size)]
    stacks: list[tuple[str, ...] | None] = []
    for descriptor in document.get("manifests") or ():
        digest = _digest_of(descriptor)
        inner = _read_json(folder, digest)
        if inner is None:
            continue  # A platform that was not pulled.
        blobs.append(Blob(digest, inner[1]))
        if inner[0].get("manifests"):
            return None  # An index of indexes.
        stack = _read_manifest(folder, inner[0], blobs)
        if not _attestation(inner[0]):
            stacks.append(stack)
    if "layers" in document:
        stacks.append(_read_manifest(folder, document, blobs))
    elif "manifests" not in document:
        return None
    whole = [stack for stack in stacks if stack is not None]
    return (whole[0] if len(whole) == 1 else None, tuple(blobs))


def _read_manifest(
    folder: str, manifest: Mapping[str, Any], blobs: list[Blob]
) -> tuple[str, ...] | None:
    """Add a manifest's blobs that are here; its diff IDs where it is whole and an image's.

    Raises TypeError for what names no blob.
    """
    config = manifest.get("config") or {}
    layers = manifest.get("layers") or ()
    whole = True
    for descriptor in (config, *layers):
        digest = _digest_of(descriptor)
        try:
            blobs.append(Blob(digest, os.stat(_path(folder, digest)).st_size))
        except OSError:
            whole = False
    read = _read_json(folder, _digest_of(config))
    if read is None or not whole:
        return None
    rootfs = read[0].get("rootfs")
    diff_ids = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    diff_ids = diff_ids if isinstance(diff_ids, list) else []
    return tuple(map(str, diff_ids)) if len(diff_ids) == len(layers) else None


def _attestation(manifest: Mapping[str, Any]) -> bool:
    """True for what BuildKit keeps beside an image to tell how it was made."""
    layers = manifest.get("layers") or ()
    return any("in-toto" in str(layer.get("mediaType")) for layer in layers)


def _digest_of(descriptor: Mapping[str, Any]) -> str:
    """The digest of a blob that a manifest names. Raises TypeError for what is none."""
    digest = str(descriptor.get("digest"))
    if not _is_digest(digest):
        raise TypeError(digest)
    return digest


def _is_digest(text: str) -> bool:
    algorithm, _, digits = text.partition(":")
    return algorithm == "sha256" and len(digits) == 64 and digits.isalnum()


def _path(folder: str, digest: str) -> str:
    """The file of a blob. Raises ValueError for what is no digest."""
    if not _is_digest(digest):
        raise ValueError(digest)
    return f"{folder}/{digest.partition(':')[2]}"


def _read_json(folder: str, digest: str) -> tuple[dict[str, Any], int] | None:
    """A blob that holds a JSON object, and its size; None where it is not there or is none."""
    try:
        with open(_path(folder, digest), "rb") as file:
            data = file.read(_LARGEST_JSON)
        document = json.loads(data)
    except (OSError, ValueError, RecursionError):
        return None
    return (document, len(data)) if isinstance(document, dict) else None
