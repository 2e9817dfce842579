"""The least bytes that any eviction policy must pull: the layer-level PFOO-L bound.

PFOO-L (Berger, Beckmann, Harchol-Balter: "Practical Bounds on Optimal Caching with Variable Object
Sizes", 2018) keeps only one constraint: to avoid the next pull of a layer, its bytes must be on the
disk from one use to the next, and over all uses their sum is at most the budget times the uses. The
best choice keeps the shortest intervals first, the last one in part. First uses are always pulled.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from itertools import accumulate

from holystone.replay.trace import Trace


class Bound:
    """The lower bound of one trace, for any budget."""

    def __init__(self, trace: Trace) -> None:
        sizes = trace.layer_bytes
        last = [-1] * len(sizes)
        again: Counter[int] = Counter()
        pulls = 0
        for at, image in enumerate(trace.use_images):
            for layer in trace.layers[image]:
                if last[layer] >= 0:
                    again[at - last[layer]] += sizes[layer]
                last[layer] = at
                pulls += sizes[layer]
        self._uses = len(trace.use_times)
        self._pulls = pulls
        """Bytes pulled where nothing is kept."""
        self._lengths = sorted(again)
        self._spared = list(accumulate((again[n] for n in self._lengths), initial=0))
        self._spent = list(accumulate((again[n] * n for n in self._lengths), initial=0))
        used = Counter(trace.use_images)
        self._large = sorted(
            ((size, used[image]) for image, size in enumerate(trace.image_bytes())), reverse=True
        )

    def pulled_bytes(self, budget: int) -> int:
        """Bytes that every order which keeps this budget pulls at least.

        A host holds an image that is larger than its budget all the same until the next use; the
        bound allows for that.
        """
        room = budget * self._uses
        for size, uses in self._large:
            if size <= budget:
                break
            room += (size - budget) * uses
        whole = bisect_right(self._spent, room) - 1
        spared = self._spared[whole]
        if whole < len(self._lengths):
            spared += (room - self._spent[whole]) // self._lengths[whole]
        return self._pulls - spared
