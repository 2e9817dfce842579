"""Images meant by a pattern or by the end of their name, and the names closest to a wrong one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from holystone.planner.glob import has_marks
from holystone.planner.inventory import Image
from holystone.planner.reference import InvalidReference, Pattern, Reference, parse, parse_pattern

if TYPE_CHECKING:
    from difflib import SequenceMatcher

_CLOSE = 0.78
"""From this ratio on two names are close: one letter of five may be another one."""
_BEHIND = 0.15
"""What is less close than the best by so much is not what was meant."""
_LONGEST = 200
"""Of a longer word nobody meant another one."""


def meant_in_part(images: Sequence[Image], text: str) -> list[Image]:
    """The images of which ``text`` is a pattern, or else the end of a name.

    ``*node*`` covers every name whose last part contains ``node``. ``team/*`` covers all below
    ``docker.io/team``. Where nothing is there, it covers what is in a folder ``team`` of any
    registry; ``app:1.5`` then means ``registry.example.com/team/app:1.5``.
    """
    names = (name for image in images for name in image.tags + image.digests)
    covers = covering(names, text)
    return [image for image in images if any(map(covers, image.tags + image.digests))]


def covering(names: Iterable[str], text: str) -> Callable[[str], bool]:
    """What tells whether a reference is meant by ``text``, among these names.

    Either it covers some of the names as it stands, or what they end with counts. A pattern
    without a slash means the last part of a name, wherever that is.
    """
    whole, ending = _pattern(text), _pattern(f"**/{text}")
    anywhere = "/" not in text and has_marks(text)
    if whole is not None and anywhere:
        return reference_test(text)
    if whole is not None and has_marks(text) and any(_matches(whole, name) for name in names):
        return lambda name: _matches(whole, name)
    return lambda name: ending is not None and _matches(ending, name)


def reference_test(text: str) -> Callable[[str], bool]:
    """What tells whether ``text`` is a pattern of a reference, or covers the end of its name."""
    patterns = [each for each in (_pattern(text), _pattern(f"**/{text}")) if each is not None]
    return lambda name: any(_matches(pattern, name) for pattern in patterns)


def closest(names: Iterable[str], text: str, most: int = 3) -> list[str]:
    """The names closest to ``text``, closest first; none where nothing is close.

    First those whose last part is the same, then those that contain it, then similar ones.
    """
    wanted = text.lower()
    base, last = _base(wanted), _last(wanted)
    if not base or len(text) > _LONGEST:
        return []
    from difflib import SequenceMatcher

    whole, end, short = (SequenceMatcher(b=each) for each in (wanted, last, base))
    ranked = []
    for name in dict.fromkeys(names):
        lower = name.lower()
        own_base, own_last = _base(lower), _last(lower)
        by_end, by_whole = _ratio(end, own_last), _ratio(whole, lower)
        by_start = _ratio(short, own_base[: len(base)])
        alike = max(by_end, by_whole, _ratio(short, own_base), by_start)
        if own_base == base:
            rank = 0
        elif len(base) > 2 and (base in own_base or own_base in base) and len(own_base) > 2:
            rank = 1
        elif alike:
            rank = 2
        else:
            continue
        ranked.append((rank, -by_end, -by_whole, -alike, name))
    best = max((-alike for *_, alike, _ in ranked), default=0.0)
    kept = [each for each in sorted(ranked) if each[0] < 2 or -each[3] > best - _BEHIND]
    return [name for *_, name in kept[:most]]


def did_you_mean(names: Iterable[str], text: str) -> str:
    """The closest names as a question with a blank before it; empty where nothing is close."""
    found = closest(names, text)
    if not found:
        return ""
    *most, last = found
    return f" Did you mean {', '.join(most)} or {last}?" if most else f" Did you mean {last}?"


def _pattern(text: str) -> Pattern | None:
    try:
        return parse_pattern(text)
    except InvalidReference:
        return None


def _matches(pattern: Pattern, name: str) -> bool:
    reference = _parsed(name)
    return reference is not None and pattern.matches(reference)


def _parsed(text: str) -> Reference | None:
    try:
        return parse(text)
    except InvalidReference:
        return None


def _last(name: str) -> str:
    """The last part of a name, with its tag."""
    return name.rpartition("/")[2]


def _base(name: str) -> str:
    """The last part of a name, without tag and digest."""
    return _last(name.partition("@")[0]).partition(":")[0]


def _ratio(matcher: SequenceMatcher[str], name: str) -> float:
    """How close a name is; 0 where it is not close."""
    matcher.set_seq1(name)
    if matcher.real_quick_ratio() < _CLOSE or matcher.quick_ratio() < _CLOSE:
        return 0.0
    return matcher.ratio()
