"""Text to and from an engine: JSON whose strings are Unicode, and paths that are one word."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import quote

_HALF = re.compile(rb"\\u[dD][89a-fA-F]|\xed[\xa0-\xbf]")
_PLAIN = re.compile(r"[!-~]*")
_KEPT = "".join(map(chr, range(0x21, 0x7F)))


def read_json(data: bytes) -> Any:
    """What JSON says, with ``?`` for half of a surrogate pair: nothing can store or send one.

    Raises ValueError and RecursionError.
    """
    told = json.loads(data)
    if _HALF.search(data):
        whole = json.dumps(told, ensure_ascii=False).encode("utf-8", "replace")
        told = json.loads(whole)
    return told


def one_word(path: str) -> str:
    """A path in which an ID, which is the engine's own, can end neither the path nor the line."""
    if _PLAIN.fullmatch(path):
        return path
    return quote(path, safe=_KEPT, errors="replace")
