"""Many patterns at once: which of them match a text, without trying each one.

A pattern is filed under a piece that every text has which it matches: how the text starts, or a few
neighbouring characters in it; of all such pieces under the one that the fewest patterns share. A
text is held against the patterns only that are filed under its own pieces, so that 40,000 patterns
cost an image little more than 40.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property, lru_cache
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
_Key = tuple[str | None, str | None, str | None]
_FEW = 12
"""So many patterns are tried sooner one by one than found in an index."""
_PIECE = 6
"""The length of a piece; a shorter literal text is a piece as a whole."""


class _Index:
    """The numbers of patterns by what every text has that they match."""

    def __init__(self, patterns: Iterable[Iterable[Glob]]) -> None:
        """Each pattern is one for each part of what it is held against."""
        pieces = [_pieces(each) for each in patterns]
        shared = Counter(piece for each in pieces for piece in each)
        self._filed: defaultdict[str, list[int]] = defaultdict(list)
        self._rest: list[int] = []
        """Patterns without a piece: anything may match them."""
        for number, each in enumerate(pieces):
            if each:
                self._filed[min(each, key=shared.__getitem__)].append(number)
            else:
                self._rest.append(number)
        lengths = {(piece[0] == _START, len(piece) - 1) for piece in self._filed}
        self._starts = [length for start, length in lengths if start]
        self._inside = [length for start, length in lengths if not start]

    def candidates(self, texts: Iterable[str]) -> list[int]:
        """The patterns, in order, that may match something of which these texts are the parts."""
        told: set[str] = set()
        for text in texts:
            told.update(_START + text[:length] for length in self._starts)
            for length in self._inside:
                last = len(text) - length
                told.update([_INSIDE + text[at : at + length] for at in range(last + 1)])
        filed = self._filed
        return sorted(chain(self._rest, *(filed[piece] for piece in told if piece in filed)))


_START, _INSIDE = "^", "~"
"""What a piece begins with in an index: whether it is the start of a text, or anywhere in it."""


def _pieces(pattern: Iterable[Glob]) -> list[str]:
    """What a pattern can be filed under, what is found soonest first."""
    globs = tuple(pattern)
    starts = [_START + each.prefix for each in globs if each.prefix]
    return starts + [
        _INSIDE + run[at : at + _PIECE]
        for each in globs
        for run in each.runs
        for at in range(max(1, len(run) - _PIECE + 1))
    ]


class References:
    """A list of patterns of references, of which ``!`` takes back what those before it cover."""

    def __init__(self, patterns: Sequence[str]) -> None:
        """Raises InvalidReference at the first use of a list with a pattern that is none."""
        self.texts = tuple(patterns)

    @cached_property
    def _parsed(self) -> list[Pattern]:
        return [parse_pattern(text.removeprefix("!")) for text in self.texts]

    @cached_property
    def _exact(self) -> dict[_Key, list[int]]:
        """The patterns without any mark, by their name, tag and digest."""
        found: defaultdict[_Key, list[int]] = defaultdict(list)
        for number, pattern in enumerate(self._parsed):
            if (key := _key(pattern)) is not None:
                found[key].append(number)
        return dict(found)

    @cached_property
    def _wild(self) -> tuple[list[int], _Index]:
        numbers = [at for at, each in enumerate(self._parsed) if _key(each) is None]
        return numbers, _Index(_globs(self._parsed[at]) for at in numbers)

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
        if len(self.texts) <= _FEW:
            return [at for at, each in enumerate(self._parsed) if each.matches(reference)]
        tags = (None, reference.tag) if reference.tag else (None,)
        digests = (None, reference.digest) if reference.digest else (None,)
        found = [
            number
            for tag in tags
            for digest in digests
            for number in self._exact.get((reference.name, tag, digest), ())
        ]
        numbers, index = self._wild
        if numbers:
            parts = (*spellings(reference), reference.tag, reference.digest)
            found += [
                numbers[at]
                for at in index.candidates(parts)
                if self._parsed[numbers[at]].matches(reference)
            ]
        return sorted(found)


def decided(matching: Iterable[str]) -> str:
    """What of the patterns that match a reference, in order, covers it; empty where none does."""
    found = ""
    for text in matching:
        excepted = text.startswith("!")
        if bool(found) is excepted:
            found = "" if excepted else text
    return found


def _key(pattern: Pattern) -> _Key | None:
    """Name, tag and digest of a pattern without marks; None for one that has some."""
    if any(each.literal is None for each in _globs(pattern)):
        return None
    name, tag, digest = pattern.names, pattern.tag, pattern.digest
    return name.literal, tag.literal if tag else None, digest.literal if digest else None


def _globs(pattern: Pattern) -> list[Glob]:
    return [each for each in (pattern.names, pattern.tag, pattern.digest) if each is not None]


class Names:
    """A list of patterns of names: ``*`` is any text, ``?`` one character."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self._globs = [of_text(each) for each in patterns]

    @cached_property
    def _index(self) -> tuple[dict[str, list[int]], list[int], _Index]:
        exact: defaultdict[str, list[int]] = defaultdict(list)
        wild = []
        for number, each in enumerate(self._globs):
            if each.literal is None:
                wild.append(number)
            else:
                exact[each.literal].append(number)
        return dict(exact), wild, _Index([self._globs[at]] for at in wild)

    def first(self, name: str) -> int | None:
        """The number of the first pattern that matches a name; None where none does."""
        return min(self.matching(name), default=None)

    def matching(self, name: str) -> list[int]:
        """The numbers of the patterns that match a name, in order."""
        globs = self._globs
        if len(globs) <= _FEW:
            return [at for at, each in enumerate(globs) if each.matches(name)]
        exact, wild, index = self._index
        near = (wild[at] for at in index.candidates((name,))) if wild else ()
        return sorted([*exact.get(name, ()), *(at for at in near if globs[at].matches(name))])


