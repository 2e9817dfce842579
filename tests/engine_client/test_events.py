"""The event stream: in every framing, polled or waited for, and opened again where it broke."""

from __future__ import annotations

import contextlib
import json
import re
import threading
import time
from collections.abc import Iterator

import pytest

from holystone.engine import events as events_module
from holystone.engine.activity import Touched
from holystone.engine.client import Client
from holystone.engine.errors import EngineError, EngineRefused, ProtocolError
from holystone.engine.events import Event, EventStream
from holystone.engine.transport.connection import connect
from holystone.engine.transport.endpoint import parse_host
from holystone.planner.inventory import Image
from tests.engine_client.clients import client_of
from tests.engine_client.misbehaving import (
    CLOSE,
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
    client = client_of(host, 0.3)
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
    with misbehaving({"GET /events": sent}) as host, following(host) as stream:
        assert gathered(stream, 2) == FOUND


@pytest.mark.parametrize("most", [1000, 2])
def test_events_of_one_object_share_their_texts(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a busy host's take much memory until the next look; what is shared is bounded."""
    monkeypatch.setattr(events_module, "_MOST_WORDS", most)
    sent = [{**STARTED, "timeNano": at} for at in range(1, 6)]
    with misbehaving({"GET /events": [HEAD + lines(*sent), HANG]}) as host:
        client = client_of(host, 0.3)
        with contextlib.closing(EventStream(client, lambda: 0.0)) as stream:
            found = gathered(stream, 5)
        client.close()
    assert found == [FOUND[1]._replace(nanoseconds=at) for at in range(1, 6)]
    shared = len({id(each.id) for each in found}) == 1
    assert shared == (most > len(found[0]))


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
        ([b"x" * (1 << 21), HANG], "is no JSON"),
        (closes(), "ended its answer"),
        ([lines(TAGGED), *closes()], "ended its answer"),
    ],
)
def test_a_stream_that_broke_says_so_at_every_poll(
    rest: Behaviour, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is known any more of what is in use: each worker that asks hears of it."""
    monkeypatch.setattr(events_module, "_LONGEST", 1 << 20)
    with misbehaving({"GET /events": [HEAD, *rest]}) as host, following(host) as stream:
        for _ in range(3):
            with pytest.raises(ProtocolError, match=re.escape(words)) as caught:
                gathered(stream, 9)
            assert "/events" in str(caught.value)
            assert str(caught.value).endswith("?")


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
    with misbehaving({"GET /events": behaviour}) as host:
        with pytest.raises(error, match=words) as caught, following(host):
            pass
        assert "/events" in str(caught.value)


def at(second: float, name: str = "a:1") -> dict[str, object]:
    """An event of that time."""
    return {**TAGGED, "timeNano": int(second * 1e9), "Actor": {"ID": name}}


def ids(events: list[Event]) -> list[str]:
    return [event.id for event in events]


def test_it_waits_for_the_next_event_and_no_longer_than_told() -> None:
    sent: Behaviour = [HEAD, 1.5, lines(TAGGED)[:20], 0.2, lines(TAGGED)[20:], HANG]
    with misbehaving({"GET /events": sent}) as host, following(host) as stream:
        began = time.monotonic()
        assert stream.wait(0.1) == []
        assert time.monotonic() - began >= 0.1
        assert stream.wait(30) == FOUND[:1]
        assert time.monotonic() - began < 25


def test_what_is_alike_at_one_moment_happened_as_often() -> None:
    """Some engines give whole seconds; and clocks of machines have steps."""
    alike = [at(1e9 + 7, "a")] * 3
    script: dict[str, Behaviour] = {
        "GET /events": [HEAD + lines(*alike), CLOSE],
        "GET /events?past": [HEAD + lines(*alike, *[at(1e9 + 8, "b")] * 2), HANG],
    }
    with misbehaving(script) as host, following(host) as stream:
        stream.opened = 0.0
        told: list[str] = []
        while "b" not in told:
            told += ids(stream.wait(5))
        assert told + ids(stream.poll()) == ["a"] * 3 + ["b"] * 2


def test_a_stream_that_broke_is_opened_again_and_tells_nothing_twice() -> None:
    """From before the newest event, since engines send them out of order; half a line is lost."""
    first: Behaviour = [HEAD + lines(at(1e9 + 7, "a"), at(1e9 + 7.5, "b")) + b'{"Type":"im', CLOSE]
    again = [at(1e9 + 6.2, "late"), at(1e9 + 7, "a"), at(1e9 + 7.5, "b"), at(1e9 + 8, "c")]
    script: dict[str, Behaviour] = {
        "GET /events": first,
        "GET /events?past": [HEAD + lines(*again), HANG],
    }
    with misbehaving(script) as host, following(host) as stream:
        stream.opened = 0.0
        inbox = stream.inbox()
        told: list[str] = []
        while "c" not in told:
            told += ids(stream.wait(5))
        assert told == ["a", "b", "late", "c"]
        assert [event.id for event in inbox] == told
        assert (stream.breaks, stream.broken) == (1, "")
        assert host.requests[-1].endswith("/events?since=1000000006")
        assert stream.poll() == []


def test_while_it_is_broken_nothing_may_be_removed() -> None:
    """Nor afterwards, until the host was observed again; why it is broken can be read."""
    first: Behaviour = [HEAD + lines(at(1e9, "a")), 0.2, CLOSE]
    script: dict[str, Behaviour] = {
        "GET /events": first,
        "GET /events?past": [HEAD + lines(at(1e9 + 1, "b")), HANG],
    }
    with misbehaving(script) as host, following(host) as stream:
        stream.opened = 0.0
        touched = Touched(stream)
        with contextlib.suppress(ProtocolError):
            gathered(stream, 9)
        assert "ended its answer" in stream.broken
        with pytest.raises(ProtocolError, match="ended its answer"):
            touched.follow("a")
        with pytest.raises(ProtocolError, match="ended its answer"):
            touched.forget()
        assert ids(stream.wait(5)) == ["b"]
        for _ in range(2):
            with pytest.raises(ProtocolError, match="Observe it again"):
                touched.follow("c")
        touched.forget()
        assert not touched.follow("b"), "the host is observed after it"


def test_a_use_of_an_image_is_one_of_the_steps_built_on_it() -> None:
    """The classic builder may look at any of them next. What has a name is its own matter."""
    images = [
        Image("sha256:1", ("a:1",)),
        Image("sha256:step", parent="sha256:1"),
        Image("sha256:end", parent="sha256:step"),
        Image("sha256:named", ("b:1",), parent="sha256:1"),
        Image("sha256:other"),
        Image("sha256:of-other", parent="sha256:other"),
    ]
    with (
        misbehaving({"GET /events": [HEAD + lines(TAGGED), HANG]}) as host,
        following(host) as stream,
    ):
        touched = Touched(stream)
        touched.observed(images)
        gathered(stream, 1)
        used = {image.id for image in images if touched.follow(image.id)}
    assert used == {"sha256:1", "sha256:step", "sha256:end"}


def test_an_engine_that_ends_each_stream_is_not_asked_all_the_time() -> None:
    """And one that is gone is no error to who waits."""
    script: dict[str, Behaviour] = {"GET /events": [HEAD, CLOSE]}
    with misbehaving(script) as host, following(host) as stream:
        assert stream.wait(1.2) == []
        assert 3 <= sum("/events" in each for each in host.requests) <= 6
    began = time.monotonic()
    assert stream.broken
    assert stream.wait(0.3) == []
    assert time.monotonic() - began < 3


@pytest.mark.parametrize("broken", [False, True])
def test_to_close_it_ends_a_wait(broken: bool) -> None:
    with misbehaving({"GET /events": [HEAD, CLOSE if broken else HANG]}) as host:
        client = client_of(host, 0.3)
        stream = EventStream(client)
        told: list[object] = []
        waiting = threading.Thread(target=lambda: told.append(stream.wait(60)), daemon=True)
        waiting.start()
        time.sleep(0.5)
        stream.close()
        waiting.join(5)
        client.close()
    assert told == [[]]


def test_a_burst_with_hostile_attributes_is_told_whole() -> None:
    hostile = {"name": "\x1b[31m\n" * 40, "image": "\u202e" * 200, "": {"a": [None]}}
    burst = [
        {"Type": "container", "Action": "start", "timeNano": int(1e18) + n,
         "Actor": {"ID": str(n), "Attributes": hostile}}
        for n in range(5000)
    ]  # fmt: skip
    sent: Behaviour = [HEAD + lines(*burst), HANG]
    with misbehaving({"GET /events": sent}) as host, following(host) as stream:
        stream.opened = 0.0
        told: list[str] = []
        while len(told) < 5000 and (events := stream.wait(10)):
            told += ids(events)
    assert told == [str(n) for n in range(5000)]


def test_what_counts_as_use() -> None:
    """Ends of objects, names and uses are none; our own removals cause them."""
    used = {action: Event("x", action, "", "", "").uses for action in ("tag", "pull", "create")}
    ends = ("delete", "untag", "destroy", "remove", "prune", "disconnect", "unmount")
    ended = {action: Event("x", action, "", "", "").uses for action in ends}
    assert all(used.values())
    assert not any(ended.values())
