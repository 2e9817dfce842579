"""What keeping each image of a host is worth: its inventory and memory, made a ranking."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from holystone.planner.arrival import once_in_registry
from holystone.planner.demand import SOON, SPEED, USUAL_GAP, Company, Habits
from holystone.planner.inventory import CacheRecord, Image
from holystone.planner.names import complete
from holystone.planner.ranking import WAIT, Entry, Piece, Ranking
from holystone.planner.usage import SAME_USE, Usage
from holystone.planner.verdict import Fact

REMADE = 4.0
"""How much longer a build takes to make a byte of its cache than a registry to send one. Engines
do not tell how long a step took; with this a record goes before an image used as often."""

Sign = Callable[[Image], "float | None"]
"""When anybody last had to do with an image, UTC seconds; None where nothing tells."""


class Prospects(NamedTuple):
    """What is expected of an image, or a build cache record."""

    idle: float | None
    """Seconds since its last use; None where none is known."""
    gap: float | None
    """How far apart its uses lie on average, seconds; None where there was but one."""
    freed: int
    """Bytes that go with it now."""
    seconds: float | None
    """How long it takes to fetch that again; None where nothing has to be, or nothing tells, or no
    registry is known to have it."""
    chance: float | None = None
    """How likely it is to follow what was asked for just now; None where nothing tells."""
    sign: str = "last used"
    """What ``idle`` counts from: where no use is known, when it was made or came here."""

    @property
    def facts(self) -> dict[str, Fact]:
        """As facts of a reason."""
        told: dict[str, Fact] = {"idle": self.idle, "sign": self.sign, "gap": self.gap}
        if self.chance is not None:
            told["chance"] = self.chance
        return {**told, "frees": self.freed, "seconds": self.seconds}

    def counted_from(self, sign: tuple[str, float | None], now: float) -> Prospects:
        """The same, where ``idle`` counts from this: what it was, and when."""
        what, at = sign
        same = at is not None and self.idle == max(0.0, now - at)
        return self._replace(sign=what) if same else self


def rank(images: Iterable[Image], spare: Iterable[Image], usage: Usage, sign: Sign) -> Ranking:
    """The ranking of these images, of which those in ``spare`` may be given up.

    What only another step of a build would hold is best left out of ``images``: each of them
    counts as a holder of its layers. A sign counts for the references of which no use is
    remembered: that an image came or got a tag is none.
    """
    ranking = Ranking(Habits(usage.references, Company(usage.company), usage.speeds))
    habits = ranking.habits
    sizes = _PieceSizes()
    candidates = {image.id for image in spare}
    for image in images:
        pieces = sizes.of(image)
        last = sign(image)
        if image.id not in candidates:
            ranking.add(image.id, pieces, spare=False)
            continue
        ranking.add(image.id, pieces, last=last or 0.0)
        # What is remembered has its name in full.
        written = image.tags + (image.pinned or (() if image.tags else image.digests))
        names = [name if name in habits.known else complete(name) or name for name in written]
        told = max((habits.known[name].last for name in names if name in habits.known), default=0.0)
        used = usage.last_used.get(("image", image.id), 0.0)
        for name in names:
            if name not in habits.known:
                habits.seen(name, last or 0.0)
            elif used > told:
                # Nobody saw by which of its names.
                habits.seen(name, used)
            ranking.means(name, image.id, pieces)
    for reference, layers in usage.absent.items():
        if reference not in ranking.references and reference in habits.known:
            ranking.means(reference, ("absent", reference), layers)
    return ranking


def prospects(
    entry: Entry, image: Image, store: str, now: float, soon: Mapping[str, float]
) -> Prospects:
    """What is expected of an image that may be given up; ``soon`` as the habits tell it now."""
    gaps = [habit.use.gap for habit in entry.habits if habit.use.gap is not None]
    last = max((habit.last for habit in entry.habits), default=entry.last)
    per_byte = max((habit.seconds_per_byte for habit in entry.habits), default=0.0)
    chances = [soon[h.reference] * SOON for h in entry.habits if h.reference in soon]
    return Prospects(
        idle=max(0.0, now - last) if last > 0 else None,
        gap=min(gaps, default=None),
        freed=entry.freed,
        seconds=WAIT + entry.freed * per_byte if entry.freed and _has(image, store) else None,
        chance=max(chances, default=None),
    )


def _has(image: Image, store: str) -> bool:
    """Whether a registry has an image, as far as is known."""
    if image.in_registry is None:
        return once_in_registry(image, store)
    return image.in_registry


def value_of_record(record: CacheRecord, now: float) -> float:
    """What each byte of a build cache record is worth to keep, as ``Ranking.value`` counts it."""
    last = record.created if record.last_used is None else record.last_used
    return REMADE / SPEED / (_gap(record) + max(0.0, now - last))


def prospects_of_record(record: CacheRecord, freed: int, now: float) -> Prospects:
    """What is expected of a build cache record, by its own counters."""
    last = record.created if record.last_used is None else record.last_used
    used_again = record.usage_count > 1
    return Prospects(
        idle=max(0.0, now - last) if last > 0 else None,
        gap=_gap(record) if used_again else None,
        freed=freed,
        seconds=None,
        sign="made" if record.last_used is None else "last used",
    )


def _gap(record: CacheRecord) -> float:
    """Seconds between the uses of a record: the mean over all of them, or what is usual."""
    last = record.created if record.last_used is None else record.last_used
    if record.usage_count < 2:
        return USUAL_GAP
    return max(SAME_USE, (last - record.created) / (record.usage_count - 1))


class _PieceSizes:
    """The bytes of each layer and blob, the same for every image that holds it."""

    def __init__(self) -> None:
        self.weights: dict[str, float] = {}
        """By chain ID, where compressed content is only known of images as a whole: how much
        more than its unpacked bytes a layer stands for."""

    def of(self, image: Image) -> tuple[Piece, ...]:
        """What an image is made of."""
        if image.layers is None:
            return ((("whole", image.id), image.size),)
        pieces: tuple[Piece, ...] = image.held
        if image.blobs:
            # The blob of a layer that is not compressed has the digest that names the lowest layer.
            pieces += tuple((("blob", digest), size) for digest, size in set(image.blobs))
        elif image.content_size:
            whole = sum(layer.size for layer in image.held)
            weight = 1 + image.content_size / whole if whole else 1.0
            pieces = tuple(
                (chain_id, int(size * self.weights.setdefault(chain_id, weight)))
                for chain_id, size in image.held
            )
        if image.metadata_size:
            pieces += ((("metadata", image.id), image.metadata_size),)
        return pieces
