"""Read an exported image as a stream: the parts of its tar, and the SHA-256 of each.

No layer is ever held in memory or on the disk. What is compressed with gzip is unpacked on the
way, for a diff ID is the digest of the unpacked layer; zstd is not in Python's standard library.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import posixpath
import tarfile
import zlib
from collections.abc import Callable, Iterator
from typing import IO, Any, NamedTuple, cast

_PIECE = 1 << 18
_LARGEST_DOCUMENT = 1 << 22
"""Bytes; a manifest or a config that is larger is no image's."""
_TAIL = 1 << 13
_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"


class Part(NamedTuple):
    """One file of an archive."""

    size: int
    digest: str
    """``sha256:…`` of the file as it is."""
    unpacked: str
    """``sha256:…`` of what is in it; empty where that was not to be had."""
    trouble: str = ""
    """Why it was not."""


class Archive(NamedTuple):
    """What an export had in it."""

    parts: dict[str, Part]
    documents: dict[str, Any]
    """The JSON files, by name."""
    links: dict[str, str]
    """Files that stand for others, which they name."""
    fault: str = ""
    """Why the archive ended before it was complete, as the engine says it if it does."""

    def part(self, name: str) -> Part | None:
        """The file of this name, or the one a link of this name stands for."""
        return self.parts.get(self._meant(name))

    def document(self, name: str) -> Any:
        """The JSON file of this name; None where there is none."""
        return self.documents.get(self._meant(name))

    def _meant(self, name: str) -> str:
        name = posixpath.normpath(name)
        return self.links.get(name, name)


def read_archive(pieces: Iterator[bytes], moved: Callable[[int], None]) -> Archive:
    """Read an archive to its end. ``moved`` is called with the count of bytes as they come.

    A broken archive is no error but a ``fault``; what came before it is in the answer. What the
    pieces raise goes through.
    """
    stream = _Stream(pieces, moved)
    archive = Archive({}, {}, {})
    fault = ""
    try:
        # A stream for tarfile: it is read once, without seeks.
        with tarfile.open(fileobj=cast("IO[bytes]", stream), mode="r|", bufsize=_PIECE) as tar:
            while (member := tar.next()) is not None:
                name = posixpath.normpath(member.name)
                if member.issym():
                    target = posixpath.join(posixpath.dirname(name), member.linkname)
                    archive.links[name] = posixpath.normpath(target)
                elif member.islnk():
                    archive.links[name] = posixpath.normpath(member.linkname)
                elif member.isreg() and (file := tar.extractfile(member)) is not None:
                    with file:
                        archive.parts[name] = _digest(file, member.size, archive.documents, name)
    except (tarfile.TarError, EOFError) as error:
        fault = f"the archive is broken: {error}"
    while stream.read(_PIECE):
        pass
    # tarfile takes garbage after a file for the end, which is two blocks of zeros.
    if stream.tail[-1024:].strip(b"\0") or len(stream.tail) < 1024:
        fault = fault or "the archive ends in the middle"
        fault = _engine_words(bytes(stream.tail)) or fault
    return archive._replace(fault=fault)


def _digest(file: IO[bytes], size: int, documents: dict[str, Any], name: str) -> Part:
    """Read a file to its end and keep it only where it is JSON."""
    whole = hashlib.sha256()
    first = piece = file.read(_PIECE)
    document = size <= _LARGEST_DOCUMENT and first[:1] in (b"{", b"[")
    kept = [first] if document else []
    inner = _Unpacking() if first.startswith(_GZIP) else None
    while piece:
        whole.update(piece)
        if inner is not None:
            inner.update(piece)
        piece = file.read(_PIECE)
        if document:
            kept.append(piece)
    if document:
        # A garbled one is reported as missing by the check that needs it.
        with contextlib.suppress(ValueError, RecursionError):
            documents[name] = json.loads(b"".join(kept))
    digest = f"sha256:{whole.hexdigest()}"
    if inner is not None:
        return Part(size, digest, *inner.end())
    if first.startswith(_ZSTD):
        return Part(size, digest, "", "it is compressed with zstd, which holystone cannot unpack")
    return Part(size, digest, digest)


class _Unpacking:
    """The digest of what is in a gzip file, of one or several members, as that comes."""

    def __init__(self) -> None:
        self.hash = hashlib.sha256()
        self.member = zlib.decompressobj(wbits=31)
        self.trouble = ""

    def update(self, data: bytes) -> None:
        """Take the next piece; unpacks a little at a time, for little may become much."""
        while data and not self.trouble:
            try:
                self.hash.update(self.member.decompress(data, _PIECE))
            except zlib.error as error:
                self.trouble = f"it cannot be unpacked: {error}"
                return
            data = self.member.unconsumed_tail
            if self.member.eof:
                data = self.member.unused_data
                if data.strip(b"\0"):
                    self.member = zlib.decompressobj(wbits=31)
                else:
                    return

    def end(self) -> tuple[str, str]:
        """The digest, or nothing and why."""
        if not self.trouble:
            self.hash.update(self.member.flush())
        if not self.trouble and not self.member.eof:
            self.trouble = "it cannot be unpacked: it ends in the middle"
        return ("", self.trouble) if self.trouble else (f"sha256:{self.hash.hexdigest()}", "")


class _Stream:
    """Pieces as a file to read from, with the last of what was read."""

    def __init__(self, pieces: Iterator[bytes], moved: Callable[[int], None]) -> None:
        self.pieces = pieces
        self.moved = moved
        self.held = b""
        self.tail = bytearray()

    def read(self, size: int) -> bytes:
        """At most so many bytes; none at the end."""
        if not self.held:
            self.held = next(self.pieces, b"")
            self.moved(len(self.held))
            self.tail += self.held
            del self.tail[:-_TAIL]
        taken, self.held = self.held[:size], self.held[size:]
        return taken


def _engine_words(tail: bytes) -> str:
    """What Docker appends to an archive it cannot go on with, where it did."""
    start = tail.rfind(b'{"errorDetail"')
    if start < 0:
        return ""
    try:
        told = json.loads(tail[start:])
        return " ".join(str(told["errorDetail"]["message"]).split())
    except (ValueError, TypeError, KeyError, RecursionError):
        return ""
