"""Rank images for eviction: the image whose bytes are worth the least goes first.

The value of an image is the expected waiting time without it: the expected requests a second, times
the seconds that a job then waits, for each byte that comes free. If references to removed images
would also need a layer that only this image holds, half of their value is added. Layers that other
images hold do not come free and do not count. An image without a reference goes first.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from holystone.planner.demand import SOON, Company, Habit, Habits
from holystone.planner.inventory import Image
from holystone.planner.names import complete
from holystone.planner.usage import Usage, age_of, once_in_registry, sign
from holystone.planner.verdict import Fact

WAIT = 3.2
"""Seconds that any pull costs a job, however small it is."""
ABSENT = 0.5
"""How much the need of an image that is not here counts for a layer that is."""
MOST_ABSENT = 500
"""Of so many references whose image is not here it counts what they need: those used last. One
that was passed over counts again when it is used."""
NEVER = float("inf")
_HOLDER = 1 << 40

Piece = tuple[Hashable, int]
"""A layer or blob: what names it, and its bytes."""
Key = Hashable


@dataclass(slots=True, eq=False)
class Entry:
    """An image on the host."""

    key: Key
    number: int
    pieces: Sequence[Piece]
    spare: bool
    last: float
    """When it was last used."""
    freed: int = 0
    """Bytes of the pieces that it alone holds."""
    habits: list[Habit] = field(default_factory=list)
    """Those of the references that mean it."""
    wanted: list[tuple[Habit, int]] | None = None
    """References to images that are not here, with the bytes that they would need of what
    this one alone holds; None if it must be computed again."""


class Ranking:
    """The images of one host, in the order of eviction."""

    def __init__(self, habits: Habits) -> None:
        self.habits = habits
        self.entries: dict[Key, Entry] = {}
        self._numbered: dict[int, Entry] = {}
        self._held: dict[Hashable, int] = {}
        """Who holds each piece here: the sum of ``_HOLDER`` and its number over all images that do,
        so that a single holder can be told, and found."""
        self._means: dict[str, tuple[Key, Sequence[Piece]]] = {}
        """The image that each reference means, whether it is here or not."""
        self._meant_by: dict[Key, list[str]] = {}
        self._absent: dict[Hashable, set[str]] = {}
        """By piece the references whose image holds it and is not here."""
        self._away: dict[str, float] = {}
        """Those references, each with when it was last used."""
        self._numbers = 0
        self._asked: tuple[float, Key] | None = None
        """The time for which the heap is right; None if it must be built again."""
        self.soon: Mapping[str, float] = {}
        """What the habits expected soon when it was last asked which image is next."""
        self._heap: list[tuple[float, float, int]] = []
        """Value, last use and number of images; those that changed since are in it again."""
        self._values: dict[int, float] = {}
        self._changed: set[int] = set()

    def add(
        self, key: Key, pieces: Sequence[Piece], *, last: float = 0.0, spare: bool = True
    ) -> None:
        """An image is here. ``spare``: it may be given up; others only hold their layers."""
        self._numbers += 1
        entry = Entry(key, self._numbers, pieces, spare, last)
        self.entries[key] = entry
        self._numbered[entry.number] = entry
        held, mine = self._held, _HOLDER + entry.number
        for piece, size in pieces:
            others = held.get(piece)
            if others is None:
                held[piece] = mine
                entry.freed += size
                continue
            held[piece] = others + mine
            if others < 2 * _HOLDER:
                self._grow(others - _HOLDER, -size)
        for reference in self._meant_by.get(key, ()):
            self._want(reference, pieces, absent=False)
            entry.habits.append(self.habits.known[reference])
        self._changed.add(entry.number)

    def offer(self, keys: Collection[Key]) -> None:
        """These images may be given up from now on."""
        for key in keys:
            self.entries[key].spare = True
        self._asked = None

    def drop(self, key: Key) -> None:
        """An image is gone."""
        entry = self.entries.pop(key)
        del self._numbered[entry.number]
        self._values.pop(entry.number, None)
        held, mine = self._held, _HOLDER + entry.number
        for piece, size in entry.pieces:
            others = held[piece] - mine
            if not others:
                del held[piece]
                continue
            held[piece] = others
            if others < 2 * _HOLDER:
                self._grow(others - _HOLDER, size)
        for reference in self._meant_by.get(key, ()):
            self._want(reference, entry.pieces, absent=True)

    def means(self, reference: str, key: Key, pieces: Sequence[Piece]) -> None:
        """A reference whose habit is known means this image, here or not, and no other any more."""
        before = self._means.get(reference)
        if before is not None:
            if before[0] == key:
                return
            self._meant_by[before[0]].remove(reference)
            if (entry := self.entries.get(before[0])) is not None:
                entry.habits.remove(self.habits.known[reference])
                self._changed.add(entry.number)
            else:
                self._want(reference, before[1], absent=False)
        self._means[reference] = (key, pieces)
        self._meant_by.setdefault(key, []).append(reference)
        if (entry := self.entries.get(key)) is not None:
            entry.habits.append(self.habits.known[reference])
            self._changed.add(entry.number)
        else:
            self._want(reference, pieces, absent=True)

    @property
    def references(self) -> Collection[str]:
        """The references whose image is known, here or not."""
        return self._means.keys()

    def used(self, reference: str, key: Key, pieces: Sequence[Piece], at: float) -> None:
        """A job requested a reference and got this image, not earlier than any use before."""
        self.habits.used(reference, at)
        self.means(reference, key, pieces)
        if (entry := self.entries.get(key)) is not None:
            entry.last = at
        self._asked = None

    def least(self, now: float, but: Key = None) -> Entry | None:
        """The image to evict next, never ``but``; None if none may go."""
        if self._asked != (now, but):
            self.soon = self.habits.soon(now)
            self._heap = [
                (self.value(entry, now), entry.last, entry.number)
                for entry in self.entries.values()
                if entry.spare and entry.key != but
            ]
            heapq.heapify(self._heap)
            self._values = {number: value for value, _, number in self._heap}
            self._asked = (now, but)
        else:
            values = self._values
            for number in [number for number in self._changed if number in values]:
                entry = self._numbered[number]
                value = values[number] = self.value(entry, now)
                heapq.heappush(self._heap, (value, entry.last, number))
        self._changed.clear()
        while self._heap:
            value, _, number = self._heap[0]
            if self._values.get(number) == value:
                return self._numbered[number]
            heapq.heappop(self._heap)
        return None

    def value(self, entry: Entry, now: float) -> float:
        """The value of an image: seconds of waiting a second for each byte that it frees.

        ``NEVER`` where none comes free, since others hold all of its layers.
        """
        soon = self.soon
        rate = 0.0
        per_byte = 0.0
        for habit in entry.habits:
            expected = habit.rate(now) + soon.get(habit.reference, 0.0)
            rate += expected
            per_byte += expected * habit.seconds_per_byte
        freed = entry.freed
        if freed <= 0:
            return NEVER if rate else 0.0
        worth = rate * WAIT + freed * per_byte
        if entry.wanted is None:
            entry.wanted = self._find_wanted(entry)
        for habit, size in entry.wanted:
            needed = habit.rate(now) + soon.get(habit.reference, 0.0)
            worth += ABSENT * needed * size * habit.seconds_per_byte
        return worth / freed

    def _find_wanted(self, entry: Entry) -> list[tuple[Habit, int]]:
        sizes: dict[str, int] = {}
        # For most images no removed image wants one of their layers; this is the quickest check.
        pieces = entry.pieces if self._absent else ()
        for piece, size in pieces:
            if piece in self._absent and self._held[piece] < 2 * _HOLDER:
                for reference in self._absent[piece]:
                    sizes[reference] = sizes.get(reference, 0) + size
        return [(self.habits.known[reference], size) for reference, size in sizes.items()]

    def _grow(self, number: int, size: int) -> None:
        """An image alone holds so many bytes more, or less."""
        entry = self._numbered[number]
        entry.freed += size
        entry.wanted = None
        self._changed.add(number)

    def _want(self, reference: str, pieces: Sequence[Piece], *, absent: bool) -> None:
        """A reference's image is not here any more, or not missing any more."""
        if absent:
            self._away[reference] = self.habits.known[reference].last
        elif self._away.pop(reference, None) is None:
            return
        for piece, _ in pieces:
            if absent:
                self._absent.setdefault(piece, set()).add(reference)
            else:
                self._absent[piece].discard(reference)
                if not self._absent[piece]:
                    del self._absent[piece]
            holders = self._held.get(piece, 0)
            if _HOLDER < holders < 2 * _HOLDER:
                entry = self._numbered[holders - _HOLDER]
                entry.wanted = None
                self._changed.add(entry.number)
        if len(self._away) > MOST_ABSENT:
            longest = min(self._away, key=self._away.__getitem__)
            self._want(longest, self._means[longest][1], absent=False)


