"""The order of a clean: the ranking that plans it, told of uses as they come."""

from __future__ import annotations

from collections.abc import Sequence

from holystone.planner.demand import Habits
from holystone.planner.ranking import Piece, Ranking
from holystone.replay.order import Order
from holystone.replay.trace import Trace


class Ours(Order):
    """Gives up the image whose bytes are worth the least to keep."""

    def __init__(self, trace: Trace) -> None:
        self.ranking = Ranking(Habits())
        self._trace = trace
        self._pieces: dict[int, Sequence[Piece]] = {}

    def arrived(self, image: int) -> None:
        """The image is here now."""
        self.ranking.add(image, self._layers(image))

    def used(self, reference: str, image: int, now: float) -> None:
        """The reference has one use more, and means this image."""
        self.ranking.used(reference, image, self._layers(image), now)

    def gone(self, image: int) -> None:
        """The image is here no longer."""
        self.ranking.drop(image)

    def victim(self, now: float, asked: int) -> int | None:
        """The image of least worth."""
        entry = self.ranking.least(now, asked)
        return entry.key if entry is not None and isinstance(entry.key, int) else None

    def _layers(self, image: int) -> Sequence[Piece]:
        pieces = self._pieces.get(image)
        if pieces is None:
            sizes = self._trace.layer_bytes
            layers = self._trace.layers[image]
            pieces = self._pieces[image] = tuple((layer, sizes[layer]) for layer in layers)
        return pieces
