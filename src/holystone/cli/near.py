"""What was meant by a word that is none of those known."""

from __future__ import annotations

from collections.abc import Iterable


def nearest(word: str, known: Iterable[str], most: int) -> list[str]:
    """The known words closest to this one, closest first; none where nothing is close."""
    from difflib import get_close_matches

    return get_close_matches(word[:100], list(known), most)
