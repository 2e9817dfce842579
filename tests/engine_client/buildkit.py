"""A small BuildKit behind an engine's ``POST /grpc``, whose answers are scripted.

with served({"Prune": [[record("r1")]]}) as client:
    ...  # each call of a method gets its next answer: messages, a gRPC status, or
         # what BuildKit does instead: "reset" the call, "leave", be "silent"

``tamper`` changes the bytes that it sends, or cuts them: then it hangs up.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence

from h2 import events
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.exceptions import H2Error

from holystone.engine.client import Client
from holystone.engine.transport.endpoint import parse_host

UPGRADED = b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
Answer = Sequence[bytes] | int | str
Tamper = Callable[[int, bytes], bytes]
"""What goes out in place of these bytes, which begin at that place of all that is sent."""


def message(body: bytes, *, compressed: int = 0) -> bytes:
    """A gRPC message."""
    return bytes([compressed]) + struct.pack(">I", len(body)) + body


def varint(value: int) -> bytes:
    """A protobuf number."""
    told = bytearray()
    while value > 0x7F:
        told.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*told, value])


def number(field: int, value: int) -> bytes:
    """A protobuf field with a number."""
    return varint(field << 3) + varint(value)


def block(field: int, value: bytes) -> bytes:
    """A protobuf field with a text or a message."""
    return varint(field << 3 | 2) + varint(len(value)) + value


def moment(seconds: float) -> bytes:
    """A protobuf Timestamp."""
    whole = int(seconds // 1)
    return number(1, whole) + number(2, round((seconds - whole) * 1e9))


def cut(end: int) -> Tamper:
    """Nothing is sent from this place on."""
    return lambda start, data: data[: max(0, end - start)]


def changed(at: int, value: int) -> Tamper:
    """The byte at this place is another one."""

    def change(start: int, data: bytes) -> bytes:
        place = at - start
        if not 0 <= place < len(data):
            return data
        return data[:place] + bytes([value]) + data[place + 1 :]

    return change


@contextlib.contextmanager
def served(
    answers: Mapping[str, Sequence[Answer]],
    *,
    head: bytes = UPGRADED,
    tamper: Tamper = lambda _, data: data,
    frame: int = 1 << 14,
    timeout: float = 5.0,
) -> Iterator[Client]:
    """A client of an engine that has this BuildKit; its frames have so many bytes at most."""
    here, there = socket.socketpair()
    here.settimeout(timeout)
    server = _Server(there, answers, head, tamper, frame)
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    try:
        yield Client(parse_host("unix:///x", "test", "test"), timeout, lambda _, __: here)
    finally:
        here.close()
        thread.join(10)


class _Server:
    def __init__(
        self,
        sock: socket.socket,
        answers: Mapping[str, Sequence[Answer]],
        head: bytes,
        tamper: Tamper,
        frame: int,
    ) -> None:
        self.sock = sock
        self.answers = {method: list(each) for method, each in answers.items()}
        self.head = head
        self.tamper = tamper
        self.frame = frame
        self.sent = 0
        self.http2 = H2Connection(H2Configuration(client_side=False))
        self.asked: dict[int, str] = {}

    def serve(self) -> None:
        """Serve the one connection until its other end, or this one, hangs up."""
        with self.sock, contextlib.suppress(OSError, H2Error, EOFError):
            held = b""
            while b"\r\n\r\n" not in held:
                if not (more := self.sock.recv(1)):
                    return
                held += more
            self.send(self.head)
            if self.head is not UPGRADED:
                return
            self.http2.initiate_connection()
            self.send(self.http2.data_to_send())
            while data := self.sock.recv(1 << 16):
                for event in self.http2.receive_data(data):
                    self.take(event)
                self.send(self.http2.data_to_send())

    def take(self, event: events.Event) -> None:
        if isinstance(event, events.RequestReceived):
            path = dict(event.headers)[b":path"].decode()
            self.asked[event.stream_id] = path.rpartition("/")[2]
        elif isinstance(event, events.DataReceived):
            self.http2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, events.StreamEnded):
            answers = self.answers.get(self.asked[event.stream_id])
            self.answer(event.stream_id, answers.pop(0) if answers else 12)

    def answer(self, stream: int, answer: Answer) -> None:
        if isinstance(answer, str):
            if answer == "reset":
                self.http2.reset_stream(stream)
            elif answer == "leave":
                self.http2.close_connection()
            return
        headers = [(":status", "200"), ("content-type", "application/grpc")]
        if isinstance(answer, int):
            self.http2.send_headers(stream, [*headers, ("grpc-status", str(answer))], True)
            return
        self.http2.send_headers(stream, headers)
        body = b"".join(answer)
        for start in range(0, len(body), self.frame):
            self.http2.send_data(stream, body[start : start + self.frame])
        self.http2.send_headers(stream, [("grpc-status", "0")], True)

    def send(self, data: bytes) -> None:
        told = self.tamper(self.sent, data)
        self.sent += len(data)
        self.sock.sendall(told)
        if len(told) < len(data):
            raise EOFError