class Prospects(NamedTuple):
    """The expected use of an image or a build cache record."""

    idle: float | None
    """Seconds since its last use; None where none is known."""
    gap: float | None
    """How far apart its uses lie on average, seconds; None where there was but one."""
    freed: int
    """Bytes that go with it now."""
    seconds: float | None
    """How long it takes to fetch that again; None where there is nothing to fetch, or no registry
    is known to have it."""
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


def rank(images: Iterable[Image], spare: Iterable[Image], usage: Usage) -> Ranking:
    """The ranking of these images, of which those in ``spare`` may be given up.

    Leave out of ``images`` what only another step of a build would hold: each image counts as a
    holder of its layers. A sign that an image was wanted counts where no use is remembered.
    """
    habits = Habits(usage.references, Company(usage.company), usage.speeds)
    ranking = Ranking(habits)
    weights: dict[str, float] = {}
    candidates = {image.id for image in spare}
    for image in images:
        pieces = _pieces(image, weights)
        if image.id not in candidates:
            ranking.add(image.id, pieces, spare=False)
            continue
        last = sign(image, usage)[1] or 0.0
        ranking.add(image.id, pieces, last=last)
        # What is remembered has its name in full.
        written = image.tags + (image.pinned or (() if image.tags else image.digests))
        names = [name if name in habits.known else complete(name) or name for name in written]
        told = max((habits.known[name].last for name in names if name in habits.known), default=0.0)
        used = usage.last_used.get(("image", image.id), 0.0)
        for name in names:
            if name not in habits.known:
                habits.seen(name, last)
            elif used > told:
                # Nobody saw by which of its names.
                habits.seen(name, used)
            ranking.means(name, image.id, pieces)
    for reference, layers in usage.absent.items():
        if reference not in ranking.references and reference in habits.known:
            ranking.means(reference, ("absent", reference), layers)
    return ranking


