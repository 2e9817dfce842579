"""What is remembered between two looks at a host: of images, and of the use of objects."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, Protocol

from holystone.planner.inventory import Blob, Inventory, Layer
from holystone.planner.usage import Followers, Key, Lease, Use
from holystone.usage.sighting import Bookmark, Folded, UsageUpdate


class ImageFacts(NamedTuple):
    """What one image's inspection told, and since when it is known here (UTC seconds).

    Layer facts never change.
    """

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
    other_layers: tuple[Layer, ...] = ()
    """Those of its other platforms, which are asked for anew."""
    arrived: float | None = None
    """When an event last told that it came here."""
    loaded: bool = False
    """Whether that was from an archive, and no tag was seen on it since."""
    pinned: tuple[str, ...] = ()
    """Its references with a digest that an event or a container asked for."""
    tagged_in: tuple[str, ...] = ()
    """Repositories in which it was seen with a tag."""
    dated_tags: tuple[str, ...] = ()
    """The tags that ``dated`` is about, in order; empty where that was not asked."""
    dated: float | None = None
    """When the engine says it last got one of them."""


class RegistryWord(NamedTuple):
    """What is known of one image in one registry. Times are UTC seconds."""

    has: bool | None = None
    """Its last answer; None where it was never asked."""
    said: str = ""
    """The registry's words where that is no."""
    asked: float = 0.0
    """When it answered; 0 where it never did."""
    seen: float = 0.0
    """When it last had the image, by a yes, a pull or a push; 0 where it never did."""

    @property
    def once_there(self) -> bool | None:
        """Whether the registry had the image when it was last heard of; None where it never was."""
        if self.has is False and self.asked >= self.seen:
            return False
        return True if self.seen else None


class Memory(Protocol):
    """Keeps what was seen, apart for each engine; and leases, which are for every engine."""

    def recall(self, engine: str, *, layers: bool = True) -> dict[str, ImageFacts]:
        """What is known of this engine's images, with or without their layers and diff IDs."""

    def remember(
        self, engine: str, news: Mapping[str, ImageFacts], present: Collection[str]
    ) -> None:
        """Keep these facts, and forget images of this engine that are not among ``present``."""

    def recall_uses(self, engine: str) -> dict[Key, float]:
        """When each image, volume and network of this engine was last used, UTC seconds."""

    def recall_bookmark(self, engine: str) -> Bookmark:
        """How far the history of this engine has been read."""

    def recall_summaries(self, engine: str, kind: str) -> dict[str, Use]:
        """What is known of the uses of each ``reference``, ``image`` or ``cache`` record."""

    def recall_company(self, engine: str) -> dict[str, Followers]:
        """What was used soon after each reference."""

    def recall_absent(self, engine: str) -> dict[str, Sequence[tuple[str, int]]]:
        """The layers of the image each reference last meant, of those that are gone."""

    def recall_speeds(self, engine: str) -> dict[str, float]:
        """How fast images came from each registry, bytes a second."""

    def recall_ends(self, engine: str) -> dict[str, float]:
        """When containers were first seen stopped whose end the engine does not know, by ID."""

    def remember_ends(self, engine: str, ends: Mapping[str, float]) -> None:
        """Keep these in place of all that were known of this engine."""

    def recall_registry(self, engine: str) -> dict[str, RegistryWord]:
        """What registries said to this engine, by complete reference with a digest."""

    def remember_registry(
        self, engine: str, words: Mapping[str, RegistryWord], present: Collection[str]
    ) -> None:
        """Keep these answers, and forget references that are not among ``present``."""

    def fold(self, engine: str, update: UsageUpdate) -> Folded | None:
        """Add what was seen, and forget objects of this engine that are not here any more.

        Answers what it changed; None where it could not be kept.
        """

    def recall_leases(self, now: float) -> tuple[Lease, ...]:
        """The leases that have not ended by ``now``."""

    def has_open(self, engine: str) -> bool:
        """Whether there are removals on this engine that nobody knows the end of."""

    def settle_open(self, inventory: Inventory, looked_at: float) -> None:
        """Settle these by what is there; ``looked_at`` is when the inventory was asked for."""

    def leases_unread(self) -> str:
        """Why there may be leases that cannot be read; empty where there are none."""
