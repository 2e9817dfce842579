"""Which build cache records go: the budget, oldest use first, leaves first.

BuildKit keeps results in a tree (a record's parents are the steps it was made from) and can only
delete a record no other record stands on. The ancestors of a recently used record are therefore
kept with it, which is also what the next build needs.
"""

from __future__ import annotations

import heapq
from collections import Counter

from holystone.core.decision import Fact, Reason
from holystone.core.inventory import CacheRecord, Inventory
from holystone.core.policy import Policy
from holystone.core.rules import Ruling, too_young


class CacheJudgement:
    """The rulings on the build cache of one host, so far."""

    def __init__(self, inventory: Inventory, policy: Policy, now: float) -> None:
        """Let go what the level takes.

        On the classic store a record that shares its layer with an image is kept and does not
        count: removing it frees no byte while the image is there, and the next build would have to
        make it again. On the containerd store such a record has an unpacked copy of its own.
        """
        self.records = inventory.cache
        self.policy = policy
        self.now = now
        self.budget = policy.cache.budget(inventory.disk.total_bytes)
        copies = inventory.engine.store == "containerd"
        self.total = sum(r.size for r in inventory.cache if copies or not r.shared)
        self.rulings: dict[str, Ruling] = {}
        self.order: list[str] = []
        """IDs of the records that go, in an order that can be carried out."""
        everything = policy.takes.build_cache == "all"
        self.tree = _Tree(inventory.cache, policy, now, shared=copies or everything)
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
        """Let the tree's oldest leaf go."""
        self.tree.cut(record)
        self.rulings[record.id] = (True, (reason,))
        self.order.append(record.id)
        self.total -= record.size

    def rule_rest(self) -> None:
        """Say why the records that were not let go stay."""
        for record in self.records:
            if record.id not in self.rulings:
                self.rulings[record.id] = (False, (self._staying(record),))

    def _taken(self, record: CacheRecord) -> Reason | None:
        idle = self.idle(record)
        if self.policy.takes.build_cache == "all":
            return Reason("unused", {"idle": idle})
        if self.total > self.budget or not self.budget:
            facts: dict[str, Fact] = {"idle": idle, "total": self.total, "budget": self.budget}
            return Reason("over-budget", facts)
        limit = self.policy.cache.unused_for
        return Reason("idle", {"idle": idle, "unused_for": limit}) if idle > limit else None

    def _staying(self, record: CacheRecord) -> Reason:
        if record.id in self.tree.spared:
            return self.tree.spared[record.id]
        if children := self.tree.children[record.id]:
            return Reason("needed", {"children": children})
        if self.policy.takes.build_cache == "none":
            return Reason("level", {"level": self.policy.level})
        return Reason("within-budget", {"total": self.total, "budget": self.budget})


class _Tree:
    """The records that are left, and those of them that could go next."""

    def __init__(
        self, records: tuple[CacheRecord, ...], policy: Policy, now: float, *, shared: bool
    ) -> None:
        """``shared``: whether records may go that share their layer with an image."""
        self.grace = policy.grace.other
        self.keep_mounts = policy.cache.keep_mounts
        self.now = now
        self.shared = shared
        self.by_id = {record.id: record for record in records}
        self.children = Counter(parent for record in records for parent in record.parents)
        self.spared: dict[str, Reason] = {}
        """Leaves that stay whatever the budget says, and why."""
        self.leaves: list[tuple[float, str]] = []
        for record in records:
            if not self.children[record.id]:
                self._add_leaf(record)

    def oldest_leaf(self) -> CacheRecord | None:
        """The leaf used longest ago of those that may go."""
        return self.by_id[self.leaves[0][1]] if self.leaves else None

    def cut(self, record: CacheRecord) -> None:
        """Take the oldest leaf off the tree; what it stood on may become a leaf."""
        heapq.heappop(self.leaves)
        for parent in record.parents:
            self.children[parent] -= 1
            if not self.children[parent] and parent in self.by_id:
                self._add_leaf(self.by_id[parent])

    def _add_leaf(self, record: CacheRecord) -> None:
        reason = self._untouchable(record)
        if reason is None:
            heapq.heappush(self.leaves, (_last_use(record), record.id))
        else:
            self.spared[record.id] = reason

    def _untouchable(self, record: CacheRecord) -> Reason | None:
        if record.in_use:
            return Reason("in-use", {"build": True})
        if self.keep_mounts and record.type == "exec.cachemount":
            return Reason("protected", {"cache_mounts": True})
        if record.shared and not self.shared:
            return Reason("shared", {"size": record.size})
        return too_young("last used", _last_use(record) or None, self.grace, self.now)


def _last_use(record: CacheRecord) -> float:
    """UTC seconds; 0.0 where the engine does not tell."""
    return record.created if record.last_used is None else record.last_used