class _Label:
    """A pattern of labels: ``key`` or ``key=value``."""

    def __init__(self, text: str) -> None:
        key, _, value = text.partition("=")
        self.text = text
        self.key = of_text(key)
        self.wanted = value if "=" in text else "*"

    def matches(self, labels: Mapping[str, str]) -> bool:
        value = of_text(self.wanted)
        if self.key.literal is not None:
            told = labels.get(self.key.literal)
            return told is not None and value.matches(told)
        return any(self.key.matches(k) and value.matches(told) for k, told in labels.items())


class Labels:
    """A list of patterns of labels: ``key`` or ``key=value``, both with ``*`` and ``?``."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self._patterns = [_Label(each) for each in patterns]

    @cached_property
    def _values(self) -> dict[str, tuple[list[int], Names]]:
        """The patterns whose key has no marks, by their key, with those of their values."""
        found: defaultdict[str, list[int]] = defaultdict(list)
        for number, each in enumerate(self._patterns):
            if each.key.literal is not None:
                found[each.key.literal].append(number)
        return {
            key: (numbers, Names(self._patterns[at].wanted for at in numbers))
            for key, numbers in found.items()
        }

    @cached_property
    def _keys(self) -> tuple[list[int], _Index]:
        """The patterns whose key has marks."""
        numbers = [at for at, each in enumerate(self._patterns) if each.key.literal is None]
        return numbers, _Index([self._patterns[at].key] for at in numbers)

    def first(self, labels: Mapping[str, str]) -> str:
        """The first pattern that one of the labels matches; empty where none does."""
        number = min(self.matching(labels), default=None)
        return "" if number is None else self._patterns[number].text

    def first_missing(self, labels: Mapping[str, str]) -> str | None:
        """The first pattern that none of the labels matches; None where each one is matched."""
        missing = 0
        for number in self.matching(labels):
            if number != missing:
                break
            missing += 1
        return self._patterns[missing].text if missing < len(self._patterns) else None

    def matching(self, labels: Mapping[str, str]) -> list[int]:
        """The numbers of the patterns that one of the labels matches, in order."""
        patterns = self._patterns
        if len(patterns) <= _FEW:
            return [at for at, each in enumerate(patterns) if each.matches(labels)]
        found = []
        for key, value in labels.items():
            if key in self._values:
                numbers, values = self._values[key]
                found += [numbers[at] for at in values.matching(value)]
        numbers, index = self._keys
        if numbers:
            near = (numbers[at] for at in index.candidates(labels))
            found += [at for at in near if patterns[at].matches(labels)]
        return sorted(found)


class _Ready(Generic[_T]):
    """Lists of patterns made ready to be asked, each once.

    A list that is asked again is known by its identity: to compare tens of thousands of patterns
    for each image would take longer than to match them.
    """

    def __init__(self, make: Callable[[tuple[str, ...]], _T]) -> None:
        self._make = lru_cache(maxsize=1024)(make)
        self._last: dict[int, tuple[Sequence[str], _T]] = {}

    def __call__(self, patterns: Sequence[str]) -> _T:
        last = self._last.get(id(patterns))
        if last is not None and last[0] is patterns:
            return last[1]
        made = self._make(tuple(patterns))
        if isinstance(patterns, tuple):
            if len(self._last) >= 64:
                self._last.clear()
            self._last[id(patterns)] = patterns, made
        return made


references = _Ready(References)
names = _Ready(Names)
labels = _Ready(Labels)


def covers(patterns: Sequence[str], reference: str) -> str:
    """The pattern of a list that covers a reference; empty where none does."""
    parsed = parsed_or_none(reference) if patterns else None
    return "" if parsed is None else references(patterns).covering(parsed)
