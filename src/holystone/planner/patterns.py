"""Many patterns at once: which of them match a text, without trying each one.

Every text that a pattern matches contains certain pieces: its start, or a few neighbouring
characters. The pattern is stored under the piece that the fewest patterns share. A text is compared
only with the patterns stored under its own pieces, so 40,000 patterns cost an image little more
than 40.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from itertools import chain
from typing import Generic, TypeVar

from holystone.planner.glob import Glob, of_text
from holystone.planner.reference import (
    Pattern,
    Reference,
    parse_pattern,
    parsed_or_none,
    spellings,
)

_T = TypeVar("_T")
_FEW = 12
"""So many patterns are tried sooner one by one than found in an index."""
_PIECE = 6
"""The length of a piece; a shorter literal text is a piece as a whole."""
_START, _INSIDE = "^", "~"
"""What a piece begins with in an index: whether it is the start of a text, or anywhere in it."""


class _Index:
    """The numbers of patterns by what every text has that they match."""

    def __init__(self, patterns: Sequence[Iterable[Glob]]) -> None:
        """Each pattern has one part for each part of the text it is compared with."""
        self._every = range(len(patterns)) if len(patterns) <= _FEW else None
        if self._every is not None:
            return
        pieces = [[piece for glob in each for piece in _pieces(glob)] for each in patterns]
        shared = Counter(chain.from_iterable(pieces))
        self._filed: defaultdict[str, list[int]] = defaultdict(list)
        self._rest: list[int] = []
        """Patterns without a piece: anything may match them."""
        for number, each in enumerate(pieces):
            # Of equally rare pieces a start is found soonest.
            best = min(each, key=lambda piece: (shared[piece], piece[0] != _START), default=None)
            (self._rest if best is None else self._filed[best]).append(number)
        lengths = {(piece[0] == _START, len(piece) - 1) for piece in self._filed}
        self._starts = [length for start, length in lengths if start]
        self._inside = [length for start, length in lengths if not start]

    def candidates(self, texts: Iterable[str]) -> Sequence[int]:
        """The patterns, in order, that may match something of which these texts are the parts."""
        if self._every is not None:
            return self._every
        told: set[str] = set()
        for text in texts:
            told.update(_START + text[:length] for length in self._starts)
            for length in self._inside:
                last = len(text) - length
                told.update([_INSIDE + text[at : at + length] for at in range(last + 1)])
        filed = self._filed
        return sorted(chain(self._rest, *(filed[piece] for piece in told if piece in filed)))


def _pieces(glob: Glob) -> list[str]:
    """What a pattern can be filed under; one that matches a single text under that alone."""
    start = [_START + glob.prefix] if glob.prefix else []
    if glob.literal is not None:
        return start
    return start + [
        _INSIDE + run[at : at + _PIECE]
        for run in glob.runs
        for at in range(max(1, len(run) - _PIECE + 1))
    ]


class References:
    """A list of patterns of references, of which ``!`` takes back what those before it cover."""

    def __init__(self, patterns: Iterable[str]) -> None:
        """Raises InvalidReference at the first use of a list with a pattern that is none."""
        self.texts = tuple(patterns)

    @cached_property
    def _parsed(self) -> list[Pattern]:
        return [parse_pattern(text.removeprefix("!")) for text in self.texts]

    @cached_property
    def _index(self) -> _Index:
        parts = [(each.names, each.tag, each.digest) for each in self._parsed]
        return _Index([[glob for glob in each if glob is not None] for each in parts])

    def covering(self, reference: Reference) -> str:
        """The pattern that covers a reference: of those that match the last counts.

        Empty where none matches, or where the last one takes the reference back.
        """
        return decided(self.texts[number] for number in self.matching(reference))

    def covering_digest(self, reference: Reference) -> str:
        """The same, of the patterns that name digests only."""
        texts = (self.texts[number] for number in self.matching(reference))
        return decided(text for text in texts if "@" in text)

    def matching(self, reference: Reference) -> list[int]:
        """The numbers of the patterns that match a reference, in order."""
        parts = (*spellings(reference), reference.tag, reference.digest)
        near = self._index.candidates(parts)
        return [at for at in near if self._parsed[at].matches(reference)]


def decided(matching: Iterable[str]) -> str:
    """What of the patterns that match a reference, in order, covers it; empty where none does."""
    found = ""
    for text in matching:
        excepted = text.startswith("!")
        if bool(found) is excepted:
            found = "" if excepted else text
    return found


class Names:
    """A list of patterns of names: ``*`` is any text, ``?`` one character."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self._globs = [of_text(each) for each in patterns]
        self._index = _Index([(each,) for each in self._globs])

    def first(self, name: str) -> int | None:
        """The number of the first pattern that matches a name; None where none does."""
        return min(self.matching(name), default=None)

    def matching(self, name: str) -> list[int]:
        """The numbers of the patterns that match a name, in order."""
        return [at for at in self._index.candidates((name,)) if self._globs[at].matches(name)]


