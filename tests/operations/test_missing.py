"""Which blob an export of the containerd store ends at, by the manifest where that came before."""

from __future__ import annotations

from typing import Any

from holystone.operations.digest_check import first_missing
from holystone.operations.image_archive import Archive, Part

INDEX, MANIFEST, CONFIG = (f"sha256:{digit * 64}" for digit in "123")
LAYERS = [f"sha256:{digit * 64}" for digit in "579"]


def export(*digests: str, documents: dict[str, Any]) -> Archive:
    """An export that has these blobs, in this order."""
    names = {digest: f"blobs/sha256/{digest[7:]}" for digest in digests}
    parts = {name: Part(1, digest, digest) for digest, name in names.items()}
    return Archive(parts, {names[d]: told for d, told in documents.items() if d in names}, {})


MANIFESTS: dict[str, Any] = {
    INDEX: {"manifests": [{"digest": MANIFEST}]},
    MANIFEST: {"config": {"digest": CONFIG}, "layers": [{"digest": each} for each in LAYERS]},
}


def test_the_first_that_is_missing_in_the_order_of_digests() -> None:
    """Those after it are missing because the export ended."""
    found = export(INDEX, MANIFEST, CONFIG, LAYERS[0], documents=MANIFESTS)
    assert first_missing(found, INDEX) == LAYERS[1]
    assert first_missing(export(MANIFEST, documents=MANIFESTS), MANIFEST) == CONFIG


def test_the_last_one_is_named_in_any_order() -> None:
    found = export(LAYERS[1], MANIFEST, CONFIG, LAYERS[0], documents=MANIFESTS)
    assert first_missing(found, MANIFEST) == LAYERS[2]


def test_without_a_manifest_or_an_order_nothing_is_named() -> None:
    assert first_missing(export(CONFIG, documents=MANIFESTS), MANIFEST) == ""
    found = export(CONFIG, MANIFEST, documents=MANIFESTS)
    assert first_missing(found, MANIFEST) == ""
    whole = export(MANIFEST, CONFIG, *LAYERS, documents=MANIFESTS)
    assert first_missing(whole, MANIFEST) == ""
