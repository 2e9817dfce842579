"""A memory that keeps nothing, for tests of a single look at a host."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from holystone.planner.inventory import Inventory
from holystone.planner.usage import Followers, Key, Lease, Use
from holystone.usage.sighting import Bookmark, Folded, UsageUpdate
from holystone.usage.store_port import ImageFacts, RegistryWord


class Forgetful:
    """A memory that keeps nothing, for one look at a host."""

    def recall(self, engine: str, *, layers: bool = True) -> dict[str, ImageFacts]:
        """Nothing."""
        return {}

    def remember(
        self, engine: str, news: Mapping[str, ImageFacts], present: Collection[str]
    ) -> None:
        """Keep nothing."""

    def recall_uses(self, engine: str) -> dict[Key, float]:
        """Nothing."""
        return {}

    def recall_bookmark(self, engine: str) -> Bookmark:
        """Nothing yet."""
        return Bookmark()

    def recall_summaries(self, engine: str, kind: str) -> dict[str, Use]:
        """Nothing."""
        return {}

    def recall_company(self, engine: str) -> dict[str, Followers]:
        """Nothing."""
        return {}

    def recall_absent(self, engine: str) -> dict[str, Sequence[tuple[str, int]]]:
        """Nothing."""
        return {}

    def recall_speeds(self, engine: str) -> dict[str, float]:
        """Nothing."""
        return {}

    def recall_ends(self, engine: str) -> dict[str, float]:
        """Nothing."""
        return {}

    def remember_ends(self, engine: str, ends: Mapping[str, float]) -> None:
        """Keep nothing."""

    def recall_registry(self, engine: str) -> dict[str, RegistryWord]:
        """Nothing."""
        return {}

    def remember_registry(
        self, engine: str, words: Mapping[str, RegistryWord], present: Collection[str]
    ) -> None:
        """Keep nothing."""

    def fold(self, engine: str, update: UsageUpdate) -> Folded | None:
        """Keep nothing."""

    def recall_leases(self, now: float) -> tuple[Lease, ...]:
        """None."""
        return ()

    def has_open(self, engine: str) -> bool:
        """None are remembered."""
        return False

    def settle_open(self, inventory: Inventory, looked_at: float) -> None:
        """Nothing is there to settle."""

    def leases_unread(self) -> str:
        """There are none."""
        return ""
