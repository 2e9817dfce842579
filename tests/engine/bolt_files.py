"""Writes bolt databases, as containerd has them, for tests of what reads them."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Union

from holystone.engine.storage.bolt import _fnv

PAGE = 4096
Tree = Mapping[str, Union[bytes, "Tree"]]


class _Pages:
    """The pages of a database, from the third on."""

    def __init__(self) -> None:
        self.data: list[bytes] = []

    def add(self, flags: int, count: int, body: bytes) -> int:
        """Write a page, with as many more behind it as it takes; its number."""
        number = 2 + sum(len(page) for page in self.data) // PAGE
        more = (16 + len(body) - 1) // PAGE
        page = struct.pack("<QHHI", number, flags, count, more) + body
        self.data.append(page.ljust(PAGE * (1 + more), b"\0"))
        return number

    def bucket(self, tree: Tree, *, branches: bool) -> int:
        """Write a bucket; the number of its root."""
        items = sorted((name.encode(), value) for name, value in tree.items())
        entries = [(name, *self._value(value, branches=branches)) for name, value in items]
        if not branches or len(entries) < 2:
            return self.add(2, len(entries), leaf(entries))
        inner = [(entry[0], self.add(2, 1, leaf([entry]))) for entry in entries]
        heads, keys = b"", b""
        for place, (name, number) in enumerate(inner):
            start = 16 * (len(inner) - place) + len(keys)
            heads += struct.pack("<IIQ", start, len(name), number)
            keys += name
        return self.add(1, len(inner), heads + keys)

    def _value(self, value: bytes | Tree, *, branches: bool) -> tuple[bytes, int]:
        if isinstance(value, bytes):
            return value, 0
        plain = {name: each for name, each in value.items() if isinstance(each, bytes)}
        if len(plain) == len(value) and len(value) < 5:
            entries = [(name.encode(), plain[name], 0) for name in sorted(plain)]
            page = struct.pack("<QHHI", 0, 2, len(entries), 0) + leaf(entries)
            return struct.pack("<QQ", 0, 0) + page, 1
        return struct.pack("<QQ", self.bucket(value, branches=branches), 0), 1


def leaf(entries: list[tuple[bytes, bytes, int]]) -> bytes:
    """The body of a page of names, values, and whether each is a bucket."""
    heads, body = b"", b""
    for place, (name, value, flags) in enumerate(entries):
        start = 16 * (len(entries) - place) + len(body)
        heads += struct.pack("<IIII", flags, start, len(name), len(value))
        body += name + value
    return heads + body


def meta(number: int, root: int, transaction: int) -> bytes:
    """A meta page."""
    told = struct.pack("<IIIIQQQQQ", 0xED0CDAED, 2, PAGE, 0, root, 0, 0, 0, transaction)
    page = struct.pack("<QHHI", number, 4, 0, 0) + told + struct.pack("<Q", _fnv(told))
    return page.ljust(PAGE, b"\0")


def write_bolt(path: Path, tree: Tree, *, branches: bool = False) -> None:
    """A database with this content. ``branches``: each entry has a page of its own."""
    pages = _Pages()
    old = pages.bucket({"old": b"state"}, branches=False)
    root = pages.bucket(tree, branches=branches)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(meta(0, old, 6) + meta(1, root, 7) + b"".join(pages.data))
