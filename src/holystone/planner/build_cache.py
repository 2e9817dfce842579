"""Which build cache records go: the budget, oldest use first, leaves first.

BuildKit keeps results in a tree: a record's parents are the steps it was made from. It can only
delete a record from which no other record was made. So the ancestors of a recently used record stay
with it; the next build needs them too.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterable

from holystone.planner.demand import SPEED, USUAL_GAP
from holystone.planner.inventory import CacheRecord, Inventory
from holystone.planner.policy import Policy
from holystone.planner.protection import Protection
from holystone.planner.ranking import Prospects
from holystone.planner.rules import Ruling, too_young
from holystone.planner.usage import SAME_USE, age_of
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
        shared: Callable[[CacheRecord], bool],
        protection: Protection,
        builder: str = "",
    ) -> None:
        """Let go what the level takes. ``shared``: whether an image that stays holds the layer.

        Such a record is kept and does not count: removing it frees no byte while the image is
        there, and the next build would have to make it again. ``builder`` is the name of the
        builder outside the engine whose records these are; empty for the engine's own.
        """
        self.kind = "builder" if builder else "cache"
        self._facts: dict[str, Fact] = {"builder": builder} if builder else {}
        self.policy = policy
        self.protection = protection
        self.now = now
        self.budget = policy.cache.budget(inventory.disk.total_bytes)
        copies = inventory.engine.store == "containerd" and not builder

        def held(record: CacheRecord) -> bool:
            return shared(record) and (not copies or of_base_image(record))

        self.counted = {r.id: r.size for r in inventory.cache if not held(r)}
        """Bytes of each record that takes extra space."""
        self.total = sum(self.counted.values())
        self.rulings: dict[str, Ruling] = {}
        """Those of the records that go; see ``rule_rest``."""
        self.order: list[str] = []
        """IDs of the records that go, in an order that can be carried out."""
        self._spared = (lambda _: False) if policy.takes.build_cache == "all" else held
        """Whether a record stays because an image holds its layer."""
        self._by_id = {record.id: record for record in inventory.cache}
        self._children = Counter(parent for r in inventory.cache for parent in r.parents)
        self._leaves: list[tuple[float, str]] = []
        for record in inventory.cache:
            if not self._children[record.id]:
                self._add_leaf(record)
        if policy.takes.build_cache != "none":
            while (leaf := self.oldest_leaf()) and (reason := self._taken(leaf)):
                self.cut(leaf, reason)

    def oldest_leaf(self) -> CacheRecord | None:
        """The least recently used record that may go and from which no other record was made."""
        while self._leaves and self._leaves[0][1] in self.rulings:
            heapq.heappop(self._leaves)
        return self._by_id[self._leaves[0][1]] if self._leaves else None

    def cut(self, record: CacheRecord, reason: Reason) -> None:
        """Let a leaf of the tree go; its parents may become leaves."""
        self.rulings[record.id] = (True, (reason,))
        self.order.append(record.id)
        self.total -= self.counted.get(record.id, 0)
        for parent in record.parents:
            self._children[parent] -= 1
            if not self._children[parent] and parent in self._by_id:
                self._add_leaf(self._by_id[parent])

    def keep(self, records: Iterable[CacheRecord]) -> None:
        """Keep records that were cut, with all their ancestors."""
        for record in records:
            del self.rulings[record.id]
            self.total += self.counted.get(record.id, 0)
            self._children.update(record.parents)
        self.order = [record_id for record_id in self.order if record_id in self.rulings]

    def rule_rest(self) -> None:
        """Say why the records that were not let go stay."""
        for record in self._by_id.values():
            if record.id not in self.rulings:
                self.rulings[record.id] = (False, (self._staying(record),))

    def stays(self, record: CacheRecord) -> Reason | None:
        """Why a record stays even where the image that shares its layer goes, or None."""
        if record.in_use:
            return Reason(Rule.IN_USE, {"build": True})
        if self.policy.cache.keep_mounts and record.type == "exec.cachemount":
            return Reason(Rule.PROTECTED, {"cache_mounts": True})
        if left_out := self.protection.left_out((self.kind, record.id)):
            return left_out
        return too_young(record.sign, record.latest or None, self.policy.grace.other, self.now)

    def _spares(self, record: CacheRecord) -> Reason | None:
        """Why a leaf stays even where the cache is over its budget; None where it may go."""
        kept = self.stays(record)
        if (kept is None or kept.rule is Rule.YOUNG) and self._spared(record):
            return Reason(Rule.SHARED, {"size": record.size})
        return kept

    def _add_leaf(self, record: CacheRecord) -> None:
        if self._spares(record) is None:
            heapq.heappush(self._leaves, (record.latest, record.id))

    def _taken(self, record: CacheRecord) -> Reason | None:
        """Why the level takes a leaf; None where it does not."""
        idle = max(0.0, self.now - record.latest)
        if self.policy.takes.build_cache == "all":
            return Reason(Rule.UNUSED, {"idle": idle, "sign": record.sign})
        if self.total > self.budget or not self.budget:
            facts = {"total": self.total, "budget": self.budget, **self._facts}
            return Reason(Rule.OVER_BUDGET, {"idle": idle, "sign": record.sign, **facts})
        limit = self.policy.cache.unused_for
        return Reason(Rule.IDLE, {"idle": idle, "unused_for": limit}) if idle > limit else None

    def _staying(self, record: CacheRecord) -> Reason:
        if left_out := self.protection.left_out((self.kind, record.id)):
            return self.stays(record) or left_out
        if children := self._children[record.id]:
            return Reason(Rule.NEEDED, {"children": children})
        if spared := self._spares(record):
            return spared
        if self.policy.takes.build_cache == "none":
            return Reason(Rule.LEVEL, {"level": self.policy.level})
        facts = {"total": self.total, "budget": self.budget, **self._facts}
        return Reason(Rule.WITHIN_BUDGET, facts)


REMADE = 4.0
"""How much longer a build takes to make a byte of its cache than a registry to send one. Engines
do not report how long a step took; with this a record goes before an image used as often."""


def prospects_of_record(record: CacheRecord, freed: int, now: float) -> Prospects:
    """What is expected of a build cache record, by its own counters."""
    return Prospects(
        idle=age_of(record.latest, now) if record.latest > 0 else None,
        gap=_gap(record) if record.usage_count > 1 else None,
        freed=freed,
        seconds=None,
        sign=record.sign,
    )


def value_of_record(record: CacheRecord, now: float) -> float:
    """What each byte of a build cache record is worth to keep, as ``Ranking.value`` counts it."""
    return REMADE / SPEED / (_gap(record) + max(0.0, now - record.latest))


def _gap(record: CacheRecord) -> float:
    """Seconds between the uses of a record: the mean over all of them, or what is usual."""
    if record.usage_count < 2:
        return USUAL_GAP
    return max(SAME_USE, (record.latest - record.created) / (record.usage_count - 1))
