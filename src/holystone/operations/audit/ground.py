"""What every store's account stands on: the heaps of one folder, and what the engine tells."""

from __future__ import annotations

import os
from typing import NamedTuple

from holystone.operations.audit.facts import YOUNG, Facts
from holystone.operations.audit.pile import Pile, join
from holystone.operations.audit.record import Entry, Kind, Safety
from holystone.outside.heaps import Heap
from holystone.planner.units import format_size

LOST = "lost+found"
"""The folder that a file system makes at its top: no part of the engine's data."""


class Ground(NamedTuple):
    """A folder of the engine's whose heaps are to be named."""

    pile: Pile
    top: str
    """The absolute path of what was walked."""
    base: str
    """The path of the folder below that; empty where it is the top itself."""
    facts: Facts

    def at(self, *names: str) -> str:
        """A path in the folder, as the pile has it."""
        path = self.base
        for name in names:
            path = join(path, name)
        return path

    def names(self, *names: str) -> list[str]:
        """The names of what is in a folder of it."""
        return [name for name in self.pile.names(self.at(*names)) if name != LOST]

    def path(self, relative: str) -> str:
        """The absolute path of a heap."""
        return os.path.join(self.top, relative)

    def entry(
        self,
        kind: Kind,
        name: str,
        heap: Heap,
        relative: str = "",
        *,
        identifier: str = "",
        holders: tuple[str, ...] = (),
        evidence: str = "",
        frees: str = "",
        safety: Safety | None = None,
        limited: bool | None = None,
    ) -> Entry:
        """An entry of these bytes, which lie at a path of the pile."""
        if heap.linked:
            also = f"{format_size(heap.linked)} of it is also linked from outside the engine's data"
            evidence = "; ".join(filter(None, (evidence, f"{also}, and stays until both are gone")))
        return Entry(
            kind,
            name,
            heap.size,
            heap.apparent,
            heap.files,
            self.path(relative) if relative else "",
            identifier,
            holders,
            evidence,
            frees,
            safety,
            limited,
            sparse=heap.sparsest,
        )

    def stray(self, name: str, heap: Heap, relative: str, evidence: str) -> Entry:
        """An entry of what no record names: dark, unless it is too new or has gone."""
        if self.facts.age(heap.modified) < YOUNG:
            why = "made within the last minute: may be of an object that is being made"
            return self.entry(Kind.UNKNOWN, name, heap, relative, evidence=why)
        if not os.path.lexists(self.path(relative)):
            why = "removed while the disk was read"
            return self.entry(Kind.UNKNOWN, name, heap, evidence=why)
        return self.entry(Kind.ORPHAN, name, heap, relative, evidence=evidence)


def modified(path: str) -> float:
    """When a file or folder was last changed, UTC seconds; 0 where that cannot be told."""
    try:
        return os.stat(path, follow_symlinks=False).st_mtime
    except OSError:
        return 0.0
