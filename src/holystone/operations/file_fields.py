"""The fields of a JSON object that is not trusted: each is checked when it is read."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

_MOST = 1_000_000
_LONGEST_TEXT = 100_000
LARGEST = 10**18
_SHOWN = 60
"""Characters of a value that an error shows."""


class FieldError(ValueError):
    """What is wrong with which field."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"{name}: {problem}")


class Fields:
    """The fields of one object in a file, each read and checked. They raise FieldError."""

    def __init__(self, told: Mapping[str, Any], at: str = "") -> None:
        self.told = told
        self.at = at

    def any(self, name: str, kinds: type | tuple[type, ...], like: str) -> Any:
        """A value of one of these types; ``like`` is what an error says it should be."""
        if name not in self.told:
            raise FieldError(f"{self.at}{name}", "it is missing")
        value = self.told[name]
        if not isinstance(value, kinds):
            raise FieldError(f"{self.at}{name}", f"{shown(value)} is not {like}")
        return value

    def list(self, name: str) -> Sequence[tuple[str, Any]]:
        """Each with its own name."""
        told = self.any(name, list, "a list")
        if len(told) > _MOST:
            raise FieldError(f"{self.at}{name}", f"has more than {_MOST} of them")
        return [(f"{self.at}{name}[{at}]", each) for at, each in enumerate(told)]

    def text(self, name: str, words: Sequence[str] = (), *, empty: bool = False) -> str:
        """A text: one of ``words`` where there are any, or an empty one where that is allowed."""
        text: str = self.any(name, str, "a text")
        problem = "it is empty" if not (text or empty) else ""
        if len(text) > _LONGEST_TEXT:
            problem = "it is too long"
        elif text and words and text not in words:
            problem = f"{shown(text)} is not one of {', '.join(words)}"
        if problem:
            raise FieldError(f"{self.at}{name}", problem)
        return text

    def number(self, name: str, most: float = LARGEST, *, whole: bool = False) -> Any:
        """A number from 0 to ``most``."""
        like = f"a {'whole ' if whole else ''}number from 0 to {most:.17g}"
        value = self.any(name, int if whole else (int, float), like)
        if isinstance(value, bool) or not 0 <= value <= most:
            raise FieldError(f"{self.at}{name}", f"{shown(value)} is not {like}")
        return value

    def whole(self, name: str) -> int:
        """A whole number from 0."""
        return int(self.number(name, whole=True))

    def flag(self, name: str) -> bool:
        """True or false."""
        return bool(self.any(name, bool, "true or false"))


def once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """The object of these fields, for ``json``. Raises FieldError where a field stands twice."""
    made: dict[str, Any] = {}
    for name, value in pairs:
        if name in made:
            raise FieldError(_cut(name), "it stands twice")
        made[name] = value
    return made


def shown(value: Any) -> str:
    """A value as an error shows it, cut where it is long."""
    if isinstance(value, (dict, list)):
        return "an object" if isinstance(value, dict) else "a list"
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "an infinite number"
    if isinstance(value, int) and abs(value) > LARGEST:
        return "a huge number"
    return _cut(json.dumps(value))


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
