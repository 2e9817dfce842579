"""Cutting the texts of a column so that no two of them look alike."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

_SEPARATORS = "/:@-_. "
_WORD = 8
"""Characters that are worth the room they take from the beginning."""


def cut_apart(
    texts: Iterable[str], cut: Callable[[str, int | None], str], tails: Sequence[int]
) -> dict[str, str]:
    """These texts cut so that no two of them look alike; without those that no cut keeps apart.

    ``cut`` cuts a text, with so many columns of its end or, for None, with the usual number;
    ``tails`` are the numbers that may be tried.
    """
    shown: dict[str, str] = {}
    usual = {text: cut(text, None) for text in dict.fromkeys(texts)}
    count = Counter(usual.values())
    shown.update((text, it) for text, it in usual.items() if count[it] == 1 or it == text)
    taken = set(shown.values())
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for text, each in usual.items():
        if text not in shown:
            groups[each].append(text)
    for group in groups.values():
        for tail in tails:
            tried = {text: cut(text, tail) for text in group}
            if _differ(tried, taken):
                whole = {text: cut(text, _to_word(text, tail, max(tails))) for text in group}
                tried = whole if _differ(whole, taken) else tried
                shown |= tried
                taken.update(tried.values())
                break
    return shown


def _differ(tried: Mapping[str, str], taken: set[str]) -> bool:
    """Whether these look different from one another, and from what is taken."""
    return len(set(tried.values())) == len(tried) and taken.isdisjoint(tried.values())


def _to_word(text: str, tail: int, most: int) -> int:
    """So many columns of the end, or up to ``most`` where it then begins with a whole word."""
    before = text[: len(text) - tail]
    at = max(map(before.rfind, _SEPARATORS))
    missing = len(before) - 1 - at
    fits = at >= 0 and missing <= _WORD and tail + missing <= most
    return tail + missing if fits else tail


def pieces(text: str, width: int, start: Callable[[str, int], str]) -> list[str]:
    """The text in pieces of at most this many columns, behind a separator where one is near.

    ``start`` takes as much of a text as fits.
    """
    found = []
    while text:
        piece = start(text, width) or text[0]
        if len(piece) < len(text):
            least = len(piece) * 2 // 3
            at = max((piece.rfind(mark, least) for mark in _SEPARATORS), default=-1)
            piece = piece[: at + 1] if at >= 0 else piece
        found.append(piece)
        text = text[len(piece) :]
    return found
