"""The stored facts between two looks at a host: about images, and about the use of objects."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from holystone.planner.inventory import Blob, Layer
from holystone.planner.usage import Key, Use
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
    """Those of its other platforms, which are read again."""
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
    """What the tracker asks of the store, apart for each engine."""

    def recall_uses(self, engine: str) -> dict[Key, float]:
        """When each image, volume and network of this engine was last used, UTC seconds."""

    def recall_bookmark(self, engine: str) -> Bookmark:
        """How far the history of this engine has been read."""

    def recall_summaries(self, engine: str, kind: str) -> dict[str, Use]:
        """What is known of the uses of each ``reference``, ``image`` or ``cache`` record."""

    def fold(self, engine: str, update: UsageUpdate) -> Folded | None:
        """Add what was seen, and forget objects of this engine that are not here any more.

        Answers what it changed; None where it could not be kept.
        """
