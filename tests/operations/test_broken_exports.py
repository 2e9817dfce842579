"""What an export that breaks off says of the image: damage only where the engine ended it."""

from __future__ import annotations

import contextlib
import socket
import threading

import pytest

from holystone.engine.client import Client, Version
from holystone.engine.transport.endpoint import Endpoint, resolve
from holystone.operations.verifier import DAMAGED, UNCHECKED, Entry, Subject, Verifier
from holystone.operations.watching import Unwatched
from holystone.planner.inventory import Image

DIFF_ID = f"sha256:{'1' * 64}"
SUBJECT = Subject(Image(f"sha256:{'2' * 64}", ("app:1",)), (DIFF_ID,))


def verify(answer: bytes) -> Entry:
    """What becomes of the image where an engine answers just this to its export."""

    def dial(endpoint: Endpoint, timeout: float) -> socket.socket:
        ours, theirs = socket.socketpair()

        def serve() -> None:
            with theirs, contextlib.suppress(OSError):
                theirs.recv(1 << 16)
                theirs.sendall(b"HTTP/1.1 " + answer)

        threading.Thread(target=serve, daemon=True).start()
        return ours

    client = Client(resolve("unix:///nowhere.sock", None, {}), 5, dial)
    client.version = Version("28", (1, 47), podman=False)
    return Verifier(client, "classic", Unwatched()).verify([SUBJECT])[SUBJECT.image.id]


def refusal(status: bytes, words: bytes) -> bytes:
    body = b'{"message":"%b"}' % words
    return b"%b\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"200 OK\r\nTransfer-Encoding: chunked\r\n\r\n400\r\nabc", "in the middle of its answer"),
        (b"200 OK\r\nContent-Length: 4000\r\n\r\nabc", "in the middle of its answer"),
        (b"", "closed the connection"),
        (refusal(b"500 Oops", b"write /tmp/x: no space left on device"), "no space left"),
        (refusal(b"404 Not Found", b"No such image: app"), "removed meanwhile"),
    ],
)
def test_a_trouble_on_the_way_is_no_damage(answer: bytes, words: str) -> None:
    told = verify(answer)
    assert (told.result, told.damages) == (UNCHECKED, ())
    assert words in told.notes[0]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (refusal(b"500 Oops", b"file integrity checksum failed"), "file integrity checksum failed"),
        (b"200 OK\r\nContent-Length: 3\r\n\r\nabc", "archive"),
    ],
)
def test_an_export_that_the_engine_ended_is_damage(answer: bytes, words: str) -> None:
    told = verify(answer)
    assert told.result == DAMAGED
    (damage,) = told.damages
    assert (damage.part, damage.expected) == ("layer", DIFF_ID)
    assert words in damage.words
