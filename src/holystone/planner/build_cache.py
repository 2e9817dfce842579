"""Which build cache records go: the budget, oldest use first, leaves first.

BuildKit keeps results in a tree (a record's parents are the steps it was made from) and can only
delete a record no other record stands on. The ancestors of a recently used record are therefore
kept with it, which is also what the next build needs.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterable
from operator import attrgetter

from holystone.planner.inventory import CacheRecord, Inventory
from holystone.planner.policy import Policy
from holystone.planner.rules import Ruling, too_young
from holystone.planner.verdict import Fact, Reason, Rule


def of_base_image(record: CacheRecord) -> bool:
    """Whether a record is a layer of an image that a build began with, not the result of a step.

    On the containerd store such a record is the image's own unpacked layer, and the results of
    steps have copies of their own, though BuildKit calls both shared. Of an image that was here
    BuildKit describes the layers with nothing, of one that it pulled itself with where from.
    """
    return not record.description or record.description.startswith("pulled from ")


class CacheJudgement:
    """The rulings on the build cache of one host, so far."""

    def __init__(
        self,
        inventory: Inventory,
        policy: Policy,
        now: float,
        shared: Callable[[CacheRecord], bool] = attrgetter("shared"),
    ) -> None:
        """Let go what the level takes. ``shared``: whether an image that stays holds the layer.

        Such a record is kept and does not count: removing it frees no byte while the image is
        there, and the next build would have to make it again.
        """
        self.records = inventory.cache
        self.policy = policy
        self.now = now
        self.budget = policy.cache.budget(inventory.disk.total_bytes)
        copies = inventory.engine.store == "containerd"

        def held(record: CacheRecord) -> bool:
            return shared(record) and (not copies or of_base_image(record))

        self.counted = {r.id: r.size for r in inventory.cache if not held(r)}
        """Bytes of each record that takes space of its own."""
        self.total = sum(self.counted.values())
        self.rulings: dict[str, Ruling] = {}
        self.order: list[str] = []
        """IDs of the records that go, in an order that can be carried out."""
        everything = policy.takes.build_cache == "all"
        spared = (lambda _: False) if everything else held
        self.tree = _Tree(inventory.cache, policy, now, spared)
        if policy.takes.build_cache != "none":
            while (record := self.tree.oldest_leaf()) is not None:
                reason = self._taken(record)
                if reason is None:
                    break
                self.cut(record, reason)

    def idle(self, record: CacheRecord) -> float:
        """Seconds since its last use."""
        return max(0.0, self.now - _last_use(record))

    def cut(self, record: CacheRecord, reason: Reason) -> None:
        """Let a leaf of the tree go."""
        self.tree.cut(record)
        self.rulings[record.id] = (True, (reason,))
        self.order.append(record.id)
        self.total -= self.counted.get(record.id, 0)

    def keep(self, records: Iterable[CacheRecord]) -> None:
        """Keep records that were cut, with all that they stand on."""
        for record in records:
            self.tree.restore(record)
            del self.rulings[record.id]
            self.total += self.counted.get(record.id, 0)
        self.order = [record_id for record_id in self.order if record_id in self.rulings]

    def rule_rest(self) -> None:
        """Say why the records that were not let go stay."""
        for record in self.records:
            if record.id not in self.rulings:
                self.rulings[record.id] = (False, (self._staying(record),))

    def _taken(self, record: CacheRecord) -> Reason | None:
        idle = self.idle(record)
        if self.policy.takes.build_cache == "all":
            return Reason(Rule.UNUSED, {"idle": idle, "sign": _sign(record)})
        if self.total > self.budget or not self.budget:
            facts: dict[str, Fact] = {"idle": idle, "sign": _sign(record)}
            return Reason(Rule.OVER_BUDGET, {**facts, "total": self.total, "budget": self.budget})
        limit = self.policy.cache.unused_for
        return Reason(Rule.IDLE, {"idle": idle, "unused_for": limit}) if idle > limit else None

    def _staying(self, record: CacheRecord) -> Reason:
        if children := self.tree.children[record.id]:
            return Reason(Rule.NEEDED, {"children": children})
        if (spared := self.tree.spares(record)) is not None:
            return spared
        if self.policy.takes.build_cache == "none":
            return Reason(Rule.LEVEL, {"level": self.policy.level})
        return Reason(Rule.WITHIN_BUDGET, {"total": self.total, "budget": self.budget})


class _Tree:
    """The records that are left, and those of them that could go next."""

    def __init__(
        self,
        records: tuple[CacheRecord, ...],
        policy: Policy,
        now: float,
        shared: Callable[[CacheRecord], bool],
    ) -> None:
        """``shared``: whether a record stays because an image holds its layer."""
        self.grace = policy.grace.other
        self.keep_mounts = policy.cache.keep_mounts
        self.now = now
        self.shared = shared
        self.by_id = {record.id: record for record in records}
        self.children = Counter(parent for record in records for parent in record.parents)
        self.gone: set[str] = set()
        self.leaves: list[tuple[float, str]] = []
        for record in records:
            if not self.children[record.id]:
                self._add_leaf(record)

    def oldest_leaf(self) -> CacheRecord | None:
        """The leaf used longest ago of those that may go."""
        while self.leaves and self.leaves[0][1] in self.gone:
            heapq.heappop(self.leaves)
        return self.by_id[self.leaves[0][1]] if self.leaves else None

    def cut(self, record: CacheRecord) -> None:
        """Take a leaf off the tree; what it stood on may become a leaf."""
        self.gone.add(record.id)
        for parent in record.parents:
            self.children[parent] -= 1
            if not self.children[parent] and parent in self.by_id:
                self._add_leaf(self.by_id[parent])

    def restore(self, record: CacheRecord) -> None:
        """Put a record back that was cut."""
        self.gone.discard(record.id)
        for parent in record.parents:
            self.children[parent] += 1

    def spares(self, record: CacheRecord) -> Reason | None:
        """Why a leaf stays even where the cache is over its budget; None where it may go."""
        kept = self._kept(record)
        if kept is None and self.shared(record):
            return Reason(Rule.SHARED, {"size": record.size})
        return kept or self._young(record)

    def stays(self, record: CacheRecord) -> bool:
        """Whether a record stays even where the image that shares its layer goes."""
        return bool(self._kept(record) or self._young(record))

    def _kept(self, record: CacheRecord) -> Reason | None:
        if record.in_use:
            return Reason(Rule.IN_USE, {"build": True})
        if self.keep_mounts and record.type == "exec.cachemount":
            return Reason(Rule.PROTECTED, {"cache_mounts": True})
        return None

    def _young(self, record: CacheRecord) -> Reason | None:
        return too_young(_sign(record), _last_use(record) or None, self.grace, self.now)

    def _add_leaf(self, record: CacheRecord) -> None:
        if self.spares(record) is None:
            heapq.heappush(self.leaves, (_last_use(record), record.id))


def _sign(record: CacheRecord) -> str:
    """What ``_last_use`` is the time of."""
    return "made" if record.last_used is None else "last used"


def _last_use(record: CacheRecord) -> float:
    """UTC seconds; 0.0 where the engine does not tell."""
    return record.created if record.last_used is None else record.last_used
