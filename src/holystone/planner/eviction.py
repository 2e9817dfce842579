"""Evict images and build cache beyond the level, least valuable first, until enough is free.

Tagged images that only the level keeps, and build cache within its budget, are evicted one at a
time until just enough comes free. Each time the object goes whose bytes are worth the least: see
``planner.ranking``. Of the build cache the least recently used leaf goes. An image goes together
with the build cache that also holds its layers, since only both free them. In the end objects that
are not needed for the target are kept again, images before build cache.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from holystone.planner.build_cache import CacheJudgement, prospects_of_record, value_of_record
from holystone.planner.holders import LayerHolders, RecordBlobs, RecordLayers
from holystone.planner.image_rules import Judgement
from holystone.planner.inventory import CacheRecord, Image, Inventory
from holystone.planner.ranking import NEVER, Entry, Piece, Prospects, prospects, rank
from holystone.planner.sizes import freed_by_record
from holystone.planner.usage import Usage
from holystone.planner.verdict import Reason, Rule

_THIS_RUN = 60.0
"""Seconds within which a registry was asked in this run; older answers are remembered ones."""


class _Choice(NamedTuple):
    """An image to evict with the records that hold its layers, or a record alone."""

    image: Image | None
    records: Sequence[CacheRecord]
    reason: Reason | None = None
    """Why the image goes."""


class Relief:
    """Evicts one image or cache record after the other, beyond the level."""

    def __init__(
        self,
        inventory: Inventory,
        usage: Usage,
        images: Judgement,
        cache: CacheJudgement,
        account: LayerHolders,
        blobs: RecordBlobs | None,
        least_free: int,
    ) -> None:
        """``account`` has the holders of layers without the images that the level takes.

        ``blobs`` are what build cache records share with images. ``least_free`` is what must be
        free in the end; the reasons name it.
        """
        self.images = images
        self.cache = cache
        self.account = account
        self.least_free = least_free
        self.usage = usage
        self.now = images.now
        self.freed = 0
        self.choices: list[_Choice] = []
        self.cut: set[str] = set()
        """IDs of the evicted records."""
        self.by_id = {image.id: image for image in inventory.images}
        # Nameless steps of a build go with the last image on them: they hold nothing of their own.
        staying = [
            image
            for image in inventory.images
            if not images.rulings[image.id][0] and not images.stands_for_children_alone(image)
        ]
        self.unreached = [image for image in inventory.images if image.id in images.unreached]
        self.ranking = rank(staying, [*images.spare, *self.unreached], usage)
        for image in self.unreached:
            self.ranking.entries[image.id].spare = False
        self.pieces = {entry.key: entry.pieces for entry in self.ranking.entries.values()}
        left = [record for record in inventory.cache if record.id not in cache.rulings]
        copies = inventory.engine.store == "containerd"
        held: Mapping[str, frozenset[Hashable]] = account.layers_of
        if blobs:
            held = {r: frozenset({("blob", blob.digest)}) for r, blob in blobs.items()}
        own = partial(freed_by_record, copies=copies, blobs=blobs)
        self.stored = Stored(self.pieces.values(), left, held, own)
        for image in images.going:
            self.stored.sizes.update(image.held)
        self.companions = _Companions(left, account.layers_of, cache.stays)
        # What a record holds that stays in any case does not come free with an image.
        for record in left:
            if record.id in self.companions.staying:
                self.ranking.add(("cache", record.id), self.stored.pieces_of(record), spare=False)

    def free(self, needed: int) -> None:
        """Let go until ``needed`` more bytes come free, if that can be.

        An image of which only a registry could say that it can come back counts as if it went, and
        is noted in ``images.unconfirmed``: the plan is made again when the registry has answered.
        """
        while self.freed < needed and self._give_up_next():
            pass
        if self.freed < needed:
            self._guess()
        # What was given up and is not needed stays after all: what is worth most first.
        latest = self.choices[::-1]
        latest.sort(key=lambda choice: choice.image is None)
        kept = {id(choice) for choice in latest if self._can_stay(choice, needed)}
        self.choices = [choice for choice in self.choices if id(choice) not in kept]
        self._carry_out()
        if self.images.unconfirmed:
            # Where registries lack images, or cannot be reached, others are wanted in their place:
            # twice as many are asked about at a time, so that few rounds are needed.
            asked = (i.registry_asked for i in self.by_id.values() if i.registry_said)
            self._ask_ahead(sum(at is not None and self.now - at < _THIS_RUN for at in asked))

    def _give_up_next(self) -> bool:
        """Evict the least valuable object; False if no object is left that may go."""
        entry = self.ranking.least(self.now)
        record = self.cache.oldest_leaf()
        worth = NEVER if entry is None else self.ranking.value(entry, self.now)
        if record is not None and (entry is None or value_of_record(record, self.now) <= worth):
            self._cut(record)
            self.choices.append(_Choice(None, (record,)))
        elif entry is not None:
            self._give_up(entry)
        elif self.unreached:
            self.ranking.offer([image.id for image in self.unreached])
            self.unreached = []
        else:
            return False
        return True

    def _guess(self) -> None:
        """Take it that build cache which stays holds of the layers that fit the one worth most.

        By the account a record that may hold several layers holds each of them. In truth it holds
        one: of the others the disk gains the bytes, unless the guess is wrong. A running build
        began with an image that is worth more than others, or with one that stays.
        """
        given_up: dict[Hashable, int] = {}
        for number, choice in enumerate(self.choices):
            if choice.image is not None:
                given_up.update((part, number) for part, _ in self.pieces[choice.image.id])
        for record_id in sorted(self.companions.staying):
            layers = self.account.layers_of.get(record_id, frozenset())
            if len(layers) > 1:
                worth = {each: given_up.get(each, len(self.choices)) for each in layers}
                held = max(sorted(layers), key=worth.__getitem__)
                self.freed += self.stored.let_go(layers - {held})

    def _carry_out(self) -> None:
        """Rule on the images: those that go, and those of which a registry is to be asked."""
        for image, records, reason in self.choices:
            if image is None or reason is None:
                continue
            if self.images.doubtful(image):
                self.images.unconfirmed.append(image.id)
                continue
            group = self._group(image)
            more = {
                "with_records": sum(record.id in self.cut for record in records),
                "with_steps": len(group) - 1,
            }
            told = reason.told(**{fact: count for fact, count in more.items() if count})
            self.images.give_up(group, told)
            for each in group:
                self.account.give_up_image(each)

    def _ask_ahead(self, count: int) -> None:
        """Note so many more images that a registry should be asked about, the next in order."""
        while count > 0 and (entry := self.ranking.least(self.now)) is not None:
            self.ranking.drop(entry.key)
            image = self.by_id[str(entry.key)]
            if self.images.doubtful(image):
                self.images.unconfirmed.append(image.id)
                count -= 1

    def _give_up(self, entry: Entry) -> None:
        image = self.by_id[str(entry.key)]
        store, soon = self.images.store, self.ranking.soon
        reason = self._reason(prospects(entry, image, store, self.usage, self.now, soon))
        self.freed += self.stored.give_up(entry.pieces)
        self.ranking.drop(entry.key)
        records = self.companions.of_layers(self.stored.only_cached(entry.pieces), self.cut)
        for record in records:
            self._cut(record)
        self.choices.append(_Choice(image, records, reason))

    def _cut(self, record: CacheRecord) -> None:
        freed = self.stored.cut(record)
        self.freed += freed
        self.cut.add(record.id)
        self.cache.cut(record, self._reason(prospects_of_record(record, freed, self.now)))

    def _can_stay(self, choice: _Choice, needed: int) -> bool:
        """Keep an evicted object if enough comes free without it."""
        wanted = {record.id for record in choice.records}
        pieces = () if choice.image is None else self.pieces[choice.image.id]
        wanted |= self.companions.holding(part for part, _ in pieces)
        back = self.companions.below(wanted & self.cut, self.cut)
        lost = self.stored.take_back(pieces) + sum(map(self.stored.restore, back))
        if lost and self.freed - lost < needed:
            for record in back:
                self.stored.cut(record)
            self.stored.give_up(pieces)
            return False
        self.freed -= lost
        self.cut.difference_update(record.id for record in back)
        self.cache.keep(back)
        return True

    def _group(self, image: Image) -> list[Image]:
        """An image with the nameless steps it was built on that nothing else keeps."""
        group = [image]
        while (parent := self.by_id.get(group[-1].parent)) is not None:
            alone = self.images.kept_children[parent.id] == 1
            if not (alone and self.images.stands_for_children_alone(parent)):
                break
            group.append(parent)
        return group

    def _reason(self, expected: Prospects) -> Reason:
        return Reason(Rule.PRESSURE, {**expected.facts, "least_free": self.least_free})


class Stored:
    """The holders of each layer and blob during eviction: images and cache records.

    Each change answers its bytes: a part comes free with its last holder.
    """

    def __init__(
        self,
        images: Iterable[Sequence[Piece]],
        records: Iterable[CacheRecord],
        layers_of: Mapping[str, frozenset[Hashable]],
        own: Callable[[CacheRecord], int],
    ) -> None:
        """``layers_of``: by record ID the parts images may hold too; ``own``: its own bytes."""
        self.layers_of = layers_of
        self.own = own
        self.sizes: dict[Hashable, int] = {}
        self._images: Counter[Hashable] = Counter()
        self._records: Counter[Hashable] = Counter()
        for pieces in images:
            self.sizes.update(pieces)
            self._images.update(part for part, _ in pieces)
        for record in records:
            self._records.update(self._held(record))

    def pieces_of(self, record: CacheRecord) -> list[Piece]:
        """The layers that a record may hold."""
        return [(part, self.sizes.get(part, 0)) for part in self._held(record)]

    def give_up(self, pieces: Sequence[Piece]) -> int:
        """Bytes that come free with an image."""
        self._images.subtract(part for part, _ in pieces)
        return self._loose(part for part, _ in pieces)

    def take_back(self, pieces: Sequence[Piece]) -> int:
        """Bytes that do not come free where an image stays after all."""
        lost = self._loose(part for part, _ in pieces)
        self._images.update(part for part, _ in pieces)
        return lost

    def cut(self, record: CacheRecord) -> int:
        """Bytes that come free with a build cache record."""
        return self.own(record) + self.let_go(self._held(record))

    def restore(self, record: CacheRecord) -> int:
        """Bytes that do not come free where a record stays after all."""
        lost = self.own(record) + self._loose(self._held(record))
        self._records.update(self._held(record))
        return lost

    def let_go(self, parts: Collection[Hashable]) -> int:
        """Bytes that come free where a record does not hold these parts any more."""
        self._records.subtract(parts)
        return self._loose(parts)

    def only_cached(self, pieces: Sequence[Piece]) -> list[Hashable]:
        """Those among these parts that records alone hold."""
        return [part for part, _ in pieces if not self._images[part] and self._records[part] > 0]

    def _held(self, record: CacheRecord) -> frozenset[Hashable]:
        return self.layers_of.get(record.id, frozenset())

    def _loose(self, parts: Iterable[Hashable]) -> int:
        """Bytes of those among these parts that nothing holds."""
        loose = (part for part in parts if not self._images[part] and not self._records[part])
        return sum(self.sizes.get(part, 0) for part in loose)


class _Companions:
    """The build cache records that go with an image, since they hold its layers too."""

    def __init__(
        self,
        records: Sequence[CacheRecord],
        layers_of: RecordLayers,
        stays: Callable[[CacheRecord], object],
    ) -> None:
        """``stays``: whether a record stays, no matter which image goes."""
        self.by_id = {record.id: record for record in records}
        self._of_layer: defaultdict[Hashable, list[str]] = defaultdict(list)
        self._children: defaultdict[str, list[str]] = defaultdict(list)
        for record in records:
            for layer in layers_of.get(record.id, ()):
                self._of_layer[layer].append(record.id)
            for parent in record.parents:
                self._children[parent].append(record.id)
        kept = [record.id for record in records if stays(record)]
        self.staying = {record.id for record in self.below(kept, self.by_id)}
        """IDs of the records that stay, and of all their ancestors."""

    def holding(self, layers: Iterable[Hashable]) -> set[str]:
        """IDs of the records that may hold one of these layers."""
        return {record_id for layer in layers for record_id in self._of_layer.get(layer, ())}

    def of_layers(self, layers: Iterable[Hashable], gone: set[str]) -> list[CacheRecord]:
        """The records that may hold one of these layers and can go.

        With the records made from them, in an order that can be carried out. ``gone`` are those
        that went already.
        """
        reached = set(gone)
        order: list[CacheRecord] = []
        for start in sorted(self.holding(layers) - self.staying):
            path = [start]
            while path:
                above = [c for c in self._children.get(path[-1], ()) if c not in reached]
                if above and above[0] not in path:
                    path.append(above[0])
                    continue
                done = path.pop()
                if done not in reached:
                    reached.add(done)
                    order.append(self.by_id[done])
        return order

    def below(self, records: Iterable[str], among: Collection[str]) -> list[CacheRecord]:
        """These records, and those of ``among`` that they stand on."""
        found: dict[str, CacheRecord] = {}
        waiting = list(records)
        while waiting:
            at = waiting.pop()
            if at not in found and at in self.by_id:
                found[at] = self.by_id[at]
                waiting += (parent for parent in found[at].parents if parent in among)
        return list(found.values())
