"""What a walk over a file system adds up: heaps of bytes, and how folders are cut into these."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import NamedTuple

BLOCK = 512
"""Bytes of a block in ``st_blocks``."""


class Cut(NamedTuple):
    """How what is in a folder is put into heaps. What is not named counts with the folder."""

    names: Mapping[str, Cut] = {}
    """Files and folders that are a heap of their own, each with how its own content is cut."""
    each: Cut | None = None
    """How every other folder is cut, if these are heaps of their own."""
    files: bool = False
    """Whether every file in it is a heap of its own."""


class File(NamedTuple):
    """One file of a heap."""

    size: int = 0
    """Bytes on the disk."""
    apparent: int = 0
    """Its length in bytes."""
    path: str = ""
    """Relative to the top of the walk."""

    @property
    def hole(self) -> int:
        """Bytes of its length that are not on the disk."""
        return self.apparent - self.size


class Heap(NamedTuple):
    """What lies in one folder, or is one file."""

    size: int = 0
    """Bytes on the disk."""
    apparent: int = 0
    """Bytes by the lengths of the files. Folders count with 0."""
    files: int = 0
    """How many files and folders."""
    modified: float = 0.0
    """When the folder or file itself was last changed, UTC seconds."""
    largest: File = File()
    """The file that takes the most of the disk; of the empty path where none takes any."""
    sparsest: File = File()
    """The file whose length exceeds what it takes by the most; of the empty path for none."""
    linked: int = 0
    """Bytes of files that have another name outside the folders that come ``first``."""

    def below(self, top: str) -> Heap:
        """The heap with absolute paths of its files, of a walk from this top."""
        largest, sparsest = (
            file._replace(path=os.path.join(top, file.path)) if file.path else file
            for file in (self.largest, self.sparsest)
        )
        return self._replace(largest=largest, sparsest=sparsest)


class Walked(NamedTuple):
    """What a walk found. Paths are relative to its top, which is the empty one."""

    heaps: Mapping[str, Heap]
    unreadable: tuple[str, ...]
    """Folders that could not be read, each with the reason; only the first hundred."""
    unreadable_count: int
    mounts: tuple[str, ...]
    """Where another file system is mounted, or a folder of this one. These were left out."""


def remarkable(pairs: Iterable[tuple[File, File]]) -> tuple[File, File]:
    """The largest and the sparsest file of several such pairs."""
    largest = sparsest = File()
    for large, sparse in pairs:
        largest = max(largest, large, key=lambda file: (file.size, file.path))
        sparsest = max(sparsest, sparse, key=lambda file: (file.hole, file.path))
    return largest, sparsest
