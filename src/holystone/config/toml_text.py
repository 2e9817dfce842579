"""TOML from files that come with a checkout, read in a time that its length bounds.

The time that ``tomllib`` takes grows with the square of the parts of one key: 100 kB of ``a.a.a.``
never end. No key that means anything has so many, so such a text is refused before it is read.
"""

from __future__ import annotations

import re
import tomllib
from typing import Any

MOST_PARTS = 50
"""Parts of one key. The deepest key of ``holystone.toml`` has three."""

# A string that is not closed ends where the line or the text does: the reader finds that.
_TOKEN = re.compile(
    r"""
      (?P<text>
          \"{3} (?: [^\\"] | \\. | "(?!"") )*+ (?: \"{3,5} )?
        | '{3} (?: [^'] | '(?!'') )*+ (?: '{3,5} )?
        | " (?: [^"\\\n] | \\[^\n] )*+ "?
        | ' [^'\n]*+ '?
        | [A-Za-z0-9_+-]++
      )
    | (?P<dot> \. )
    | (?P<blank> [ \t]++ )
    | (?P<comment> \#[^\n]*+ )
    | (?P<other> [^A-Za-z0-9_+\-."'\# \t]++ )
    """,
    re.DOTALL | re.VERBOSE,
)


def loads(text: str) -> dict[str, Any]:
    """The tables of a text. Raises ValueError with the line, RecursionError."""
    if text.count(".") >= MOST_PARTS:
        _check(text)
    return tomllib.loads(text)


def _check(text: str) -> None:
    dots = 0
    for token in _TOKEN.finditer(text):
        if token.lastgroup == "dot":
            dots += 1
            if dots >= MOST_PARTS:
                line = text.count("\n", 0, token.start()) + 1
                column = token.start() - text.rfind("\n", 0, token.start())
                raise ValueError(
                    f"a key has more than {MOST_PARTS} parts with dots between (at line {line}, "
                    f"column {column})"
                )
        elif token.lastgroup in ("comment", "other"):
            dots = 0
