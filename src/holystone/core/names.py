"""Which image of a host somebody means by a reference or an ID, and which references it has."""

from __future__ import annotations

import re

_SHORTENED = 12
"""How many digits of an ID engines show, and people therefore write."""


def complete(text: str) -> str:
    """A reference in full, so that two ways to write it are equal; empty for an ID, or neither.

    Where it has a digest that alone decides what is meant, so a tag beside it is left out.
    """
    from holystone.core.reference import InvalidReference, parse

    if is_id(text):
        return ""
    try:
        full = parse(text).complete
    except InvalidReference:
        return ""
    return str(full._replace(tag="") if full.digest else full)


def is_id(text: str) -> bool:
    """Whether this can only be an image's ID, whole or as engines shorten it."""
    digits = text.removeprefix("sha256:")
    if digits != text:
        return True
    return len(text) in (_SHORTENED, 64) and re.fullmatch("[0-9a-f]+", text) is not None
