"""Whether a pull of an image would succeed: its registry has the manifest and every blob of it.

The engine's own request (``/distribution``) checks only the manifest, but a registry that was
cleaned, or whose disk failed, may lack a layer. So the registry is asked from here as well, with
the user's login: for the manifests, each checked with its digest, and for the first byte of each
blob. (``HEAD`` would do in theory. Registries that keep blobs elsewhere answer it with an address
that takes no ``HEAD``, and one whose disk lost a blob answers from what it remembers.)
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from holystone.planner.inventory import Image
from holystone.planner.reference import Reference, parse
from holystone.registry.credentials import CredentialsError
from holystone.registry.distribution import MANIFESTS, Registry, RegistryError

_LARGEST_MANIFEST = 8 << 20
_PARTIAL = 206
_NOT_FOUND = 404


class Pullable(NamedTuple):
    """What a pull of an image would bring, or why it would fail."""

    layers: Mapping[str, int] = {}
    """The sizes of its layers as blobs, by digest."""
    documents: frozenset[str] = frozenset()
    """The digests of its manifests and configs."""
    why: str = ""
    """Why it would fail; empty where it would not."""
    unheard: bool = False
    """Whether the cause is a registry that gave no answer or refused access."""


class _Lacking(Exception):
    """The registry lacks something, or gives something else."""


def pullable(image: Image, reach: Callable[[str], Registry]) -> Pullable:
    """Whether one of the digests of an image can be pulled in whole. Never raises.

    ``reach`` makes the registry of a domain.
    """
    faults = []
    unheard = False
    for digest in image.digests:
        reference = parse(digest).complete
        try:
            return _Asked(reach(reference.domain), reference).whole(image)
        except (RegistryError, CredentialsError, _Lacking) as error:
            faults.append(str(error))
            unheard = unheard or not isinstance(error, _Lacking)
    why = "; ".join(dict.fromkeys(faults)) or "it has no digest of a registry"
    return Pullable(why=why, unheard=unheard)


class _Asked:
    def __init__(self, registry: Registry, reference: Reference) -> None:
        self.registry = registry
        self.reference = reference
        self.domain = reference.domain

    def whole(self, image: Image) -> Pullable:
        """What a pull takes, all of which is there. Raises _Lacking, RegistryError."""
        top = self._manifest(self.reference.digest)
        documents = {self.reference.digest}
        manifests = [top]
        if "manifests" in top:
            # Of an index the platforms that are here; all if the platforms are unknown.
            listed = [each for each in top.get("manifests") or () if isinstance(each, dict)]
            of_platforms = [each for each in listed if _platform(each) in image.platforms]
            digests = [str(each.get("digest")) for each in of_platforms or listed]
            documents.update(digests)
            manifests = [self._manifest(digest) for digest in digests]
            manifests = [m for m in manifests if _config_of(m) == image.id] or manifests
        documents.update(filter(None, map(_config_of, manifests)))
        blobs: dict[str, int] = {}
        for each in manifests:
            blobs.update(_blobs(each))
        if not blobs:
            raise _Lacking(f"{self.domain} gives a manifest of {image.id[7:19]} without layers")
        for digest, size in blobs.items():
            self._see(digest, size)
        layers = {digest: size for digest, size in blobs.items() if digest not in documents}
        return Pullable(layers, frozenset(documents))

    def _open(self, kind: str, digest: str, headers: Mapping[str, str]) -> Any:
        """A manifest or a blob, to be read and closed. Raises _Lacking, RegistryError."""
        answer = self.registry.open("GET", self.reference.path, f"{kind}s/{digest}", headers)
        if answer.status < 300:
            return answer
        answer.close()
        what = f"{kind} {_short(digest)} of {self.reference.familiar_name}"
        if answer.status == _NOT_FOUND:
            raise _Lacking(f"{self.domain} lacks {what}")
        raise _Lacking(f"{self.domain} answers {answer.status} for {what}")

    def _manifest(self, digest: str) -> dict[str, Any]:
        with self._open("manifest", digest, {"Accept": MANIFESTS}) as answer:
            try:
                body = answer.read(_LARGEST_MANIFEST)
            except OSError as error:
                raise _Lacking(f"no answer from {self.domain}: {error}") from None
        if f"sha256:{hashlib.sha256(body).hexdigest()}" != digest:
            raise _Lacking(f"{self.domain} gives another manifest than {_short(digest)}")
        try:
            document = json.loads(body)
        except (ValueError, RecursionError):
            document = None
        if not isinstance(document, dict):
            raise _Lacking(f"{self.domain} gives a manifest that is none for {_short(digest)}")
        return document

    def _see(self, digest: str, size: int) -> None:
        """Raises _Lacking where the registry has no such blob of this size, RegistryError."""
        with self._open("blob", digest, {"Range": "bytes=0-0"}) as answer:
            told = str(answer.headers.get("Content-Length") or "")
            if answer.status == _PARTIAL:
                told = str(answer.headers.get("Content-Range") or "").rpartition("/")[2]
        if size and told.isdecimal() and int(told) != size:
            raise _Lacking(
                f"{self.domain} has {int(told)} of the {size} bytes of blob {_short(digest)} of "
                f"{self.reference.familiar_name}"
            )


def _platform(descriptor: Mapping[str, Any]) -> str:
    told = descriptor.get("platform")
    told = told if isinstance(told, dict) else {}
    parts = (told.get("os"), told.get("architecture"), told.get("variant"))
    return "/".join(str(part) for part in parts if part)


def _config_of(manifest: Mapping[str, Any]) -> str:
    config = manifest.get("config")
    return str(config.get("digest")) if isinstance(config, dict) else ""


def _blobs(manifest: Mapping[str, Any]) -> dict[str, int]:
    """The config and the layers of a manifest that a registry keeps, with their sizes."""
    layers = manifest.get("layers")
    parts: Iterable[Any] = [manifest.get("config"), *(layers if isinstance(layers, list) else ())]
    return {
        str(part.get("digest")): part["size"] if isinstance(part.get("size"), int) else 0
        for part in parts
        # Layers with addresses of their own come from there.
        if isinstance(part, dict) and not part.get("urls")
    }


def _short(digest: str) -> str:
    return digest.removeprefix("sha256:")[:12]