def _pieces(image: Image, weights: dict[str, float]) -> tuple[Piece, ...]:
    """What an image is made of. A layer has the same bytes in every image that holds it.

    ``weights``: by chain ID how much more than its unpacked bytes a layer stands for.
    """
    if image.layers is None:
        return ((("whole", image.id), image.size),)
    pieces: tuple[Piece, ...] = image.held
    if image.blobs:
        # The digest of a blob that is not compressed names the lowest layer as well.
        pieces += tuple((("blob", digest), size) for digest, size in set(image.blobs))
    elif image.content_size:
        whole = sum(layer.size for layer in image.held)
        weight = 1 + image.content_size / whole if whole else 1.0
        pieces = tuple(
            (chain_id, int(size * weights.setdefault(chain_id, weight)))
            for chain_id, size in image.held
        )
    if image.metadata_size:
        pieces += ((("metadata", image.id), image.metadata_size),)
    return pieces


def prospects(
    entry: Entry, image: Image, store: str, usage: Usage, now: float, soon: Mapping[str, float]
) -> Prospects:
    """What is expected of an image that may be given up; ``soon`` as the habits tell it now."""
    gaps = [habit.use.gap for habit in entry.habits if habit.use.gap is not None]
    last = max((habit.last for habit in entry.habits), default=entry.last)
    per_byte = max((habit.seconds_per_byte for habit in entry.habits), default=0.0)
    chances = [soon[h.reference] * SOON for h in entry.habits if h.reference in soon]
    in_registry = image.in_registry
    if in_registry is None:
        in_registry = once_in_registry(image, store)
    idle = age_of(last, now) if last > 0 else None
    what, at = sign(image, usage)
    return Prospects(
        idle=idle,
        gap=min(gaps, default=None),
        freed=entry.freed,
        seconds=WAIT + entry.freed * per_byte if entry.freed and in_registry else None,
        chance=max(chances, default=None),
        sign=what if at is not None and idle == age_of(at, now) else "last used",
    )
