"""The event stream: read without waiting, in every framing, and never trusted when it ends."""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Iterator

import pytest

from holystone.engine.client import Client
from holystone.engine.errors import EngineError, EngineRefused, ProtocolError
from holystone.engine.events import Event, EventStream
from holystone.engine.transport.address import parse_host
from holystone.engine.transport.connection import connect
from tests.engine_client.misbehaving import (
    HANG,
    Behaviour,
    closes,
    cut_head,
    garbage,
    misbehaving,
    refuses,
    silent,
)

HEAD = b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n"
TAGGED = {
    "Type": "image",
    "Action": "tag",
    "Actor": {"ID": "sha256:1", "Attributes": {"name": "a:1"}},
}
STARTED = {
    "Type": "container",
    "Action": "exec_create: sh",
    "id": "old field",
    "Actor": {"ID": "c1", "Attributes": {"name": "web", "image": "nginx"}},
}
FOUND = [
    Event("image", "tag", "sha256:1", "a:1", ""),
    Event("container", "exec_create", "c1", "web", "nginx"),
]


@contextlib.contextmanager
def following(host: str) -> Iterator[EventStream]:
    """The events of a host, closed at the end."""
    client = Client(parse_host(host, "test", "test"), 0.3, connect)
    try:
        with contextlib.closing(EventStream(client)) as stream:
            yield stream
    finally:
        client.close()


def lines(*messages: object, before: bytes = b"", after: bytes = b"\n") -> bytes:
    return b"".join(before + json.dumps(message).encode() + after for message in messages)


def gathered(stream: EventStream, count: int) -> list[Event]:
    """So many events, however they arrive; it never waits by itself."""
    found: list[Event] = []
    until = time.monotonic() + 5
    while len(found) < count and time.monotonic() < until:
        found += stream.poll()
        time.sleep(0.01)
    return found + stream.poll()


@pytest.mark.parametrize(
    "sent",
    [
        [HEAD + lines(TAGGED, STARTED), HANG],
        [HEAD, lines(TAGGED, STARTED, after=b"\r\n"), HANG],
        [HEAD, lines(TAGGED, STARTED, before=b"\x1e"), HANG],
        [
            HEAD,
            lines(TAGGED)[:20],
            0.1,
            lines(TAGGED)[20:] + b"\n" + lines(None, [], STARTED),
            HANG,
        ],
        [HEAD, *(part for byte in lines(TAGGED, STARTED) for part in (bytes([byte]), 0.0)), HANG],
    ],
    ids=["with the head", "CRLF", "json-seq", "in pieces", "byte by byte"],
)
def test_events_in_any_framing(sent: Behaviour) -> None:
    """One object a line, with or without a record separator, wherever it is divided."""
    with misbehaving({"GET /events": sent}) as host, following(host) as stream:
        assert gathered(stream, 2) == FOUND


@pytest.mark.parametrize(("scheme", "expected"), [("unix", FOUND), ("tcp", [FOUND[0], *FOUND])])
def test_what_happened_before_is_not_since(scheme: str, expected: list[Event]) -> None:
    """Where both clocks are one; another machine's may be wrong."""
    sent = [{**TAGGED, "timeNano": int(at * 1e9)} for at in (99.9, 100.1)]
    with misbehaving({"GET /events": [HEAD + lines(*sent, STARTED), HANG]}) as host:
        here = parse_host(host, "test", "test")
        there = here._replace(scheme=scheme)
        client = Client(there, 0.3, lambda _, timeout: connect(here, timeout))
        with contextlib.closing(EventStream(client, lambda: 100.0)) as stream:
            found = gathered(stream, len(expected))
        client.close()
    assert [each._replace(nanoseconds=0) for each in found] == expected
    assert found[0].at == (100.1 if scheme == "unix" else 99.9)


def test_a_poll_does_not_wait() -> None:
    """With nothing there, and with half an event there."""
    with misbehaving({"GET /events": [HEAD + b'{"Type"', HANG]}) as host, following(host) as stream:
        began = time.monotonic()
        assert [stream.poll() for _ in range(100)] == [[]] * 100
        assert time.monotonic() - began < 0.5


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"Actor": None},
        {"Actor": []},
        {"Actor": {"Attributes": []}},
        {"Type": 5, "Action": None},
    ],
)
def test_odd_events_are_events(message: object) -> None:
    """What is missing in one is empty."""
    with (
        misbehaving({"GET /events": [HEAD + lines(message), HANG]}) as host,
        following(host) as stream,
    ):
        (event,) = gathered(stream, 1)
        assert event.id == event.name == event.image == ""


@pytest.mark.parametrize(
    ("rest", "words"),
    [
        ([b"no JSON\n", HANG], "is no JSON"),
        ([b"[" * 100_000 + b"\n", HANG], "is no JSON"),
        (closes(), "ended its answer"),
        ([lines(TAGGED), *closes()], "ended its answer"),
    ],
)
def test_a_stream_that_broke_says_so_again_and_again(rest: Behaviour, words: str) -> None:
    """Nothing is known any more of what is in use: no later poll may pretend it were."""
    with misbehaving({"GET /events": [HEAD, *rest]}) as host, following(host) as stream:
        with pytest.raises(ProtocolError, match=re.escape(words)) as caught:
            gathered(stream, 9)
        assert "/events" in str(caught.value)
        assert str(caught.value).endswith("?")


def test_after_its_end_every_poll_fails() -> None:
    """Each worker that asks hears of it."""
    with misbehaving({"GET /events": [HEAD, *closes()]}) as host, following(host) as stream:
        for _ in range(3):
            with pytest.raises(ProtocolError):
                gathered(stream, 1)


@pytest.mark.parametrize(
    ("behaviour", "error", "words"),
    [
        (refuses(403, "events are not allowed"), EngineRefused, "events are not allowed"),
        (silent(), ProtocolError, "did not answer"),
        (closes(), ProtocolError, "closed the connection"),
        (cut_head(), ProtocolError, "closed the connection"),
        (garbage(), ProtocolError, "is no HTTP"),
    ],
)
def test_no_stream_is_one_clear_error(
    behaviour: Behaviour, error: type[EngineError], words: str
) -> None:
    """In time, with the engine's own words, and no connection left open."""
    with misbehaving({"GET /events": behaviour}) as host:
        with pytest.raises(error, match=words) as caught, following(host):
            pass
        assert "/events" in str(caught.value)


def test_what_counts_as_use() -> None:
    """Ends of objects, names and uses are none; our own removals cause them."""
    used = {action: Event("x", action, "", "", "").uses for action in ("tag", "pull", "create")}
    ends = ("delete", "untag", "destroy", "remove", "prune", "disconnect", "unmount")
    ended = {action: Event("x", action, "", "", "").uses for action in ends}
    assert all(used.values())
    assert not any(ended.values())
