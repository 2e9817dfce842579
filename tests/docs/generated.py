"""Parts of the documentation that ``make examples`` writes below a heading."""

from __future__ import annotations

import sys
from collections.abc import Callable

from tests.docs.tracked import ROOT


def below(text: str, heading: str, content: str) -> str:
    """The document with this content below the heading, in place of what is there."""
    before, found, _ = text.partition(f"{heading}\n")
    return before + found + content


def bring_up_to_date(document: str, rewritten: Callable[[str], str]) -> None:
    """Write a document anew where it is not as it should be, and say so."""
    path = ROOT / document
    text = path.read_text(encoding="utf-8")
    if rewritten(text) != text:
        path.write_text(rewritten(text), encoding="utf-8")
        sys.stdout.write(f"rewritten: {document}\n")
