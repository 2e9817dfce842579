"""What goes beyond the level where the disk must have more free: the least recently used first.

Tagged images that nothing but the level keeps and build cache within its budget are given up one
at a time, whichever was used longest ago, until just enough comes free. An image whose layers all
belong to others as well frees nothing alone: it waits until the others have gone.
"""

from __future__ import annotations

import heapq
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


_Candidate = tuple[float, int, Image]


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
        self.by_id = {image.id: image for image in inventory.images}
        self.layers = holders(inventory.images)
        self.blobs = Counter(b.digest for i in inventory.images for b in set(i.blobs or ()))
        for image in images.going:
            self._release(image)
        self.waiting = [(-(images.idle(i) or 0.0), n, i) for n, i in enumerate(images.spare)]
        """A heap, the image used longest ago on top: minus its idle time, its place, itself."""
        heapq.heapify(self.waiting)
        self.barren: list[_Candidate] = []
        """Those that free nothing as long as others hold all their layers, the oldest first."""

    def give_up_next(self) -> bool:
        """Give up what was used longest ago; False where nothing is left."""
        while self.waiting and not self._gain(self.waiting[0][2]):
            self.barren.append(heapq.heappop(self.waiting))
        if self._cache_is_next():
            self._give_up_record()
        elif self.waiting:
            self._give_up(heapq.heappop(self.waiting))
        elif self.barren:
            # All that is left hold one another's layers: one of them must make the beginning.
            self._give_up(self.barren.pop(0))
        else:
            return False
        return True

    def _cache_is_next(self) -> bool:
        record = self.cache.tree.oldest_leaf()
        if record is None:
            return False
        if not self.waiting:
            return True
        return self.cache.idle(record) >= -self.waiting[0][0]

    def _give_up_record(self) -> None:
        record = self.cache.tree.oldest_leaf()
        if record is not None:
            self.cache.cut(record, self._reason(self.cache.idle(record)))
            self.freed += freed_by_record(record, copies=self.copies)

    def _give_up(self, candidate: _Candidate) -> None:
        image = candidate[2]
        group = self._group(image)
        self.freed += self._gain(image)
        released = [self._release(each) for each in group]
        if self.images.doubtful(image):
            self.images.unconfirmed.append(image.id)
        else:
            self.images.give_up(group, self._reason(-candidate[0]))
        if any(released):
            for each in self.barren:
                heapq.heappush(self.waiting, each)
            self.barren = []

    def _group(self, image: Image) -> list[Image]:
        """An image with the nameless steps it was built on that nothing else keeps."""
        group = [image]
        while (parent := self.by_id.get(group[-1].parent)) is not None:
            if not self.images.stands_for_child_alone(parent):
                break
            group.append(parent)
        return group

    def _reason(self, idle: float | None) -> Reason:
        return Reason("pressure", {"idle": idle, "least_free": self.least_free})

    def _gain(self, image: Image) -> int:
        """The bytes that come free with this image now, compressed content included."""
        group = self._group(image)
        if len(group) > 1:
            layers = Counter(x.chain_id for each in group for x in each.layers or ())
            sizes = {x.chain_id: x.size for each in group for x in each.layers or ()}
            return sum(size for x, size in sizes.items() if self.layers[x] == layers[x])
        if image.layers is None:
            return image.size
        unpacked = sum(layer.size for layer in image.layers if self.layers[layer.chain_id] == 1)
        if image.blobs is not None:
            content = sum(b.size for b in set(image.blobs) if self.blobs[b.digest] == 1)
        else:
            whole = sum(layer.size for layer in image.layers)
            content = image.content_size * unpacked // whole if whole else 0
        return unpacked + content + image.metadata_size

    def _release(self, image: Image) -> bool:
        """Count an image out; True where a layer or blob now has a last holder."""
        left = False
        for layer in image.layers or ():
            self.layers[layer.chain_id] -= 1
            left = left or self.layers[layer.chain_id] == 1
        for blob in set(image.blobs or ()):
            self.blobs[blob.digest] -= 1
            left = left or self.blobs[blob.digest] == 1
        return left
