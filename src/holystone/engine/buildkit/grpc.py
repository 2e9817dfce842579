"""gRPC calls in turn over an engine's ``POST /grpc``: as much of HTTP/2 as that takes.

The engine serves BuildKit's own service there (API 1.39 on); ``docker buildx`` uses it the same
way. It begins with a preface; a call is one request, and reading frames until its stream ends
(RFC 9113).
"""

from __future__ import annotations

import struct
from typing import Protocol

from holystone.engine.errors import EngineRefused, ProtocolError


class Stream(Protocol):
    """A connected socket, plain or TLS."""

    def sendall(self, data: bytes, /) -> None:
        """Send all of it."""

    def recv(self, size: int, /) -> bytes:
        """Up to ``size`` bytes as soon as there are any; none at the end."""


_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PING, _GOAWAY = 0, 1, 3, 4, 6, 7
_WINDOW_UPDATE, _CONTINUATION = 8, 9
_END_STREAM, _ACK, _END_HEADERS, _PADDED = 1, 1, 4, 8
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_LARGEST_WINDOW = 2**31 - 1
_DEFAULT_WINDOW = 65535
_LARGEST_FRAME = 16384
"""Bytes of payload that every HTTP/2 server takes in one frame."""
LARGEST_MESSAGE = _DEFAULT_WINDOW - 5
"""Bytes that a server takes on a new connection before it must say that it takes more."""
_LONGEST_HEAD = 1 << 16

# `grpc-status` as a header name in HPACK: its length, then plain or in the Huffman code of
# RFC 7541. The value is one or two digits, which that code cannot shorten, so it comes plain.
_STATUS_NAMES = (b"\x0bgrpc-status", b"\x88\x9a\xca\xc8\xb2\x12\x34\xda\x8f")


class Channel:
    """A connection that has been upgraded: its calls are made one after the other."""

    def __init__(self, stream: Stream) -> None:
        """Upgrade a connection, which stays the caller's to close.

        Raises EngineRefused where the engine serves no gRPC, ProtocolError, OSError from the
        socket.
        """
        self.stream = stream
        self.reader = _Reader(stream)
        self.number = -1
        """Of the latest HTTP/2 stream: those that a client opens are odd."""
        stream.sendall(
            b"POST /grpc HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n"
            b"Content-Length: 0\r\n\r\n"
        )
        first = self.reader.until(b"\r\n\r\n").split(b"\r\n", 1)[0].decode("latin-1")
        status = first.split(" ")[1:2]
        if status != ["101"]:
            number = int(status[0]) if status and status[0].isdigit() else 501
            raise EngineRefused(number, first, "POST /grpc")
        stream.sendall(
            _PREFACE
            # No header table, no push, and a window that never fills.
            + _frame(_SETTINGS, 0, 0, struct.pack(">HIHIHI", 1, 0, 2, 0, 4, _LARGEST_WINDOW))
            + _frame(_WINDOW_UPDATE, 0, 0, struct.pack(">I", _LARGEST_WINDOW - _DEFAULT_WINDOW))
        )

    def call(self, method: str, message: bytes) -> list[bytes]:
        """The messages of the answer to one call.

        All messages sent on one connection together hold ``LARGEST_MESSAGE`` bytes at most: the
        server's leave to send more is not read. Raises EngineRefused where the call is refused,
        ProtocolError where the answer is no good, OSError from the socket.
        """
        self.number += 2
        self.reader.method = method
        self.stream.sendall(
            _frame(_HEADERS, _END_HEADERS, self.number, _request_headers(method))
            + _data_frames(self.number, b"\x00" + struct.pack(">I", len(message)) + message)
        )
        return _messages(self._read_answer(method), method)

    def _read_answer(self, method: str) -> bytes:
        body = bytearray()
        status: int | None = None
        while True:
            kind, flags, number, payload = self.reader.frame()
            if kind == _SETTINGS and not flags & _ACK:
                self.stream.sendall(_frame(_SETTINGS, _ACK, 0, b""))
            elif kind == _PING and not flags & _ACK:
                self.stream.sendall(_frame(_PING, _ACK, 0, payload))
            elif kind == _GOAWAY or (kind == _RST_STREAM and number == self.number):
                raise ProtocolError(
                    f"BuildKit broke off its answer to {method} (HTTP/2 frame {kind})"
                )
            elif number != self.number:
                continue
            elif kind == _DATA:
                padding = payload[0] if flags & _PADDED and payload else 0
                body += payload[1 : len(payload) - padding] if flags & _PADDED else payload
            elif kind in (_HEADERS, _CONTINUATION) and status is None:
                status = _grpc_status(payload)
            if number == self.number and kind in (_DATA, _HEADERS) and flags & _END_STREAM:
                break
        if status:
            raise EngineRefused(501, f"BuildKit refused (gRPC status {status})", method)
        return bytes(body)


def _messages(body: bytes, method: str) -> list[bytes]:
    """The messages in a body, each after its length. Raises ProtocolError."""
    messages = []
    at = 0
    while at < len(body):
        head = body[at : at + 5]
        end = at + 5 + int.from_bytes(head[1:], "big")
        if len(head) < 5 or head[0] or end > len(body):
            raise ProtocolError(f"BuildKit's answer to {method} is cut or compressed")
        messages.append(body[at + 5 : end])
        at = end
    return messages


def _request_headers(method: str) -> bytes:
    """The request's headers in HPACK, each as a literal that enters no table."""
    headers = (
        (b":method", b"POST"),
        (b":scheme", b"http"),
        (b":path", method.encode("ascii")),
        (b":authority", b"docker"),
        (b"content-type", b"application/grpc"),
        (b"te", b"trailers"),
    )
    return b"".join(
        b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value for name, value in headers
    )


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """A frame: length (3 bytes), type, flags, stream, payload."""
    head = struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream)
    return head + payload


def _data_frames(stream: int, body: bytes) -> bytes:
    """A body that is not empty as frames; the last ends the request."""
    pieces = [body[at : at + _LARGEST_FRAME] for at in range(0, len(body), _LARGEST_FRAME)]
    return b"".join(
        _frame(_DATA, _END_STREAM if number == len(pieces) else 0, stream, piece)
        for number, piece in enumerate(pieces, 1)
    )


def _grpc_status(block: bytes) -> int | None:
    """The gRPC status in a block of headers, or None where it holds none."""
    for name in _STATUS_NAMES:
        _, found, rest = block.partition(name)
        if found and rest:
            digits = rest[1 : 1 + (rest[0] & 0x7F)]
            return int(digits) if digits.isdigit() else 2
    return None


class _Reader:
    """Exact reads from a stream that gives what it has."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.method = "POST /grpc"
        self.held = bytearray()

    def _more(self) -> None:
        got = self.stream.recv(1 << 16)
        if not got:
            raise ProtocolError(f"the engine closed the connection while answering {self.method}")
        self.held += got

    def take(self, size: int) -> bytes:
        while len(self.held) < size:
            self._more()
        taken = bytes(self.held[:size])
        del self.held[:size]
        return taken

    def until(self, mark: bytes) -> bytes:
        while (at := self.held.find(mark)) < 0:
            if len(self.held) > _LONGEST_HEAD:
                raise ProtocolError("the engine answered POST /grpc with no HTTP headers")
            self._more()
        return self.take(at + len(mark))

    def frame(self) -> tuple[int, int, int, bytes]:
        """The next frame: type, flags, stream, payload."""
        head = self.take(9)
        stream = int(struct.unpack(">I", head[5:])[0]) & _LARGEST_WINDOW
        return head[3], head[4], stream, self.take(int.from_bytes(head[:3], "big"))
