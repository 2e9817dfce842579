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
Stack = tuple[str, ...]
_LARGEST_JSON = 8 << 20
"""Bytes; the OCI distribution specification lets registries refuse manifests above 4 MiB."""


class _Unlike(Exception):
    """The JSON is of another shape than a manifest's."""


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
            diff_ids, blobs = _read_image(folder, image_id)
        except (AttributeError, TypeError, _Unlike):
            continue
        fact = known[image_id]._replace(blobs=blobs)
        facts[image_id] = fact if diff_ids is None else fact._replace(diff_ids=diff_ids)
    return facts


def _read_image(folder: str, image_id: str) -> tuple[Stack | None, tuple[Blob, ...]]:
    """The diff IDs of one image and its blobs that are here. Raises _Unlike and the like."""
    document = _read_json(folder, image_id)
    if document is None or not ("layers" in document or "manifests" in document):
        raise _Unlike
    blobs = [_blob(folder, image_id)]
    manifests = [document] if "layers" in document else []
    for descriptor in document.get("manifests") or ():
        digest = _digest_of(descriptor)
        inner = _read_json(folder, digest)
        if inner is None:
            continue  # A platform that was not pulled.
        if inner.get("manifests"):
            raise _Unlike  # An index of indexes.
        blobs.append(_blob(folder, digest))
        manifests.append(inner)
    whole = []
    for manifest in manifests:
        config, layers = manifest.get("config") or {}, manifest.get("layers") or ()
        digests = [_digest_of(each) for each in (config, *layers)]
        parts = [_blob(folder, digest) for digest in digests]
        blobs += parts
        # BuildKit's attestations beside an image are no images.
        made_how = any("in-toto" in str(each.get("mediaType")) for each in layers)
        document = _read_json(folder, digests[0]) if all(parts) and not made_how else None
        if document is not None:
            rootfs = document.get("rootfs")
            diff_ids = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
            stack = tuple(map(str, diff_ids)) if isinstance(diff_ids, list) else ()
            if len(stack) == len(layers):
                whole.append(stack)
    return (whole[0] if len(whole) == 1 else None), tuple(filter(None, blobs))


def _blob(folder: str, digest: str) -> Blob | None:
    """A blob with its size; None where it is not here."""
    try:
        return Blob(digest, os.stat(_path(folder, digest)).st_size)
    except OSError:
        return None


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
    return f"{folder}/{digest.partition(':')[2]}"


def _read_json(folder: str, digest: str) -> dict[str, Any] | None:
    """A blob that holds a JSON object; None where it is not there or is none."""
    if not _is_digest(digest):
        return None
    try:
        with open(_path(folder, digest), "rb") as file:
            document = json.loads(file.read(_LARGEST_JSON))
    except (OSError, ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None
