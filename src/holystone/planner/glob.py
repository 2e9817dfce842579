"""Match patterns with ``*`` and ``?`` in a time of at most text length times pattern length.

A regular expression with several ``*`` tries every way to divide a text between them. Here a
pattern whose stars all match any text is matched part by part, each part at the first place where
it fits. That is correct because a later star matches the rest. If a pattern has ``?``, or stars
that stay inside one part of a path, all its possible places are followed at once, as the bits of a
number.
"""

from __future__ import annotations

from functools import lru_cache

_SLASH = "/"


class Glob:
    """One pattern. See ``of_text`` and ``of_path`` for what its marks stand for."""

    __slots__ = (
        "_chunks", "_inner", "_least", "_machine", "_suffix", "literal", "prefix", "runs", "text",
    )  # fmt: skip

    def __init__(self, text: str, tokens: tuple[str, ...]) -> None:
        """``tokens`` are literal texts behind a ``=``, and the marks ``*``, ``**``, ``?``, ``??``.

        The single marks do not match a slash, the doubled ones match any character.
        """
        self.text = text
        self.runs = tuple(each[1:] for each in tokens if each not in _MARKS)
        """The literal texts in it: all of them are in every text that matches."""
        self.literal = "".join(self.runs) if len(self.runs) == len(tokens) else None
        """The one text that it matches; None where it has marks."""
        self.prefix = self.runs[0] if tokens and tokens[0] not in _MARKS else ""
        """How every text starts that it matches."""
        self._suffix = self.runs[-1] if tokens and tokens[-1] not in _MARKS else ""
        self._least = sum(map(len, self.runs)) + sum(each in _ONE for each in tokens)
        self._inner = tokens[bool(self.prefix) : len(tokens) - bool(self._suffix)]
        marks = {each for each in self._inner if each in _MARKS}
        self._chunks = tuple(e[1:] for e in self._inner if e != "**") if marks <= {"**"} else None
        self._machine: _Machine | None = None

    def matches(self, text: str) -> bool:
        """True where the whole text is as the pattern says."""
        if self.literal is not None:
            return text == self.literal
        if len(text) < self._least or not text.startswith(self.prefix):
            return False
        if not text.endswith(self._suffix):
            return False
        at, end = len(self.prefix), len(text) - len(self._suffix)
        if self._chunks is None:
            if self._machine is None:
                self._machine = _Machine(self._inner)
            return self._machine.matches(text, at, end)
        for chunk in self._chunks:
            at = text.find(chunk, at, end)
            if at < 0:
                return False
            at += len(chunk)
        return True


_ONE = ("?", "??")
_MANY = ("*", "**")
_MARKS = (*_ONE, *_MANY)


class _Machine:
    """Follows all places at once that a text can have brought a pattern to.

    Bit ``n`` is set where the first ``n`` characters and ``?`` of the pattern are matched.
    """

    __slots__ = ("_any", "_ends", "_inside", "_of", "_one", "_one_inside")

    def __init__(self, tokens: tuple[str, ...]) -> None:
        self._of: dict[str, int] = {}
        """For a character, the places from which it leads on."""
        self._one = self._one_inside = 0
        """The places from which any character leads on, and any but a slash."""
        self._any = self._inside = 0
        """The places at which any text may stand, and any without a slash."""
        bit = 1
        for each in tokens:
            if each == "**":
                self._any |= bit
            elif each == "*":
                self._inside |= bit
            elif each == "??":
                self._one |= bit
                bit <<= 1
            elif each == "?":
                self._one_inside |= bit
                bit <<= 1
            else:
                for char in each[1:]:
                    self._of[char] = self._of.get(char, 0) | bit
                    bit <<= 1
        self._ends = bit

    def matches(self, text: str, start: int, end: int) -> bool:
        """True where this stretch of the text is as the pattern says."""
        places, of = 1, self._of
        at_slash = (self._one, self._any)
        elsewhere = (self._one | self._one_inside, self._any | self._inside)
        for at in range(start, end):
            char = text[at]
            one, stay = at_slash if char == _SLASH else elsewhere
            places = (places & (one | of.get(char, 0))) << 1 | places & stay
            if not places:
                return False
        return bool(places & self._ends)


@lru_cache(maxsize=65_536)
def of_text(text: str) -> Glob:
    """A pattern of texts: ``*`` is any text, also none, ``?`` one character, also a slash."""
    return Glob(text, _tokens(text, {"*": "**", "**": "**", "?": "??"}))


@lru_cache(maxsize=65_536)
def of_path(text: str) -> Glob:
    """A pattern of names with parts between slashes.

    ``*`` and ``?`` stay inside one part; ``**`` and a closing ``/*`` go below. ``*`` alone is any.
    """
    if text == "*":
        return Glob(text, ("**",))
    below = text.endswith("/*")
    tokens = _tokens(text.removesuffix("/*") if below else text, {each: each for each in _MARKS})
    if not below:
        return Glob(text, tokens)
    last = tokens[-1] if tokens and tokens[-1] not in _MARKS else ""
    return Glob(text, (*tokens[: len(tokens) - bool(last)], (last or "=") + _SLASH, "??", "**"))


def has_marks(text: str) -> bool:
    """Whether a text is a pattern of more than itself."""
    return "*" in text or "?" in text


def _tokens(text: str, meanings: dict[str, str]) -> tuple[str, ...]:
    """The text as the tokens of a ``Glob``: a literal one begins with ``=``."""
    found: list[str] = []
    for at, piece in enumerate(text.split("*")):
        if at:
            # Between two stars there is an empty piece: "**".
            if found and found[-1] in _MANY:
                found[-1] = meanings["**"]
            else:
                found.append(meanings["*"])
        for place, literal in enumerate(piece.split("?")):
            if place:
                found.append(meanings["?"])
            if literal:
                found.append("=" + literal)
    return tuple(found)
