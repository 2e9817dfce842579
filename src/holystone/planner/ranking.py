"""Which image to give up next: the one whose bytes are worth the least to keep.

What keeping an image is worth is the time that giving it up will cost: how often it will be asked
for again, times the seconds that a job then waits, for each byte that comes free. A layer that an
image alone holds here, and that references to images long gone would need as well, is worth half
of theirs on top. Layers that others hold do not come free and do not count.

An image that no reference means any more has no future and goes first.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Hashable, Mapping, Sequence

from holystone.planner.demand import Habit, Habits

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


class Entry:
    """One image that is here."""

    __slots__ = ("freed", "habits", "key", "last", "number", "pieces", "spare", "wanted")

    def __init__(self, key: Key, number: int, pieces: Sequence[Piece], *, spare: bool) -> None:
        self.key = key
        self.number = number
        self.pieces = pieces
        self.spare = spare
        self.freed = 0
        """Bytes of the pieces that it alone holds."""
        self.habits: list[Habit] = []
        """Those of the references that mean it."""
        self.last = 0.0
        """When it was last used."""
        self.wanted: list[tuple[Habit, int]] | None = None
        """References to images that are not here, with the bytes that they would need of what
        this one alone holds; None where that is to be found out anew."""


class Ranking:
    """The images of one host, in the order in which to give them up."""

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
        """For when the heap is right; None where it is to be made anew."""
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
        entry = Entry(key, self._numbers, pieces, spare=spare)
        entry.last = last
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
        """Somebody asked for a reference and got this image, not earlier than any use before."""
        self.habits.used(reference, at)
        self.means(reference, key, pieces)
        if (entry := self.entries.get(key)) is not None:
            entry.last = at
        self._asked = None

    def least(self, now: float, but: Key = None) -> Entry | None:
        """The image to give up next, never ``but``; None where none may be."""
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
        """Seconds of waiting a second that each byte is worth that comes free with an image.

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
        # Of most images no layer is wanted by what is gone, and that is told quickest.
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
