"""A program in a container as a stream: whole, cut anywhere, garbled, refused, ended with words."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holystone.engine.client import Client, Version
from holystone.engine.errors import EngineError, EngineRefused, ProtocolError
from holystone.engine.exec_stream import ExecStream
from holystone.engine.transport.endpoint import parse_host

MADE = b'HTTP/1.1 201 Created\r\nContent-Length: 11\r\n\r\n{"Id":"e1"}'
UPGRADED = b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
STOPPED = b'HTTP/1.1 409 Conflict\r\nContent-Length: 25\r\n\r\n{"message":"not running"}'
Asked = list[bytes]


def piece(data: bytes, kind: int = 1) -> bytes:
    """A piece of output as the engine frames it."""
    return bytes([kind, 0, 0, 0]) + len(data).to_bytes(4, "big") + data


@contextlib.contextmanager
def engine(*answers: bytes, split: int = 1 << 16) -> Iterator[tuple[Client, Asked]]:
    """A client whose connections get these answers, one each, and what was asked on them.

    ``split``: so many bytes are sent at a time.
    """
    waiting, asked = list(answers), [b""] * len(answers)
    threads: list[threading.Thread] = []
    sockets: list[socket.socket] = []

    def serve(number: int, there: socket.socket) -> None:
        with there, contextlib.suppress(OSError):
            while b"\r\n\r\n" not in asked[number]:
                asked[number] += there.recv(65536)
            answer = waiting[number]
            for at in range(0, len(answer), split):
                there.sendall(answer[at : at + split])
            there.shutdown(socket.SHUT_WR)
            while more := there.recv(65536):
                asked[number] += more

    def dial(*_: object) -> socket.socket:
        here, there = socket.socketpair()
        here.settimeout(10)
        sockets.append(here)
        thread = threading.Thread(target=serve, args=(len(threads), there), daemon=True)
        threads.append(thread)
        thread.start()
        return here

    client = Client(parse_host("unix:///x", "test", "test"), 10, dial)
    client.version = Version("28", (1, 51), podman=False)
    try:
        yield client, asked
    finally:
        for each in sockets:
            each.close()
        for thread in threads:
            thread.join(10)


def read_all(client: Client) -> bytes:
    """The output of a program until it ends."""
    stream = ExecStream(client, "0a1b", ("buildctl", "dial-stdio"))
    with contextlib.closing(stream):
        stream.send(b"question")
        got = b""
        with contextlib.suppress(Ended):
            while True:
                got += received(stream)
        return got


class Ended(Exception):
    """The program has ended."""


def received(stream: ExecStream) -> bytes:
    try:
        return stream.receive()
    except ProtocolError as error:
        if str(error).endswith("in container 0a1b ended"):
            raise Ended from None
        raise


@pytest.mark.parametrize("split", [1, 3, 7, 1 << 16])
def test_output_comes_whole_whatever_its_pieces(split: int) -> None:
    """An empty piece between them is none."""
    sent = piece(b"abc") + piece(b"") + piece(b"d" * 5000)
    with engine(MADE, UPGRADED + sent, split=split) as (client, asked):
        assert read_all(client) == b"abc" + b"d" * 5000
    assert asked[0].startswith(b"POST /v1.51/containers/0a1b/exec HTTP/1.1\r\n")
    assert b'"Cmd": ["buildctl", "dial-stdio"]' in asked[0]
    assert b'"Tty": false' in asked[0]
    assert asked[1].startswith(b"POST /v1.51/exec/e1/start HTTP/1.1\r\n")
    assert b"\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n" in asked[1]
    assert asked[1].endswith(b"question")


def test_what_a_program_says_at_its_end_is_told() -> None:
    sent = piece(b"exec failed: no such file\x1b[31m", kind=2)
    with engine(MADE, UPGRADED + sent) as (client, _):
        stream = ExecStream(client, "0a1b", ("buildctl", "dial-stdio"))
        with contextlib.closing(stream), pytest.raises(ProtocolError) as caught:
            stream.receive()
    said = str(caught.value)
    assert said.startswith("buildctl dial-stdio in container 0a1b ended: exec failed: no such file")
    assert "\x1b" not in said


@pytest.mark.parametrize(
    ("answers", "status"),
    [
        ((STOPPED,), 409),
        ((b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",), 404),
        ((MADE, b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"), 400),
        ((MADE, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), 200),
    ],
)  # fmt: skip
def test_an_engine_that_cannot_start_it_refuses(answers: tuple[bytes, ...], status: int) -> None:
    with engine(*answers) as (client, _), pytest.raises(EngineRefused) as caught:
        ExecStream(client, "0a1b", ("buildctl", "dial-stdio"))
    assert caught.value.status == status


def tampered(change: Callable[[bytes], bytes]) -> None:
    """Read an answer that was changed: there is output, or an EngineError, and nothing else."""
    sent = change(UPGRADED + piece(b"abc") + piece(b"said", kind=2) + piece(b"defg"))
    with engine(MADE, sent) as (client, _), contextlib.suppress(EngineError):
        assert isinstance(read_all(client), bytes)


@given(st.integers(0, 110))
def test_an_answer_cut_anywhere_never_ends_in_a_traceback(end: int) -> None:
    tampered(lambda sent: sent[:end])


@given(st.integers(0, 100), st.integers(0, 255))
def test_a_garbled_byte_never_ends_in_a_traceback(at: int, value: int) -> None:
    tampered(lambda sent: sent[:at] + bytes([value]) + sent[at + 1 :])


def test_a_piece_of_absurd_length_is_not_waited_for() -> None:
    with engine(MADE, UPGRADED + b"\x01\x00\x00\x00\xff\xff\xff\xff") as (client, _):
        stream = ExecStream(client, "0a1b", ("buildctl", "dial-stdio"))
        with contextlib.closing(stream), pytest.raises(ProtocolError, match="garbled"):
            stream.receive()
