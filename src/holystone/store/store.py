"""The store: what is remembered between runs of images and their use, of runs, leases and pulls."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from holystone.planner.inventory import Inventory
from holystone.planner.names import complete
from holystone.planner.usage import Followers, Key, Lease, Use
from holystone.store import ends, engines, registries
from holystone.store import image_facts as facts
from holystone.store import usage as uses
from holystone.store import use_log as past
from holystone.store.database import Database
from holystone.store.leases import Leases
from holystone.store.pull_speeds import Speeds
from holystone.store.runs import Runs
from holystone.usage.sighting import Bookmark, Folded, UsageUpdate
from holystone.usage.store_port import ImageFacts, RegistryWord


class Store(Database):
    """All that is remembered, in one state folder.

    It is the ``Memory`` of a host, which is a help and not a condition: where the file cannot be
    used, there is a warning and nothing is remembered; where it can only be read (a full disk), a
    warning and nothing is kept.
    """

    def __init__(self, folder: str, warn: Callable[[str], None]) -> None:
        super().__init__(folder, warn)
        self.runs = Runs(self)
        """The runs and what they removed."""
        self.leases = Leases(self)
        """What jobs said they will need."""
        self.speeds = Speeds(self)
        """How fast images came from each registry."""

    def recall_engine(self, mark: str, now: float) -> dict[str, Any] | None:
        """What an engine said of itself lately; None where the ledger does not have it."""
        return self.try_read(lambda database: engines.recall(database, mark, now), None)

    def remember_engine(self, mark: str, info: Mapping[str, Any], now: float) -> None:
        """Keep what an engine said of itself."""
        self.try_write(lambda database: engines.keep(database, mark, info, now))

    def recall(self, engine: str, *, layers: bool = True) -> dict[str, ImageFacts]:
        """What is known of this engine's images; nothing where the ledger fails."""
        return self.try_read(lambda database: facts.recall(database, engine, layers=layers), {})

    def remember(
        self, engine: str, news: Mapping[str, ImageFacts], present: Collection[str]
    ) -> None:
        """Keep these facts, and forget what is known of images that are gone."""
        self.try_write(lambda database: facts.remember(database, engine, news, present))

    def recall_uses(self, engine: str) -> dict[Key, float]:
        """When each object of this engine was last used; nothing where the ledger fails."""
        return self.try_read(lambda database: uses.recall(database, engine), {})

    def recall_bookmark(self, engine: str) -> Bookmark:
        """How far the history of this engine was read; nowhere where the ledger fails."""
        return self.try_read(lambda database: uses.recall_bookmark(database, engine), Bookmark())

    def recall_summaries(self, engine: str, kind: str) -> dict[str, Use]:
        """What is known of the uses of each of a kind; nothing where the ledger fails."""
        return self.try_read(lambda database: uses.recall_summaries(database, engine, kind), {})

    def recall_company(self, engine: str) -> dict[str, Followers]:
        """What was used soon after each reference; nothing where the ledger fails."""
        return self.try_read(lambda database: uses.recall_company(database, engine), {})

    def recall_absent(self, engine: str) -> dict[str, Sequence[tuple[str, int]]]:
        """The layers of what references last meant and is gone; none where the ledger fails."""
        none: dict[str, Sequence[tuple[str, int]]] = {}
        return self.try_read(lambda database: past.absent(database, engine), none)

    def recall_speeds(self, engine: str) -> dict[str, float]:
        """How fast images came from each registry; nothing where the ledger fails."""
        speeds = self.speeds.read(engine)
        return {registry: speed.bytes_per_second for registry, speed in speeds.items()}

    def recall_ends(self, engine: str) -> dict[str, float]:
        """When containers were first seen stopped; none where the ledger fails."""
        return self.try_read(lambda database: ends.recall(database, engine), {})

    def remember_ends(self, engine: str, ended: Mapping[str, float]) -> None:
        """Keep these, and forget all others of this engine."""
        self.try_write(lambda database: ends.remember(database, engine, ended))

    def recall_registry(self, engine: str) -> dict[str, RegistryWord]:
        """What registries said of images; nothing where the ledger fails."""
        return self.try_read(lambda database: registries.recall(database, engine), {})

    def remember_registry(
        self, engine: str, words: Mapping[str, RegistryWord], present: Collection[str]
    ) -> None:
        """Keep these answers, and forget references that are not among ``present``."""
        self.try_write(lambda database: registries.remember(database, engine, words, present))

    def fold(self, engine: str, update: UsageUpdate) -> Folded | None:
        """Add what a look saw, and forget objects that are gone; None where the ledger fails."""
        return self.try_write(lambda database: uses.remember(database, engine, update))

    @contextmanager
    def own_pulls(
        self, engine: str, references: Iterable[str], clock: Callable[[], float] = time.time
    ) -> Iterator[None]:
        """While holystone itself pulls or tags by these references: that is no use of them.

        ``clock`` is the engine's, which dates the events of these pulls.
        """
        wanted = [name for name in map(complete, references) if name]
        began = clock()
        self.try_write(lambda database: uses.begin_pulls(database, engine, wanted, began))
        try:
            yield
        finally:
            self.try_write(lambda database: uses.end_pulls(database, engine, began, clock()))

    def recall_leases(self, now: float) -> tuple[Lease, ...]:
        """The leases that have not ended; none where the ledger fails."""
        return self.leases.current(now)

    def has_open(self, engine: str) -> bool:
        """Whether removals on this engine are to be settled; no where the ledger fails."""
        return self.runs.has_open(engine)

    def settle_open(self, inventory: Inventory, looked_at: float) -> None:
        """Settle them by what is there; see ``Runs.settle``."""
        self.runs.settle(inventory, looked_at)
