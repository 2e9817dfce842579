"""What an export proves of an image: its parts held against the digests that name them.

A classic store names an image by the digest of its config, and the config has the digest of each
layer. The containerd store names it by the digest of a manifest, or of an index of manifests, and
every part of it is a blob named by its own digest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from holystone.operations.image_archive import Archive

_BLOBS = "blobs/sha256/"
_DEEPEST = 3
"""Levels of indexes; more than an index of manifests is not in use."""


class Damage(NamedTuple):
    """One part of an image that is not what its name says."""

    part: str
    """``layer``, ``config``, ``manifest``, ``blob`` or ``image`` where the engine named none."""
    expected: str = ""
    """The digest it should have; empty where it is not known which part it is."""
    found: str = ""
    """The digest it has; empty where it could not be read."""
    words: str = ""
    """What the engine said, or what is wrong beside the digest."""


class Findings(NamedTuple):
    """What was found of one image."""

    damages: tuple[Damage, ...] = ()
    notes: tuple[str, ...] = ()
    """What could not be checked, and why."""
    proven: frozenset[str] = frozenset()
    """The diff IDs of layers that are whole."""
    exported: bool = True
    """Whether the export had the image, and what to hold its layers against."""


def check(archive: Archive, image_id: str, diff_ids: Sequence[str], *, podman: bool) -> Findings:
    """Hold an image of a complete archive against its ID.

    ``diff_ids`` are those the engine tells, bottom first.
    """
    findings = _Checking(archive, podman=podman)
    top = archive.document(_blob(image_id))
    if isinstance(top, dict) and ("layers" in top or "manifests" in top):
        findings.check_blob(image_id, 0)
    elif archive.part(_blob(image_id)) is not None and not isinstance(top, dict):
        findings.add(Damage("manifest", image_id, "", "not valid JSON"))
    else:
        findings.check_classic(image_id, diff_ids)
    return Findings(
        tuple(dict.fromkeys(findings.damages)),
        tuple(dict.fromkeys(findings.notes)),
        frozenset(findings.proven),
        findings.exported,
    )


def misnamed(archive: Archive) -> list[Damage]:
    """The blobs of an archive, complete or not, whose digest is not their name."""
    return [
        Damage("blob", f"sha256:{name.removeprefix(_BLOBS)}", part.digest)
        for name, part in archive.parts.items()
        if name.startswith(_BLOBS) and part.digest != f"sha256:{name.removeprefix(_BLOBS)}"
    ]


def first_missing(archive: Archive, image_id: str) -> str:
    """The digest of the blob that an export of the containerd store ends at, as far as it tells.

    The manifest, where it is in the export, names what is missing. Blobs come in order of their
    digests, so it is the first of these that the export could not go on with; empty where the
    manifest is missing too, or the order is another one.
    """
    missing: set[str] = set()
    _add_missing(archive, image_id, missing, 0)
    written = [name for name in archive.parts if name.startswith(_BLOBS)]
    last = max(written, default="")
    after = sorted(each for each in missing if _blob(each) > last)
    in_order = written == sorted(written) and len(after) == len(missing)
    return after[0] if after and (in_order or len(after) == 1) else ""


def _add_missing(archive: Archive, digest: str, missing: set[str], depth: int) -> None:
    document = archive.document(_blob(digest))
    if not isinstance(document, dict) or depth > _DEEPEST:
        return
    for each in _digests(document.get("manifests")):
        _add_missing(archive, each, missing, depth + 1)
    for each in (*_digests([document.get("config")]), *_digests(document.get("layers"))):
        if archive.part(_blob(each)) is None:
            missing.add(each)


class _Checking:
    """One image's check under way."""

    def __init__(self, archive: Archive, *, podman: bool) -> None:
        self.archive = archive
        self.podman = podman
        self.damages: list[Damage] = []
        self.notes: list[str] = []
        self.proven: set[str] = set()
        self.exported = True

    def add(self, damage: Damage) -> None:
        self.damages.append(damage)

    def check_classic(self, image_id: str, diff_ids: Sequence[str]) -> None:
        """By the archive's own ``manifest.json``: the config, and a file for each layer."""
        entry = self._entry(image_id)
        if entry is None:
            self.exported = False
            self.notes.append("the export does not have it")
            return
        config_name = str(entry.get("Config"))
        part = self.archive.part(config_name)
        config = self.archive.document(config_name)
        if part is None or not isinstance(config, dict):
            self.add(Damage("config", image_id, part.digest if part else "", "it is not usable"))
            config = {}
        elif part.digest != image_id:
            if self.podman:
                self.notes.append("its config: Podman exports it in another form")
            else:
                self.add(Damage("config", image_id, part.digest))
        expected = _diff_ids(config) or tuple(diff_ids)
        if not expected and entry.get("Layers") and not self.damages:
            self.exported = False
            self.notes.append("its config names no layers, so they cannot be checked")
            return
        self._check_layers(entry.get("Layers"), expected)

    def check_blob(self, digest: str, depth: int) -> None:
        """A manifest or index and all that it names, as far as it is in the export."""
        if not self._holds(digest, "manifest"):
            return
        document = self.archive.document(_blob(digest))
        if not isinstance(document, dict) or depth > _DEEPEST:
            self.add(Damage("manifest", digest, "", "not valid JSON"))
            return
        if "manifests" in document:
            named = _digests(document.get("manifests"))
            here = [each for each in named if self.archive.part(_blob(each)) is not None]
            # The engine keeps of an index what belongs to the platforms that were pulled.
            for each in here:
                self.check_blob(each, depth + 1)
            if named and not here:
                self.add(Damage("manifest", digest, "", "nothing that it names is in the export"))
            return
        self._check_manifest(document)

    def _check_manifest(self, manifest: Mapping[str, Any]) -> None:
        (config_digest,) = _digests([manifest.get("config")]) or [""]
        config = None
        if self._holds(config_digest, "config"):
            config = self.archive.document(_blob(config_digest))
        layers = _digests(manifest.get("layers"))
        whole = [self._holds(each, "layer") for each in layers]
        diff_ids = _diff_ids(config) if isinstance(config, dict) else ()
        if len(diff_ids) != len(layers):
            return  # Nothing that is unpacked: an attestation, or an artifact.
        for digest, diff_id, is_whole in zip(layers, diff_ids, whole, strict=True):
            part = self.archive.part(_blob(digest))
            if part is None or not is_whole:
                continue
            if part.unpacked == diff_id:
                self.proven.add(diff_id)
            elif part.unpacked:
                self.add(Damage("layer", diff_id, part.unpacked, "its blob is whole"))
            else:
                self.notes.append(f"layer {_short(diff_id)} unpacked: {part.trouble}")

    def _check_layers(self, names: Any, diff_ids: Sequence[str]) -> None:
        if not isinstance(names, list) or len(names) != len(diff_ids):
            count = len(names) if isinstance(names, list) else 0
            told = f"the export has {count} layers and the config {len(diff_ids)}"
            self.add(Damage("image", "", "", told))
            return
        for name, diff_id in zip(names, diff_ids, strict=True):
            part = self.archive.part(str(name))
            if part is None:
                self.add(Damage("layer", diff_id, "", "it is not in the export"))
            elif not part.unpacked:
                self.notes.append(f"layer {_short(diff_id)}: {part.trouble}")
            elif part.unpacked != diff_id:
                self.add(Damage("layer", diff_id, part.unpacked))
            else:
                self.proven.add(diff_id)

    def _holds(self, digest: str, what: str) -> bool:
        """Whether a blob is there and is what its name says."""
        part = self.archive.part(_blob(digest))
        if part is None:
            self.add(Damage(what, digest, "", "it is not in the export"))
            return False
        if part.digest != digest:
            self.add(Damage(what, digest, part.digest))
            return False
        return True

    def _entry(self, image_id: str) -> Mapping[str, Any] | None:
        """What ``manifest.json`` tells of an image, which it names by the file of its config."""
        manifest = self.archive.document("manifest.json")
        entries = [e for e in manifest if isinstance(e, dict)] if isinstance(manifest, list) else []
        name = image_id.removeprefix("sha256:")
        named = [entry for entry in entries if name in str(entry.get("Config"))]
        if not named and self.podman and len(entries) == 1:
            return entries[0]
        return named[0] if named else None


def _blob(digest: str) -> str:
    return _BLOBS + digest.removeprefix("sha256:")


def _digests(entries: Any) -> list[str]:
    """The digests of a list of descriptors."""
    if not isinstance(entries, list):
        return []
    return [str(entry.get("digest")) for entry in entries if isinstance(entry, dict)]


def _diff_ids(config: Mapping[str, Any]) -> tuple[str, ...]:
    rootfs = config.get("rootfs")
    told = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    return tuple(map(str, told)) if isinstance(told, list) else ()


def _short(digest: str) -> str:
    return digest.removeprefix("sha256:")[:12]
