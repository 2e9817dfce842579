"""Which build cache records go: the budget, oldest use first, leaves first.

BuildKit keeps results in a tree (a record's parents are the steps it was made from) and can only
delete a record no other record stands on. The ancestors of a recently used record are therefore
kept with it, which is also what the next build needs.
"""

from __future__ import annotations

import heapq
from collections import Counter

from holystone.core.decision import Reason
from holystone.core.inventory import CacheRecord, Inventory
from holystone.core.policy import CacheLimits
from holystone.core.rules import Ruling, keep, remove, too_young


def judge_cache(
    limits: CacheLimits, grace: float, inventory: Inventory, now: float
) -> tuple[dict[str, Ruling], list[str]]:
    """A ruling for each record by ID, and the IDs that go in an order that can be carried out.

    On the classic store a record that shares its layer with an image is kept and does not count:
    removing it frees no byte while the image is there, and the next build would have to make it
    again. On the containerd store such a record has an unpacked copy of its own.
    """
    budget = limits.budget(inventory.disk.total_bytes)
    copies = inventory.engine.store == "containerd"
    total = sum(record.size for record in inventory.cache if copies or not record.shared)
    rulings: dict[str, Ruling] = {}
    order: list[str] = []
    tree = _Tree(inventory.cache, grace, now, copies=copies)
    while (record := tree.oldest_leaf()) is not None:
        idle = max(0.0, now - _last_use(record))
        if total > budget:
            rulings[record.id] = remove("over-budget", idle=idle, total=total, budget=budget)
        elif idle > limits.unused_for:
            rulings[record.id] = remove("idle", idle=idle, unused_for=limits.unused_for)
        else:
            break
        order.append(record.id)
        total -= record.size
        tree.cut(record)

    for record in inventory.cache:
        if record.id in rulings:
            continue
        if record.id in tree.spared:
            rulings[record.id] = (False, (tree.spared[record.id],))
        elif tree.children[record.id]:
            rulings[record.id] = keep("needed", children=tree.children[record.id])
        else:
            rulings[record.id] = keep("within-budget", total=total, budget=budget)
    return rulings, order


class _Tree:
    """The records that are left, and those of them that could go next."""

    def __init__(
        self, records: tuple[CacheRecord, ...], grace: float, now: float, *, copies: bool
    ) -> None:
        self.grace = grace
        self.now = now
        self.copies = copies
        self.by_id = {record.id: record for record in records}
        self.children = Counter(parent for record in records for parent in record.parents)
        self.spared: dict[str, Reason] = {}
        """Leaves that stay whatever the budget says, and why."""
        self.leaves: list[tuple[float, str]] = []
        for record in records:
            if not self.children[record.id]:
                self._add_leaf(record)

    def oldest_leaf(self) -> CacheRecord | None:
        """The leaf used longest ago of those that may go; it is not offered again."""
        return self.by_id[heapq.heappop(self.leaves)[1]] if self.leaves else None

    def cut(self, record: CacheRecord) -> None:
        """Take a leaf off the tree; what it stood on may become a leaf."""
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
        if record.shared and not self.copies:
            return Reason("shared", {"size": record.size})
        return too_young("last used", _last_use(record) or None, self.grace, self.now)


def _last_use(record: CacheRecord) -> float:
    """UTC seconds; 0.0 where the engine does not tell."""
    return record.created if record.last_used is None else record.last_used
