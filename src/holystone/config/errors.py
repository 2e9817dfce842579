"""The faults of a configuration: all at once, each with its place and the fix."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

_TOLD = 20
"""Errors that a message lists: a file can have one on each of 90,000 lines."""


class Fault(NamedTuple):
    """One thing that is wrong."""

    problem: str
    """What was found, and what to write instead."""
    file: str = ""
    """The path as it was looked for; empty where there is no file."""
    key: str = ""
    """``protect.images[2]``; empty where the whole file is meant."""
    line: int | None = None
    """Counted from 1; None where it cannot be told."""

    def __str__(self) -> str:
        file = self.file if self.file.isprintable() else repr(self.file)
        place = f"{file}:{self.line}" if file and self.line else file
        return ": ".join(part for part in (place, self.key, self.problem) if part)


class ConfigError(Exception):
    """The configuration cannot be used; ``faults`` has everything that is wrong with it."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        told = [str(fault) for fault in self.faults]
        if len(told) > 1:
            head = f"the configuration has {len(told):,} errors:"
            more = len(told) - _TOLD
            listed = [f"  {each}" for each in told[:_TOLD]]
            told = [head, *listed, *([f"  and {more:,} more"] if more > 0 else [])]
        super().__init__("\n".join(told))
