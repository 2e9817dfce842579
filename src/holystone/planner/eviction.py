"""What goes beyond the level where the disk must have more free: what is worth least to keep first.

Tagged images that nothing but the level keeps and build cache within its budget are given up one
at a time until just enough comes free, each time that whose bytes are worth the least: see
``planner.ranking``. Of the build cache it is always the leaf that was used longest ago. An image
goes together with the build cache that holds its layers too, since only both free them. In the end
what turns out not to be needed is kept after all, images before build cache.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from functools import partial
from typing import NamedTuple

from holystone.planner.build_cache import CacheJudgement
from holystone.planner.holders import LayerHolders, RecordBlobs
from holystone.planner.image_rules import Judgement
from holystone.planner.inventory import CacheRecord, Image, Inventory
from holystone.planner.ranking import NEVER, Entry
from holystone.planner.sizes import freed_by_record
from holystone.planner.stored import Companions, Pieces, Stored
from holystone.planner.usage import Usage
from holystone.planner.verdict import Reason, Rule
from holystone.planner.worth import (
    Prospects,
    prospects,
    prospects_of_record,
    rank,
    value_of_record,
)

_THIS_RUN = 60.0
"""Seconds within which a registry was asked in this run; older answers are remembered ones."""


def relieve(
    inventory: Inventory,
    usage: Usage,
    images: Judgement,
    cache: CacheJudgement,
    account: LayerHolders,
    blobs: RecordBlobs | None,
    needed: int,
    least_free: int,
) -> None:
    """Let more go than the level takes, until ``needed`` more bytes come free, if that can be.

    ``account`` has the holders of layers without the images that the level takes, ``blobs``
    what build cache records share with images. ``least_free``
    is what must be free in the end; the reasons name it. An image of which only a registry could
    say that it can come back counts as if it went, and is noted in ``images.unconfirmed``: the
    plan is made anew when the registry has been asked.
    """
    if needed <= 0:
        return
    relief = _Relief(inventory, usage, images, cache, account, blobs, least_free)
    while relief.freed < needed and relief.give_up_next():
        pass
    if relief.freed < needed:
        relief.guess()
    relief.keep_what_is_not_needed(needed)
    relief.carry_out()
    if images.unconfirmed:
        # Where registries lack images, or cannot be reached, others are wanted in their place:
        # twice as many are asked about at a time, so that few rounds are needed.
        relief.ask_ahead(sum(_failed_now(image, images.now) for image in inventory.images))


def _failed_now(image: Image, now: float) -> bool:
    """Whether a registry that was asked in this run did not say that it has an image."""
    asked = image.registry_asked
    return bool(image.registry_said) and asked is not None and now - asked < _THIS_RUN


class _Choice(NamedTuple):
    """An image that is given up with the records that hold its layers, or a record by itself."""

    image: Image | None
    records: tuple[CacheRecord, ...]
    reason: Reason | None = None
    """Why the image goes."""


class _Relief:
    """Gives up one image or cache record after the other."""

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
        self.images = images
        self.cache = cache
        self.account = account
        self.least_free = least_free
        self.now = images.now
        self.freed = 0
        self.choices: list[_Choice] = []
        self.cut: set[str] = set()
        """IDs of the records that were given up."""
        self.by_id = {image.id: image for image in inventory.images}
        # Nameless steps of a build go with the last image on them: they hold nothing of their own.
        staying = [
            image
            for image in inventory.images
            if not images.rulings[image.id][0] and not images.stands_for_children_alone(image)
        ]
        self.unreached = [image for image in inventory.images if image.id in images.unreached]
        spare = [*images.spare, *self.unreached]
        self.ranking = rank(staying, spare, usage, images.last_sign)
        for image in self.unreached:
            self.ranking.entries[image.id].spare = False
        self.pieces: dict[object, Pieces] = {
            entry.key: entry.pieces for entry in self.ranking.entries.values()
        }
        left = [record for record in inventory.cache if record.id not in cache.rulings]
        copies = inventory.engine.store == "containerd"
        held: Mapping[str, frozenset[Hashable]] = account.layers_of
        if blobs:
            held = {r: frozenset({("blob", blob.digest)}) for r, blob in blobs.items()}
        self.stored = Stored(
            self.pieces.values(),
            left,
            held,
            partial(freed_by_record, copies=copies, blobs=blobs),
        )
        for image in images.going:
            self.stored.sizes.update(image.held)
        self.companions = Companions(left, account.layers_of, cache.tree.stays)
        # What a record holds that stays in any case does not come free with an image.
        for record in left:
            if record.id in self.companions.staying:
                self.ranking.add(("cache", record.id), self.stored.pieces_of(record), spare=False)

    def give_up_next(self) -> bool:
        """Give up what is worth least; False where nothing is left that may go."""
        entry = self.ranking.least(self.now)
        record = self.cache.tree.oldest_leaf()
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

    def keep_what_is_not_needed(self, needed: int) -> None:
        """Keep what was given up and without which enough comes free, worth most first."""
        kept = set()
        for choice in [
            *(choice for choice in reversed(self.choices) if choice.image is not None),
            *(choice for choice in reversed(self.choices) if choice.image is None),
        ]:
            if self._can_stay(choice, needed):
                kept.add(id(choice))
        self.choices = [choice for choice in self.choices if id(choice) not in kept]

    def guess(self) -> None:
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

    def carry_out(self) -> None:
        """Rule on the images: those that go, and those of which a registry is to be asked."""
        for choice in self.choices:
            if choice.image is None or choice.reason is None:
                continue
            if self.images.doubtful(choice.image):
                self.images.unconfirmed.append(choice.image.id)
                continue
            group = self._group(choice.image)
            reason = self._with_records(choice, choice.reason)
            if steps := len(group) - 1:
                reason = reason.told(with_steps=steps)
            self.images.give_up(group, reason)
            for image in group:
                self.account.give_up_image(image)

    def ask_ahead(self, count: int) -> None:
        """Note so many more images that a registry should be asked about, the next in order."""
        while count > 0 and (entry := self.ranking.least(self.now)) is not None:
            self.ranking.drop(entry.key)
            image = self.by_id[str(entry.key)]
            if self.images.doubtful(image):
                self.images.unconfirmed.append(image.id)
                count -= 1

    def _give_up(self, entry: Entry) -> None:
        image = self.by_id[str(entry.key)]
        expected = prospects(entry, image, self.images.store, self.now, self.ranking.soon)
        expected = expected.counted_from(self.images.sign(image), self.now)
        pieces = self.pieces[entry.key]
        self.freed += self.stored.give_up(pieces)
        self.ranking.drop(entry.key)
        records = self.companions.of_layers(self.stored.only_cached(pieces), self.cut)
        for record in records:
            self._cut(record)
        self.choices.append(_Choice(image, tuple(records), self._reason(expected)))

    def _cut(self, record: CacheRecord) -> None:
        freed = self.stored.cut(record)
        self.freed += freed
        self.cut.add(record.id)
        self.cache.cut(record, self._reason(prospects_of_record(record, freed, self.now)))

    def _can_stay(self, choice: _Choice, needed: int) -> bool:
        """Keep what was given up, if enough comes free without it."""
        wanted = {record.id for record in choice.records} & self.cut
        pieces: Pieces = ()
        if choice.image is not None:
            pieces = self.pieces[choice.image.id]
            layers = [part for part, _ in pieces if isinstance(part, str)]
            wanted |= self.companions.holding(layers) & self.cut
        back = [self.companions.by_id[i] for i in self.companions.below(wanted, self.cut)]
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

    def _with_records(self, choice: _Choice, reason: Reason) -> Reason:
        """The reason with how many records that hold the image's layers go for its bytes."""
        count = sum(1 for record in choice.records if record.id in self.cut)
        return reason.told(with_records=count) if count else reason

    def _reason(self, expected: Prospects) -> Reason:
        return Reason(Rule.PRESSURE, {**expected.facts, "least_free": self.least_free})
