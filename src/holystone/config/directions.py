"""Which of two values of a key protects more: what a file in the current folder may ask for.

Such a file comes with a checkout, so it is not trusted. ``Direction.of`` gets its value and the
owner's value, and returns the one that counts: never a value that removes more than the owner's.
Every key has a direction (``keys.Key``), so none can be added without this decision.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple


class Direction(NamedTuple):
    """What protects more, of the values of one key."""

    name: str
    """As the documentation says what a file in the current folder can do."""
    of: Callable[[Any, Any], Any]
    """The value that counts, of the one asked for and the owner's (or the default)."""
    why: str = "it would let more go"
    """Why a value without effect has none."""


def _every(asked: Sequence[Any], owners: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(dict.fromkeys((*owners, *asked)))


def _fewer(asked: Sequence[Any], owners: Sequence[Any]) -> Sequence[Any]:
    return asked if set(asked) <= set(owners) else owners


def _only_these(asked: Sequence[Any], owners: Sequence[Any]) -> Sequence[Any]:
    """An empty list means any, so that it is the one that lets most go."""
    return asked if asked and (not owners or set(asked) <= set(owners)) else owners


def _larger(asked: Any, owners: Any) -> Any:
    return owners if asked is None else asked if owners is None else max(asked, owners)


def _smaller(asked: Any, owners: Any) -> Any:
    return owners if asked is None else asked if owners is None else min(asked, owners)


def _longer(asked: float | None, owners: float | None) -> float | None:
    return None if asked is None or owners is None else max(asked, owners)


def _budget(asked: float, owners: float) -> int | float:
    """Bytes and a share can be told apart only on a disk: ``settings`` lets both count there."""
    return max(asked, owners) if isinstance(asked, int) == isinstance(owners, int) else owners


EVERY = Direction("add entries", _every)
FEWER = Direction("take entries out", _fewer)
ONLY_THESE = Direction("name fewer", _only_these)
LARGER = Direction("raise it", _larger)
"""Where nothing is set, nothing is protected by it."""
SMALLER = Direction("lower it", _smaller)
LONGER = Direction("lengthen it", _longer)
"""Where nothing is set, nothing goes by it: ``never``."""
MORE_ON_DISK = Direction("raise it", _budget)
TRUE = Direction("set it to true", lambda asked, owners: asked or owners)
FALSE = Direction("set it to false", lambda asked, owners: asked and owners)
ANY = Direction("set it", lambda asked, _: asked)
"""What lets nothing go by itself: the name of a rule."""
OWNER = Direction("nothing", lambda _, owners: owners, "only the owner of the host says that")
"""What is no protection: when a clean is due, how it ends, when and how fast images are pulled.

And what keeps one object and lets another go instead. A yes of a registry lets an image go that
stays unchecked where no registry is asked; without the yes others stay. Cache mounts that stay
take their bytes from the budget of the other records.
"""


def first_of(*words: str) -> Direction:
    """Of some words, given from the one that protects most to the one that protects least."""
    said = f"choose an earlier one of {', '.join(words)}"
    return Direction(said, lambda asked, owners: min(asked, owners, key=words.index))
