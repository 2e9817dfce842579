"""Server-sent events: what a stream tells, and when it ends."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from holystone.agent.alert import Alert, Key, Kind, Severity
from holystone.agent.state import DOWN
from tests.agent.web_agent import PATIENCE, Served, serving, until

EVENTS = "/api/v1/events"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with serving(tmp_path) as made:
        made.streams.pause = 0.01
        yield made


class Stream:
    """A stream that is read."""

    def __init__(self, connection: http.client.HTTPConnection) -> None:
        self.connection = connection
        connection.request("GET", EVENTS)
        self.answer = connection.getresponse()

    def next(self) -> dict[str, str]:
        """The next block of lines, by their names; a comment has the name ``""``."""
        found = {}
        while (line := self.answer.readline()) not in (b"\n", b""):
            name, _, value = line.decode().rstrip("\n").partition(":")
            found[name] = value.removeprefix(" ")
        return found

    def state(self) -> Any:
        """The data of the next event."""
        while "event" not in (block := self.next()):
            assert block, "the stream has ended"
        assert block["event"] == "state"
        return json.loads(block["data"])

    def close(self) -> None:
        self.answer.close()
        self.connection.close()


def test_a_stream_tells_the_state_and_each_change(served: Served) -> None:
    stream = Stream(served.tcp())
    assert stream.answer.status == 200
    assert stream.answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert stream.next() == {"retry": "3000"}
    first = stream.state()
    assert first["engine"]["state"] == "up"
    assert "host" not in first
    served.agent.firing = [
        Alert(Key(Kind.ENGINE_GONE), Severity.CRITICAL, "the engine is gone", 1.0)
    ]
    served.agent.state.set(engine=DOWN, engine_said="gone:\ndata: {}\n\n")
    told = stream.state()
    assert told["engine"]["state"] == "down"
    assert told["engine"]["said"] == "gone:\ndata: {}\n\n"
    assert [each["kind"] for each in told["alerts"]] == ["engine_gone"]
    stream.close()


def test_the_number_of_an_event_is_the_version(served: Served) -> None:
    stream = Stream(served.unix())
    stream.next()
    assert stream.next()["id"] == str(served.agent.state.version)
    stream.close()


def test_many_changes_at_once_are_few_events(served: Served) -> None:
    served.streams.pause = 0.2
    stream = Stream(served.tcp())
    stream.state()
    for number in range(1000):
        served.agent.state.set(short_bytes=number)
    seen = [stream.state()["short_bytes"]]
    while seen[-1] != 999:
        seen.append(stream.state()["short_bytes"])
    assert len(seen) < 50
    stream.close()


def test_a_silent_stream_shows_that_it_lives(served: Served) -> None:
    served.streams.alive = 0.05
    stream = Stream(served.tcp())
    stream.state()
    assert stream.next() == {"": "still here"}
    assert stream.next() == {"": "still here"}
    stream.close()


def test_a_stream_that_was_left_is_forgotten(served: Served) -> None:
    for _ in range(3):
        stream = Stream(served.tcp())
        stream.state()
        assert served.streams.open == 1
        stream.close()
        until(lambda: served.streams.open == 0)


def test_there_are_only_so_many_streams(served: Served) -> None:
    streams = [Stream(served.unix()) for _ in range(32)]
    for each in streams:
        each.state()
    refused = served.get(EVENTS)
    refused.error(503, "too_many")
    assert refused.headers["retry-after"] == "15"
    assert served.get("/healthz").status == 200
    for each in streams:
        each.close()
    until(lambda: served.streams.open == 0)
    again = Stream(served.tcp())
    again.state()
    again.close()


def test_a_stream_ends_with_the_agent(served: Served) -> None:
    stream = Stream(served.tcp())
    stream.state()
    served.server.stop(PATIENCE)
    # A stream that was cut would raise IncompleteRead.
    assert stream.answer.read() == b""
    stream.close()
