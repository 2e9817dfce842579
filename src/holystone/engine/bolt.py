"""A bbolt database read beside the process that writes it, without its lock.

containerd keeps its metadata in one such file (go.etcd.io/bbolt, ``page.go`` and ``bucket.go``; the
format is unchanged since Bolt 1.0). A writer never touches a page of the newest state before it
has written the next one's: it works on free pages, and then writes one of two meta pages with the
number of its transaction. So what was read is whole where that number is still the newest
afterwards.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from struct import Struct, error
from typing import NamedTuple

_MAGIC = 0xED0CDAED
_VERSION = 2
_BRANCH, _LEAF = 1, 2
_PAGE = Struct("<QHHI")
"""Its number, its kind, how many elements it has, how many pages follow that belong to it."""
_META = Struct("<4I6Q")
"""Magic, version, page size, flags; root page, its sequence, free list, pages, transaction, sum."""
_BRANCH_ELEMENT = Struct("<IIQ")
"""Where its key is, how long that is, and the page below."""
_LEAF_ELEMENT = Struct("<4I")
"""Whether it is a bucket, where its key is, how long that is, how long the value is."""
_BUCKET = Struct("<QQ")
"""The root page of a bucket, 0 where it stands in the value itself, and its sequence."""


class Unreadable(Exception):
    """It is no bbolt database, or was written to meanwhile."""


class Bucket(NamedTuple):
    """What one bucket holds, read anew with each call."""

    data: mmap.mmap | bytes
    page_size: int
    root: int
    inline: bytes = b""
    """The page of a small bucket, which has none of its own."""

    def items(self) -> Iterator[tuple[bytes, Bucket | bytes]]:
        """Keys in order with their values, or the buckets of that name."""
        if self.root:
            yield from self._below(self.root, {self.root})
        else:
            yield from self._elements(self.inline, 0, set())

    def bucket(self, *path: bytes) -> Bucket:
        """The bucket at the end of this path. Raises Unreadable where there is none."""
        found: Bucket | bytes | None = self
        for name in path:
            if not isinstance(found, Bucket):
                break
            found = next((value for key, value in found.items() if key == name), None)
        if not isinstance(found, Bucket):
            raise Unreadable(f"there is no bucket {b'/'.join(path)!r}")
        return found

    def _below(self, page: int, seen: set[int]) -> Iterator[tuple[bytes, Bucket | bytes]]:
        return self._elements(self.data, page * self.page_size, seen)

    def _elements(
        self, data: mmap.mmap | bytes, start: int, seen: set[int]
    ) -> Iterator[tuple[bytes, Bucket | bytes]]:
        """What stands on the page that begins there, and on those below; ``seen`` are all so far.

        A page that was written to meanwhile may lead anywhere, round and round as well.
        """
        _, kind, count, _ = _PAGE.unpack_from(data, start)
        first = start + _PAGE.size
        if kind == _BRANCH:
            for at in range(first, first + count * _BRANCH_ELEMENT.size, _BRANCH_ELEMENT.size):
                page = _BRANCH_ELEMENT.unpack_from(data, at)[2]
                if page in seen:
                    raise Unreadable(f"page {page} stands below itself")
                seen.add(page)
                yield from self._below(page, seen)
        elif kind == _LEAF:
            for at in range(first, first + count * _LEAF_ELEMENT.size, _LEAF_ELEMENT.size):
                is_bucket, key_at, key_size, size = _LEAF_ELEMENT.unpack_from(data, at)
                value_at = at + key_at + key_size
                key = bytes(data[at + key_at : value_at])
                value = bytes(data[value_at : value_at + size])
                yield key, self._nested(value) if is_bucket else value
        else:
            raise Unreadable(f"a page is of kind {kind}")

    def _nested(self, value: bytes) -> Bucket:
        root, _ = _BUCKET.unpack_from(value)
        return Bucket(self.data, self.page_size, root, value[_BUCKET.size :])


@contextmanager
def reading(path: str) -> Iterator[Bucket]:
    """The top bucket, to be read whole inside. Raises OSError, Unreadable.

    Unreadable comes at the end where the file was written to meanwhile; what was read then is void.
    """
    with open(path, "rb") as file:
        try:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError:
            raise Unreadable("it is empty") from None
        with data:
            try:
                transaction, page_size, root = _newest(file.fileno())
                yield Bucket(data, page_size, root)
                if _newest(file.fileno())[0] != transaction:
                    raise Unreadable("it was written to meanwhile")
            except (error, RecursionError) as fault:
                raise Unreadable(str(fault)) from None


def _newest(file: int) -> tuple[int, int, int]:
    """Transaction, page size and root page of the newest state. Raises Unreadable."""
    found = []
    for start in (0, mmap.PAGESIZE):
        raw = os.pread(file, _PAGE.size + _META.size, start)
        if len(raw) < _PAGE.size + _META.size:
            continue
        meta = raw[_PAGE.size :]
        magic, version, page_size, _, root, _, _, _, transaction, checksum = _META.unpack(meta)
        # A meta page that is being written has a sum that is not its own.
        whole = (magic, version) == (_MAGIC, _VERSION) and checksum == _sum(meta[:-8])
        # Made where pages have another size, it has its second meta page somewhere else.
        if whole and page_size == mmap.PAGESIZE:
            found.append((transaction, page_size, root))
    if not found:
        raise Unreadable("it has no valid meta page")
    return max(found)


def _sum(data: bytes) -> int:
    """FNV-1a, 64 bits."""
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return value
