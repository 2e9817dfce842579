"""What is stored while images and build cache are given up one by one, and taken back.

Unlike ``planner.freed``, which tells the bytes of a plan that is made, this keeps an account as a
plan is being looked for.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence

from holystone.planner.holders import RecordLayers
from holystone.planner.inventory import CacheRecord

Part = Hashable
"""What names a layer or blob."""
Pieces = Sequence[tuple[Part, int]]
"""What an image is made of, with the bytes of each part."""


class Stored:
    """Who holds each part: images, and build cache records as far as it can be told.

    Each change answers its bytes: a part comes free with its last holder.
    """

    def __init__(
        self,
        images: Iterable[Pieces],
        records: Iterable[CacheRecord],
        layers_of: Mapping[str, frozenset[Part]],
        own: Callable[[CacheRecord], int],
    ) -> None:
        """``layers_of``: by record ID the parts that it holds beside images.

        ``own`` tells the bytes that are a record's alone.
        """
        self.layers_of = layers_of
        self.own = own
        self.sizes: dict[Part, int] = {}
        self._images: Counter[Part] = Counter()
        self._records: Counter[Part] = Counter()
        for pieces in images:
            self.sizes.update(pieces)
            self._images.update(part for part, _ in pieces)
        for record in records:
            self._records.update(self.layers_of.get(record.id, ()))

    def pieces_of(self, record: CacheRecord) -> Pieces:
        """The layers that a record may hold."""
        return [(c, self.sizes.get(c, 0)) for c in self.layers_of.get(record.id, ())]

    def give_up(self, pieces: Pieces) -> int:
        """Bytes that come free with an image."""
        self._images.subtract(part for part, _ in pieces)
        return self._loose(part for part, _ in pieces)

    def take_back(self, pieces: Pieces) -> int:
        """Bytes that do not come free where an image stays after all."""
        lost = self._loose(part for part, _ in pieces)
        self._images.update(part for part, _ in pieces)
        return lost

    def cut(self, record: CacheRecord) -> int:
        """Bytes that come free with a build cache record."""
        layers = self.layers_of.get(record.id, frozenset())
        self._records.subtract(layers)
        return self.own(record) + self._loose(layers)

    def restore(self, record: CacheRecord) -> int:
        """Bytes that do not come free where a record stays after all."""
        layers = self.layers_of.get(record.id, frozenset())
        lost = self.own(record) + self._loose(layers)
        self._records.update(layers)
        return lost

    def let_go(self, parts: Collection[Part]) -> int:
        """Bytes that come free where a record does not hold these parts after all."""
        self._records.subtract(parts)
        return self._loose(parts)

    def only_cached(self, pieces: Pieces) -> list[str]:
        """Those among these parts that records alone hold."""
        return [
            part
            for part, _ in pieces
            if isinstance(part, str) and not self._images[part] and self._records[part] > 0
        ]

    def _loose(self, parts: Iterable[Part]) -> int:
        """Bytes of those among these parts that nothing holds."""
        return sum(
            self.sizes.get(part, 0)
            for part in parts
            if not self._images[part] and not self._records[part]
        )


class Companions:
    """The build cache records that go with an image, since they hold its layers too."""

    def __init__(
        self,
        records: Sequence[CacheRecord],
        layers_of: RecordLayers,
        stays: Callable[[CacheRecord], object],
    ) -> None:
        """``stays``: whether a record stays whatever image goes."""
        self.by_id = {record.id: record for record in records}
        self._of_layer: defaultdict[str, list[str]] = defaultdict(list)
        self._children: defaultdict[str, list[str]] = defaultdict(list)
        for record in records:
            for layer in layers_of.get(record.id, ()):
                self._of_layer[layer].append(record.id)
            for parent in record.parents:
                self._children[parent].append(record.id)
        self.staying: set[str] = set()
        """IDs of the records that stay, and of all that they stand on."""
        for record in records:
            if stays(record):
                self.staying |= self._reach(record.id, self._parents, self.staying)

    def holding(self, layers: Iterable[str]) -> set[str]:
        """IDs of the records that may hold one of these layers."""
        return {record_id for layer in layers for record_id in self._of_layer.get(layer, ())}

    def of_layers(self, layers: Iterable[str], gone: set[str]) -> list[CacheRecord]:
        """The records that may hold one of these layers and can go, with what stands on them.

        In an order that can be carried out. ``gone`` are those that went already.
        """
        left = self.holding(layers) - self.staying
        reached: set[str] = set(gone)
        order: list[str] = []
        for start in sorted(left):
            path = [start]
            while path:
                above = [c for c in self._children.get(path[-1], ()) if c not in reached]
                if above and above[0] not in path:
                    path.append(above[0])
                    continue
                done = path.pop()
                if done not in reached:
                    reached.add(done)
                    order.append(done)
        return [self.by_id[record_id] for record_id in order]

    def below(self, records: Iterable[str], among: set[str]) -> set[str]:
        """IDs of these records and of those among others that they stand on."""
        found: set[str] = set()
        for record_id in records:
            found |= self._reach(
                record_id, lambda each: [p for p in self._parents(each) if p in among], found
            )
        return found

    def _parents(self, record_id: str) -> Sequence[str]:
        record = self.by_id.get(record_id)
        return () if record is None else record.parents

    def _reach(self, start: str, step: Callable[[str], Sequence[str]], known: set[str]) -> set[str]:
        found: set[str] = set()
        waiting = [start]
        while waiting:
            at = waiting.pop()
            if at not in found and at not in known and at in self.by_id:
                found.add(at)
                waiting += step(at)
        return found
