"""The uses of one host as a trace that can be replayed: a JSON object a line, in order of time.

    {"kind":"image","id":0,"layers":[["b90f6cfe10d0fad9",10000], …]}     before its first use
    {"kind":"use","time":1795522708,"ref":"node:18-alpine","image":0}

A layer is named by the beginning of its chain ID, and its bytes are those of it unpacked. A use
that had to pull its image says so: ``"pulled":true``. Whatever reads traces can pass over that; it
is there to hold the pulls of a replay against.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from holystone.core.names import familiar
from holystone.ledger import past


class Written(NamedTuple):
    """What a trace has in it. Times are UTC seconds."""

    uses: int = 0
    references: int = 0
    images: int = 0
    first: float | None = None
    last: float | None = None
    pulls: int = 0
    """How many uses had to pull their image."""


def write(database: sqlite3.Connection, engine: str, put: Callable[[str], object]) -> Written:
    """Write all that is known of the uses on an engine, a line at a time.

    Raises LedgerDamagedError, and what ``put`` raises.
    """
    images = past.images(database, engine)
    numbers: dict[int, int] = {}
    references: set[str] = set()
    first = last = None
    uses = pulls = 0
    written = cache(familiar)
    for use in past.uses(database, engine):
        if use.image not in numbers:
            numbers[use.image] = len(numbers)
            layers = images[use.image].layers
            put(_line({"kind": "image", "id": numbers[use.image], "layers": layers}))
        told = {"kind": "use", "time": int(use.at), "ref": written(use.reference)}
        told["image"] = numbers[use.image]
        if use.pulled:
            told["pulled"] = True
        put(_line(told))
        references.add(use.reference)
        first = use.at if first is None else first
        last = use.at
        uses += 1
        pulls += use.pulled
    return Written(uses, len(references), len(numbers), first, last, pulls)


def _line(told: dict[str, object]) -> str:
    return json.dumps(told, separators=(",", ":")) + "\n"