class Labels:
    """A list of patterns of labels: ``key`` or ``key=value``, both with ``*`` and ``?``."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self._texts = tuple(patterns)
        self._wild: list[tuple[int, Glob, Glob]] = []
        """Number, key and value of the patterns whose key has marks."""
        by_key: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
        for number, text in enumerate(self._texts):
            key, has_value, value = text.partition("=")
            value = value if has_value else "*"
            if of_text(key).literal is None:
                self._wild.append((number, of_text(key), of_text(value)))
            else:
                by_key[key].append((number, value))
        self._by_key = {
            key: ([number for number, _ in told], Names(value for _, value in told))
            for key, told in by_key.items()
        }
        self._index = _Index([(key,) for _, key, _ in self._wild])

    def first(self, labels: Mapping[str, str]) -> str:
        """The first pattern that one of the labels matches; empty where none does."""
        number = min(self.matching(labels), default=None)
        return "" if number is None else self._texts[number]

    def first_missing(self, labels: Mapping[str, str]) -> str | None:
        """The first pattern that none of the labels matches; None where each one is matched."""
        found = set(self.matching(labels))
        return next((text for at, text in enumerate(self._texts) if at not in found), None)

    def matching(self, labels: Mapping[str, str]) -> list[int]:
        """The numbers of the patterns that one of the labels matches, in order."""
        found = []
        for key, value in labels.items():
            if key in self._by_key:
                numbers, values = self._by_key[key]
                found += [numbers[at] for at in values.matching(value)]
        for at in self._index.candidates(labels):
            number, wild, wanted = self._wild[at]
            if any(wild.matches(key) and wanted.matches(told) for key, told in labels.items()):
                found.append(number)
        return sorted(found)


class _Ready(Generic[_T]):
    """Lists of patterns made ready to be asked, each once.

    A list that is asked again is known by its identity: to compare tens of thousands of patterns
    for each image would take longer than to match them.
    """

    def __init__(self, make: Callable[[Sequence[str]], _T]) -> None:
        self._make = make
        self._made: dict[int, tuple[Sequence[str], _T]] = {}

    def __call__(self, patterns: Sequence[str]) -> _T:
        known = self._made.get(id(patterns))
        if known is not None and known[0] is patterns:
            return known[1]
        made = self._make(patterns)
        if isinstance(patterns, tuple):
            if len(self._made) >= 64:
                self._made.clear()
            self._made[id(patterns)] = patterns, made
        return made


references = _Ready(References)
names = _Ready(Names)
labels = _Ready(Labels)


def covers(patterns: Sequence[str], reference: str) -> str:
    """The pattern of a list that covers a reference; empty where none does."""
    parsed = parsed_or_none(reference) if patterns else None
    return "" if parsed is None else references(patterns).covering(parsed)
