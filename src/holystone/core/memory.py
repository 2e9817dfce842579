"""What is remembered of an image between two looks at a host. Layer facts never change."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple, Protocol

from holystone.core.inventory import Blob, Layer


class ImageFacts(NamedTuple):
    """What one image's inspection told, and since when it is known here (UTC seconds)."""

    first_seen: float
    last_tagged: float | None = None
    made_by_buildkit: bool = False
    inspected: bool = False
    """Whether the two fields above were asked for; until then they say nothing."""
    layers: tuple[Layer, ...] | None = None
    """Bottom first; None until they were weighed."""
    exact: bool = True
    """False where the size of a layer could not be told for certain."""
    diff_ids: tuple[str, ...] | None = None
    """The digests of the unpacked layers, bottom first; None until they were asked for."""
    blobs: tuple[Blob, ...] | None = None
    """Its compressed content, where the content store could be read."""


class Memory(Protocol):
    """Keeps image facts by image ID, apart for each engine."""

    def recall(self, engine: str, *, layers: bool = True) -> dict[str, ImageFacts]:
        """What is known of this engine's images, with or without their layers and diff IDs."""

    def remember(
        self, engine: str, news: Mapping[str, ImageFacts], present: Collection[str]
    ) -> None:
        """Keep these facts, and forget images of this engine that are not among ``present``."""


class Forgetful:
    """A memory that keeps nothing, for one look at a host."""

    def recall(self, engine: str, *, layers: bool = True) -> dict[str, ImageFacts]:  # noqa: ARG002
        """Nothing."""
        return {}

    def remember(
        self, engine: str, news: Mapping[str, ImageFacts], present: Collection[str]
    ) -> None:
        """Keep nothing."""
