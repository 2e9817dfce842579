"""What was meant by a word that is none of those known."""

from __future__ import annotations

from collections.abc import Iterable

_CLOSE = 0.66
"""Two letters of three may have changed places: ``--fro`` is close to ``--for``."""
_LEAST = 3
"""Letters from which on the beginning of a word means it."""


def nearest(word: str, known: Iterable[str], most: int) -> list[str]:
    """The known words closest to this one, closest first; none where nothing is close.

    The dashes of options say nothing: all of them have these.
    """
    from difflib import get_close_matches

    wanted = word[:100].lstrip("-").lower()
    bare = {each.lstrip("-"): each for each in known}
    begun = [each for each in bare if len(wanted) >= _LEAST and each.startswith(wanted)]
    near = get_close_matches(wanted, list(bare), most, _CLOSE)
    return [bare[each] for each in dict.fromkeys([*near, *begun])][:most]
