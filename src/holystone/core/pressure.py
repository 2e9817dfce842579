"""What goes beyond the level where the disk must have more free: what is worth least to keep first.

Tagged images that nothing but the level keeps and build cache within its budget are given up one
at a time until just enough comes free, each time that whose bytes are worth the least: see
``core.ranking``. Of the build cache it is always the leaf that was used longest ago.
"""

from __future__ import annotations

from holystone.core.cache import CacheJudgement
from holystone.core.decision import Reason
from holystone.core.freed import freed_by_record
from holystone.core.images import Judgement
from holystone.core.inventory import CacheRecord, Image, Inventory
from holystone.core.ranking import NEVER, Entry
from holystone.core.usage import Usage
from holystone.core.worth import (
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
    needed: int,
    least_free: int,
) -> None:
    """Let more go than the level takes, until ``needed`` more bytes come free, if that can be.

    ``least_free`` is what must be free in the end; the reasons name it. An image of which only a
    registry could say that it can come back counts as if it went, and is noted in
    ``images.unconfirmed``: the plan is made anew when the registry has been asked.
    """
    relief = _Relief(inventory, usage, images, cache, least_free)
    while relief.freed < needed and relief.give_up_next():
        pass
    if images.unconfirmed:
        # Where registries lack images, or cannot be reached, others are wanted in their place:
        # twice as many are asked about at a time, so that few rounds are needed.
        relief.ask_ahead(sum(_failed_now(image, images.now) for image in inventory.images))


def _failed_now(image: Image, now: float) -> bool:
    """Whether a registry that was asked in this run did not say that it has an image."""
    asked = image.registry_asked
    return bool(image.registry_said) and asked is not None and now - asked < _THIS_RUN


class _Relief:
    """Gives up one image or cache record after the other."""

    def __init__(
        self,
        inventory: Inventory,
        usage: Usage,
        images: Judgement,
        cache: CacheJudgement,
        least_free: int,
    ) -> None:
        self.images = images
        self.cache = cache
        self.least_free = least_free
        self.now = images.now
        self.copies = inventory.engine.store == "containerd"
        self.freed = 0
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

    def give_up_next(self) -> bool:
        """Give up what is worth least; False where nothing is left that may go."""
        entry = self.ranking.least(self.now)
        record = self.cache.tree.oldest_leaf()
        worth = NEVER if entry is None else self.ranking.value(entry, self.now)
        if record is not None and (entry is None or value_of_record(record, self.now) <= worth):
            self._give_up_record(record)
        elif entry is not None:
            self._give_up(entry)
        elif self.unreached:
            self.ranking.offer([image.id for image in self.unreached])
            self.unreached = []
        else:
            return False
        return True

    def ask_ahead(self, count: int) -> None:
        """Note so many more images that a registry should be asked about, the next in order."""
        while count > 0 and (entry := self.ranking.least(self.now)) is not None:
            self.ranking.drop(entry.key)
            image = self.by_id[str(entry.key)]
            if self.images.doubtful(image):
                self.images.unconfirmed.append(image.id)
                count -= 1

    def _give_up_record(self, record: CacheRecord) -> None:
        freed = freed_by_record(record, copies=self.copies)
        self.cache.cut(record, self._reason(prospects_of_record(record, freed, self.now)))
        self.freed += freed

    def _give_up(self, entry: Entry) -> None:
        image = self.by_id[str(entry.key)]
        reason = self._reason(prospects(entry, self.now, self.ranking.soon))
        self.freed += entry.freed
        self.ranking.drop(entry.key)
        if self.images.doubtful(image):
            self.images.unconfirmed.append(image.id)
        else:
            self.images.give_up(self._group(image), reason)

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
        return Reason("pressure", {**expected.facts, "least_free": self.least_free})
