"""An export over HTTP: read in pieces to its end, or known to be cut; and its progress."""

from __future__ import annotations

import contextlib
import io
import socket
import threading

import pytest

from holystone.engine.errors import ProtocolError
from holystone.engine.transport.endpoint import parse_host
from holystone.engine.transport.http import Connection, Patience
from holystone.present.progress import VerifyProgress
from holystone.present.terminal import Look, Output

BODY = bytes(range(256)) * 2000
CHUNKED = b"".join(
    b"%x\r\n%b\r\n" % (len(part), part) for part in (BODY[:7], BODY[7:300_000], BODY[300_000:])
)


def pieces(answer: bytes) -> list[bytes]:
    """The body of this answer, which is all that the other side sends."""
    ours, theirs = socket.socketpair()

    def send() -> None:
        # Whoever has seen enough reads no further.
        with theirs, contextlib.suppress(OSError):
            theirs.sendall(b"HTTP/1.1 200 OK\r\n" + answer)

    sending = threading.Thread(target=send, daemon=True)
    sending.start()
    connection = Connection(ours, Patience(parse_host("demo:", "", ""), lambda: False))
    try:
        assert connection.receive_head() == 200
        return list(connection.receive_pieces())
    finally:
        connection.close()
        sending.join()


@pytest.mark.parametrize(
    "answer",
    [
        b"Transfer-Encoding: chunked\r\n\r\n" + CHUNKED + b"0\r\n\r\n",
        b"Content-Length: %d\r\n\r\n%b" % (len(BODY), BODY),
        b"\r\n" + BODY,
    ],
)
def test_a_body_comes_in_small_pieces(answer: bytes) -> None:
    told = pieces(answer)
    assert b"".join(told) == BODY
    assert max(map(len, told)) <= 1 << 16


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"Transfer-Encoding: chunked\r\n\r\n" + CHUNKED, "in the middle of its answer"),
        (b"Transfer-Encoding: chunked\r\n\r\n" + CHUNKED[:9000], "in the middle of its answer"),
        (b"Transfer-Encoding: chunked\r\n\r\nzzz\r\n", "is no chunk size"),
        (b"Transfer-Encoding: chunked\r\n\r\n2\r\nabcdxyz\r\n", "is no chunk size"),
        (b"Content-Length: 9\r\n\r\nabc", "in the middle of its answer"),
        (b"Content-Length: many\r\n\r\nabc", "is no Content-Length"),
    ],
)
def test_a_cut_or_garbled_body_is_an_error(answer: bytes, words: str) -> None:
    with pytest.raises(ProtocolError, match=words):
        pieces(answer)


def test_progress_tells_images_and_bytes() -> None:
    now = [0.0]
    output = Output(io.StringIO(), Look(width=100))
    with VerifyProgress(3, 2_000_000, output, lambda: now[0]) as line:
        line.moved(500_000)
        line.settled(1)
        now[0] = 4.0
        assert line.state() == ("verified 1/3  500 kB of about 2.00 MB  4 s", 0.25)
        line.moved(3_000_000)
        assert "3.50 MB of about 3.50 MB" in line.state()[0]
