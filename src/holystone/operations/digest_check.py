"""Check an exported image: compare its parts with the digests that name them.

A classic store names an image by the digest of its config, and the config has the digest of each
layer. The containerd store names it by the digest of a manifest, or of an index of manifests, and
every part of it is a blob named by its own digest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from holystone.operations.image_archive import Archive

_BLOBS = "blobs/sha256/"
_DEEPEST = 3
"""Levels of indexes; more than an index of manifests is not in use."""
_ABSENT = "it is not in the export"


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
    found = _Checking(archive)
    exported = True
    top = archive.document(_blob(image_id))
    if isinstance(top, dict) and ("layers" in top or "manifests" in top):
        found.check_blob(image_id, 0)
    elif archive.part(_blob(image_id)) is not None and not isinstance(top, dict):
        found.damages.append(Damage("manifest", image_id, "", "not valid JSON"))
    else:
        exported = found.check_classic(image_id, diff_ids, podman=podman)
    damages, notes = dict.fromkeys(found.damages), dict.fromkeys(found.notes)
    return Findings(tuple(damages), tuple(notes), frozenset(found.proven), exported)


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
    missing = {e for e in _named(archive, image_id, 0) if archive.part(_blob(e)) is None}
    written = [name for name in archive.parts if name.startswith(_BLOBS)]
    last = max(written, default="")
    after = sorted(each for each in missing if _blob(each) > last)
    in_order = written == sorted(written) and len(after) == len(missing)
    return after[0] if after and (in_order or len(after) == 1) else ""


def _named(archive: Archive, digest: str, depth: int) -> Iterator[str]:
    """The digests of configs and layers that a manifest or an index names."""
    document = archive.document(_blob(digest))
    if not isinstance(document, dict) or depth > _DEEPEST:
        return
    for each in _digests(document.get("manifests")):
        yield from _named(archive, each, depth + 1)
    yield from _digests([document.get("config")])
    yield from _digests(document.get("layers"))


class _Checking:
    """One image's check under way."""

    def __init__(self, archive: Archive) -> None:
        self.archive = archive
        self.damages: list[Damage] = []
        self.notes: list[str] = []
        self.proven: set[str] = set()

    def check_classic(self, image_id: str, diff_ids: Sequence[str], *, podman: bool) -> bool:
        """By the archive's own ``manifest.json``: the config, and a file for each layer.

        Answers whether the export has the image, and what to hold its layers against.
        """
        manifest = self.archive.document("manifest.json")
        entries = [e for e in manifest if isinstance(e, dict)] if isinstance(manifest, list) else []
        # It names an image by the file of its config; Podman by what it makes of the config.
        name = image_id.removeprefix("sha256:")
        named = [entry for entry in entries if name in str(entry.get("Config"))]
        if not named and podman and len(entries) == 1:
            named = entries
        if not named:
            self.notes.append("the export does not have it")
            return False
        config_name = str(named[0].get("Config"))
        part = self.archive.part(config_name)
        config = self.archive.document(config_name)
        if part is None or not isinstance(config, dict):
            found = part.digest if part else ""
            self.damages.append(Damage("config", image_id, found, "it is not usable"))
            config = {}
        elif part.digest != image_id and podman:
            self.notes.append("its config: Podman exports it in another form")
        elif part.digest != image_id:
            self.damages.append(Damage("config", image_id, part.digest))
        layers = named[0].get("Layers")
        expected = _diff_ids(config) or tuple(diff_ids)
        if not expected and layers and not self.damages:
            self.notes.append("its config names no layers, so they cannot be checked")
            return False
        if not isinstance(layers, list) or len(layers) != len(expected):
            count = len(layers) if isinstance(layers, list) else 0
            told = f"the export has {count} layers and the config {len(expected)}"
            self.damages.append(Damage("image", "", "", told))
            return True
        for layer, diff_id in zip(layers, expected, strict=True):
            part = self.archive.part(str(layer))
            if part is None:
                self.damages.append(Damage("layer", diff_id, "", _ABSENT))
            elif not part.unpacked:
                self.notes.append(f"layer {_short(diff_id)}: {part.trouble}")
            elif part.unpacked != diff_id:
                self.damages.append(Damage("layer", diff_id, part.unpacked))
            else:
                self.proven.add(diff_id)
        return True

    def check_blob(self, digest: str, depth: int) -> None:
        """A manifest or index and all that it names, as far as it is in the export."""
        if not self._holds(digest, "manifest"):
            return
        document = self.archive.document(_blob(digest))
        if not isinstance(document, dict) or depth > _DEEPEST:
            self.damages.append(Damage("manifest", digest, "", "not valid JSON"))
            return
        if "manifests" not in document:
            self._check_manifest(document)
            return
        named = _digests(document.get("manifests"))
        here = [each for each in named if self.archive.part(_blob(each)) is not None]
        # The engine keeps of an index what belongs to the platforms that were pulled.
        for each in here:
            self.check_blob(each, depth + 1)
        if named and not here:
            told = "nothing that it names is in the export"
            self.damages.append(Damage("manifest", digest, "", told))

    def _check_manifest(self, manifest: Mapping[str, Any]) -> None:
        (config_digest,) = _digests([manifest.get("config")]) or [""]
        config = None
        if self._holds(config_digest, "config"):
            config = self.archive.document(_blob(config_digest))
        layers = _digests(manifest.get("layers"))
        whole = [self._holds(each, "layer") for each in layers]
        diff_ids = _diff_ids(config)
        if len(diff_ids) != len(layers):
            return  # Nothing that is unpacked: an attestation, or an artifact.
        for digest, diff_id, is_whole in zip(layers, diff_ids, whole, strict=True):
            part = self.archive.part(_blob(digest))
            if part is None or not is_whole:
                continue
            if part.unpacked == diff_id:
                self.proven.add(diff_id)
            elif part.unpacked:
                self.damages.append(Damage("layer", diff_id, part.unpacked, "its blob is whole"))
            else:
                self.notes.append(f"layer {_short(diff_id)} unpacked: {part.trouble}")

    def _holds(self, digest: str, what: str) -> bool:
        """Whether a blob is there and is what its name says."""
        part = self.archive.part(_blob(digest))
        if part is None:
            self.damages.append(Damage(what, digest, "", _ABSENT))
        elif part.digest != digest:
            self.damages.append(Damage(what, digest, part.digest))
        return part is not None and part.digest == digest


def _blob(digest: str) -> str:
    return _BLOBS + digest.removeprefix("sha256:")


def _digests(entries: Any) -> list[str]:
    """The digests of a list of descriptors."""
    if not isinstance(entries, list):
        return []
    return [str(entry.get("digest")) for entry in entries if isinstance(entry, dict)]


def _diff_ids(config: Any) -> tuple[str, ...]:
    rootfs = config.get("rootfs") if isinstance(config, dict) else None
    told = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    return tuple(map(str, told)) if isinstance(told, list) else ()


def _short(digest: str) -> str:
    return digest.removeprefix("sha256:")[:12]
