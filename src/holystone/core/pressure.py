"""What goes beyond the level where the disk must have more free: the least recently used first.

Tagged images that nothing but the level keeps and build cache within its budget are given up one
at a time, whichever was used longest ago, until just enough comes free. An image whose layers all
belong to others as well frees nothing alone: it waits until the others have gone.
"""

from __future__ import annotations

from collections import Counter

from holystone.core.cache import CacheJudgement
from holystone.core.decision import Reason
from holystone.core.freed import freed_by_record
from holystone.core.images import Judgement
from holystone.core.inventory import Image, Inventory
from holystone.core.layers import holders


def relieve(
    inventory: Inventory, images: Judgement, cache: CacheJudgement, needed: int, least_free: int
) -> None:
    """Let more go than the level takes, until ``needed`` more bytes come free, if that can be.

    ``least_free`` is what must be free in the end; the reasons name it. An image of which only a
    registry could say that it can come back counts as if it went, and is noted in
    ``images.unconfirmed``: the plan is made anew when the registry has been asked.
    """
    relief = _Relief(inventory, images, cache, least_free)
    while relief.freed < needed and relief.give_up_next():
        pass


class _Relief:
    """Gives up one image or cache record after the other."""

    def __init__(
        self, inventory: Inventory, images: Judgement, cache: CacheJudgement, least_free: int
    ) -> None:
        self.images = images
        self.cache = cache
        self.least_free = least_free
        self.copies = inventory.engine.store == "containerd"
        self.freed = 0
        self.layers = holders(inventory.images)
        self.blobs = Counter(b.digest for i in inventory.images for b in set(i.blobs or ()))
        for image in images.going:
            self._release(image)
        self.waiting = self._newest_first(images.spare)
        self.barren: list[Image] = []
        """Those that free nothing as long as others hold all their layers, the oldest first."""

    def give_up_next(self) -> bool:
        """Give up what was used longest ago; False where nothing is left."""
        while self.waiting and not self._gain(self.waiting[-1]):
            self.barren.append(self.waiting.pop())
        if self._cache_is_next():
            self._give_up_record()
        elif self.waiting:
            self._give_up(self.waiting.pop())
        elif self.barren:
            # All that is left hold one another's layers: one of them must make the beginning.
            self._give_up(self.barren.pop(0))
        else:
            return False
        return True

    def _newest_first(self, images: list[Image]) -> list[Image]:
        return sorted(images, key=lambda image: self.images.idle(image) or 0.0)

    def _cache_is_next(self) -> bool:
        record = self.cache.tree.oldest_leaf()
        if record is None:
            return False
        if not self.waiting:
            return True
        return self.cache.idle(record) >= (self.images.idle(self.waiting[-1]) or 0.0)

    def _give_up_record(self) -> None:
        record = self.cache.tree.oldest_leaf()
        if record is not None:
            self.cache.cut(record, self._reason(self.cache.idle(record)))
            self.freed += freed_by_record(record, copies=self.copies)

    def _give_up(self, image: Image) -> None:
        self.freed += self._gain(image)
        self._release(image)
        if self.images.doubtful(image):
            self.images.unconfirmed.append(image.id)
        else:
            self.images.rulings[image.id] = (True, (self._reason(self.images.idle(image)),))
            self.images.going.append(image)
        # It may have been all that shared a layer with others.
        self.waiting = self._newest_first([*self.waiting, *self.barren])
        self.barren = []

    def _reason(self, idle: float | None) -> Reason:
        return Reason("pressure", {"idle": idle, "least_free": self.least_free})

    def _gain(self, image: Image) -> int:
        """The bytes that come free with this image now, compressed content included."""
        if image.layers is None:
            return image.size
        unpacked = sum(layer.size for layer in image.layers if self.layers[layer.chain_id] == 1)
        if image.blobs is not None:
            content = sum(b.size for b in set(image.blobs) if self.blobs[b.digest] == 1)
        else:
            whole = sum(layer.size for layer in image.layers)
            content = image.content_size * unpacked // whole if whole else 0
        return unpacked + content + image.metadata_size

    def _release(self, image: Image) -> None:
        self.layers.subtract(layer.chain_id for layer in image.layers or ())
        self.blobs.subtract(blob.digest for blob in set(image.blobs or ()))
