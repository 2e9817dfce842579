"""Read a bolt database, which containerd and its snapshotters keep their records in.

The file is a tree of pages (go.etcd.io/bbolt, ``page.go`` and ``meta.go``; little endian). Its
owner never changes a page in place: it writes new ones, then one of the two meta pages. So the
pages of the newest meta page are whole as long as that is still the newest after they were read.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from typing import NamedTuple

_MAGIC = 0xED0CDAED
_VERSION = 2
_META = struct.Struct("<IIIIQQQQQQ")
_PAGE = struct.Struct("<QHHI")
_LEAF = struct.Struct("<IIII")
_BRANCH = struct.Struct("<IIQ")
_BUCKET = struct.Struct("<QQ")
_IS_BRANCH, _IS_LEAF = 1, 2
_LARGEST = 1 << 30
_TRIES = 5
_DEEPEST = 40
_SIZES = (4096, 8192, 16384, 65536)
"""The size of a page is that of the machine's memory pages."""


class NotBolt(Exception):
    """The file is no bolt database that can be read; the message says why."""


class _Meta(NamedTuple):
    page_size: int
    root: int
    transaction: int


class Bucket:
    """A bucket: names of bytes, each with a value or a bucket. Reading it may raise NotBolt."""

    def __init__(self, data: bytes, page_size: int, root: int, inline: bytes = b"") -> None:
        self._data = data
        self._page_size = page_size
        self._root = root
        self._inline = inline

    def items(self) -> Iterator[tuple[bytes, bytes | Bucket]]:
        """What is in it, in the order of the names."""
        pages = [(self._inline, 0, _DEEPEST)] if not self._root else [self._page(self._root)]
        seen = 0
        while pages:
            page, _, depth = pages.pop()
            seen += len(page)
            if depth <= 0 or seen > 2 * _LARGEST:
                raise NotBolt("its pages run in a circle")
            try:
                _, flags, count, _ = _PAGE.unpack_from(page)
                if flags & _IS_LEAF:
                    yield from self._leaf(page, count)
                elif flags & _IS_BRANCH:
                    inner = [_BRANCH.unpack_from(page, 16 + 16 * at)[2] for at in range(count)]
                    pages += [self._page(number, depth - 1) for number in reversed(inner)]
                else:
                    raise NotBolt("a page of it is of no known kind")
            except struct.error:
                raise NotBolt("a page of it is cut off") from None

    def buckets(self) -> Iterator[tuple[str, Bucket]]:
        """The buckets in it."""
        for name, value in self.items():
            if isinstance(value, Bucket):
                yield name.decode("utf-8", "replace"), value

    def values(self) -> dict[str, bytes]:
        """The values in it that are no buckets."""
        return {
            name.decode("utf-8", "replace"): value
            for name, value in self.items()
            if isinstance(value, bytes)
        }

    def bucket(self, *path: str) -> Bucket | None:
        """The bucket at a path of names; None where there is none."""
        found: Bucket = self
        for name in path:
            inner = dict(found.buckets()).get(name)
            if inner is None:
                return None
            found = inner
        return found

    def _page(self, number: int, depth: int = _DEEPEST) -> tuple[bytes, int, int]:
        start = number * self._page_size
        header = self._data[start : start + 16]
        if len(header) < 16:
            raise NotBolt("a page of it is missing")
        size = self._page_size * (1 + _PAGE.unpack(header)[3])
        return self._data[start : start + size], number, depth

    def _leaf(self, page: bytes, count: int) -> Iterator[tuple[bytes, bytes | Bucket]]:
        for at in range(16, 16 + 16 * count, 16):
            flags, start, key_size, value_size = _LEAF.unpack_from(page, at)
            key = page[at + start : at + start + key_size]
            value = page[at + start + key_size : at + start + key_size + value_size]
            if len(key) < key_size or len(value) < value_size:
                raise NotBolt("an entry of it is cut off")
            if flags & 1:
                root, _ = _BUCKET.unpack_from(value)
                yield key, Bucket(self._data, self._page_size, root, value[16:])
            else:
                yield key, value


def read_bolt(path: str) -> Bucket:
    """The root of a database as it was at one moment. Raises OSError, NotBolt."""
    for _ in range(_TRIES):
        with open(path, "rb") as file:
            if os.fstat(file.fileno()).st_size > _LARGEST:
                raise NotBolt("it is larger than 1 GiB")
            meta = _newest(file.read(2 * _SIZES[-1]))
            file.seek(0)
            data = file.read(_LARGEST)
            file.seek(0)
            if _newest(file.read(2 * _SIZES[-1])) == meta == _newest(data):
                return Bucket(data, meta.page_size, meta.root)
    raise NotBolt("it changes faster than it can be read")


def _newest(data: bytes) -> _Meta:
    """The meta page that counts. Raises NotBolt where there is none."""
    found = []
    for at in (0, *_SIZES):
        try:
            magic, version, page_size, _, root, _, _, _, transaction, checksum = _META.unpack_from(
                data, at + 16
            )
        except struct.error:
            break
        told = data[at + 16 : at + 16 + _META.size - 8]
        if (magic, version) != (_MAGIC, _VERSION) or checksum != _fnv(told):
            continue
        if page_size in _SIZES and at in (0, page_size):
            found.append(_Meta(page_size, root, transaction))
    if not found:
        raise NotBolt("it has no valid meta page")
    return max(found, key=lambda meta: meta.transaction)


def _fnv(data: bytes) -> int:
    """FNV-1a, 64 bits."""
    value = 0xCBF29CE484222325
    for byte in data:
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return value
