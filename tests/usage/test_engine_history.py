"""What an engine still knows of its past: read once, and what may be missing is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holystone.engine.buildkit import Build, builds_since
from holystone.engine.client import Client
from holystone.engine.errors import EngineError
from holystone.engine.events import Event
from holystone.engine.transport.connection import connect
from holystone.engine.transport.endpoint import parse_host
from holystone.planner.inventory import CacheRecord, Image, Layer
from holystone.planner.names import Names
from holystone.usage.engine_history import (
    MORE_EVENTS,
    NO_EVENTS,
    REFUSED,
    History,
    ask_log,
    read_log,
)
from holystone.usage.from_events import made_by_builds, of_bases, of_builds, of_events
from holystone.usage.sighting import Bookmark
from tests.engine_client.buildkit import (
    Answer,
    Tamper,
    block,
    changed,
    cut,
    message,
    moment,
    number,
    served,
)
from tests.engine_client.misbehaving import Behaviour, answers, misbehaving, raw, refuses

SECOND = 10**9
NODE = Image("sha256:" + "a" * 64, ("node:18",))
APP = Image("sha256:" + "b" * 64, ("app:1",), created=1000.0)
NAMES = Names((NODE, APP))


@contextmanager
def engine(past: Behaviour) -> Iterator[Any]:
    """A client of an engine that answers this about its past, and the engine."""
    info = answers({"SystemTime": "2026-01-01T00:00:00.5Z"})
    with misbehaving({"GET /info": info, "GET /events?past": past}) as host:
        client = Client(parse_host(host, "test", "test"), 5, connect)
        client.told_time(client.get("/info"))
        yield client, host
        client.close()


def read(client: Client, known: Bookmark) -> History:
    return read_log(client, ask_log(client, known), known)


def told(*moments: int, kind: str = "network") -> Behaviour:
    lines = [json.dumps({"Type": kind, "Action": "x", "timeNano": at}) for at in moments]
    return raw("\n".join(lines).encode())


def test_events_are_read_up_to_the_engines_own_time() -> None:
    """A clock that is ahead of the engine's would have it wait for what is still to happen."""
    with engine(told(5 * SECOND, 3 * SECOND)) as (client, host):
        past = read(client, Bookmark())
        assert [event.at for event in past.events] == [3.0, 5.0]
        assert past.bookmark.events == 5 * SECOND
        assert past.missed == ()
        assert host.requests[-1].endswith("/events?since=0&until=1767225600.500000")
        read(client, Bookmark(events=5 * SECOND + 7))
        assert "/events?since=5&until=" in host.requests[-1]
        read(client, Bookmark(events=1767225699 * SECOND))
        assert "/events?since=1767225600&until=" in host.requests[-1], "its clock was set back"


def test_what_was_read_before_is_passed_over() -> None:
    with engine(told(5 * SECOND + 7, 5 * SECOND + 8, 5 * SECOND)) as (client, _):
        past = read(client, Bookmark(events=5 * SECOND + 7))
        assert [event.nanoseconds for event in past.events] == [5 * SECOND + 8]
        assert past.missed == ()


def test_what_may_be_missing_is_told() -> None:
    """Where the newest event of last time is not among them, others are not either."""
    known = Bookmark(events=5 * SECOND)
    with engine(told(7 * SECOND)) as (client, _):
        assert read(client, known).missed == (NO_EVENTS,)
    with engine(told(*range(7 * SECOND, 7 * SECOND + 256))) as (client, _):
        assert read(client, known).missed == (MORE_EVENTS,)
    with engine(told()) as (client, _):
        assert read(client, Bookmark()) == History((), Bookmark())


def test_after_a_restart_only_the_gap_is_missing() -> None:
    """With nothing to go by but the time of the look, until there are events again."""
    with engine(told()) as (client, _):
        past = read(client, Bookmark(events=5 * SECOND))
        assert past.missed == (NO_EVENTS,)
        assert past.bookmark == Bookmark(1767225600 * SECOND + SECOND // 2, anchored=False)
        assert read(client, past.bookmark).missed == ()
    later = 1767225601 * SECOND
    with engine(told(later)) as (client, _):
        again = read(client, past.bookmark)
        assert (again.missed, again.bookmark) == ((), Bookmark(later))
    with engine(told(*range(later, later + 256))) as (client, _):
        assert read(client, past.bookmark).missed == (MORE_EVENTS,)


def test_an_engine_that_tells_nothing() -> None:
    """A proxy that lets no events through; lines that are none are passed over."""
    with engine(refuses(403, "no")) as (client, _):
        assert read(client, Bookmark(events=5)) == History((), Bookmark(events=5), (REFUSED,))
    garbled = raw(b'{"Type":"image","timeNano":5}\n[]\nnull\n\x1e{"time":7}\n{')
    with engine(garbled) as (client, _):
        assert [event.nanoseconds for event in read(client, Bookmark()).events] == [5, 7 * SECOND]


def event(at: float, kind: str, action: str, name: str = "", of: str = "", **more: str) -> Event:
    return Event(kind, action, of, name, more.get("image", ""), int(at * SECOND))


def uses(events: list[Event], known: tuple[str, ...] = ()) -> list[tuple[float, str, str, bool]]:
    found = of_events(events, NAMES, known)
    return [
        (each.at, each.reference.removeprefix("docker.io/library/"), each.image[7:8], each.pulled)
        for each in found
    ]


def test_what_events_show_in_use() -> None:
    """By Docker and by Podman, which has the name where Docker has the ID."""
    assert uses(
        [
            event(1, "image", "pull", "node", "node:18"),
            event(2, "container", "create", image="node:18"),
            event(3, "container", "exec_start", image="node:18"),
            event(4, "container", "create", image=APP.id[7:19]),
            event(5, "image", "tag", "app:1", APP.id),
            event(6, "image", "push", "app", "app:1"),
            event(7, "image", "pull", "docker.io/library/node:18", NODE.id[7:]),
            event(8, "image", "build", APP.id[7:]),
            event(9, "image", "save", of=APP.id),
            event(10, "image", "untag", "node:18", NODE.id),
            event(11, "image", "tag", "moved:1", "sha256:" + "c" * 64),
            event(12, "container", "create", image="redis:7"),
            event(13, "container", "create", image="sha256:" + "c" * 64),
        ]
    ) == [
        (1, "node:18", "a", True),
        (2, "node:18", "a", False),
        (4, "app:1", "b", False),
        (5, "app:1", "b", False),
        (6, "app:1", "b", False),
        (7, "node:18", "a", False),
        (8, "app:1", "b", False),
        (11, "moved:1", "", False),
        (12, "redis:7", "", False),
    ]


def test_which_pulls_had_to_bring_the_image() -> None:
    """Not one that finds the newest here; again one after it was deleted."""
    pull, delete = event(1, "image", "pull", "", "node:18"), event(2, "image", "delete", of=NODE.id)
    load = event(1, "image", "load", of=NODE.id)
    brought = [pulled for _, _, _, pulled in uses([pull, delete, pull, pull], (NODE.id,))]
    assert brought == [False, True, False]
    assert uses([load, pull])[-1][3] is False
    gone = event(1, "image", "pull", "", "gone:1")
    assert [each[3] for each in uses([gone, gone, delete, gone])] == [True, False, True]


def test_the_end_of_a_container_ends_its_use() -> None:
    (begin, end) = of_events(
        [
            event(1, "container", "start", image="node:18"),
            event(9, "container", "die", image="node:18"),
        ],
        NAMES,
        (),
    )
    assert (begin.begins, end.begins, end.at) == (True, False, 9.0)


def test_what_builds_seem_to_have_made() -> None:
    """Podman says so; of Docker a tag right after, or while the build cache was used."""
    record = CacheRecord("r", last_used=5000.0)
    tagged = [event(at, "image", "tag", "app:1", APP.id) for at in (1030.0, 3000.0, 5001.0)]
    assert made_by_builds(tagged, NAMES, ()) == [(1030.0, APP.id)]
    assert made_by_builds(tagged, NAMES, (record,)) == [(1030.0, APP.id), (5001.0, APP.id)]
    podman = [event(9000.0, "image", "build", APP.id[7:])]
    assert made_by_builds(podman, NAMES, ()) == [(9000.0, APP.id)]
    layers = tuple(Layer(name, 0) for name in "12")
    names = Names((NODE._replace(layers=layers[:1]), APP._replace(layers=layers)))
    (base,) = of_bases([(9000.0, APP.id)], names)
    assert (base.at, base.reference, base.image) == (9000.0, "docker.io/library/node:18", NODE.id)


def ended(name: str, began: int, end: int | None, kind: int = 1) -> bytes:
    times = block(6, moment(began)) + (b"" if end is None else block(7, moment(end)))
    record = block(1, name.encode()) + block(2, b"dockerfile") + times
    return message(number(1, kind) + block(2, record))


def progress(*names: str) -> bytes:
    vertices = (block(1, block(1, b"sha256:1") + block(3, name.encode())) for name in names)
    return message(b"".join(vertices))


LOADS = "[internal] load metadata for "
HISTORY: dict[str, list[Answer]] = {
    "ListenBuildHistory": [
        [
            ended("second", 50, 60),
            ended("running", 80, None),
            ended("old", 10, 20),
            ended("first", 30, 55),
            ended("deleted", 30, 57, kind=2),
        ]
    ],
    "Status": [
        [progress("[1/2] FROM x", f"{LOADS}node:18", f"{LOADS}node:18")],
        [progress(f"{LOADS}docker.io/library/redis:7"), progress(f"{LOADS}node:18")],
    ],
}


def builds(answers: dict[str, list[Answer]], since: float, tamper: Tamper | None = None) -> Any:
    with served(answers, tamper=tamper or (lambda _, data: data), timeout=0.5) as client:
        return builds_since(client, since)


def test_builds_tell_what_they_began_with() -> None:
    """Those that ended since then, the first to end first; over one connection."""
    found = builds(HISTORY, 20.0)
    assert found.builds == (
        Build(30.0, 55.0, ("node:18",)),
        Build(50.0, 60.0, ("docker.io/library/redis:7", "node:18")),
    )
    assert (found.oldest, found.remembered) == (20.0, 3)
    assert [(each.at, each.reference, each.image) for each in of_builds(found.builds, NAMES)] == [
        (30.0, "docker.io/library/node:18", NODE.id),
        (50.0, "docker.io/library/redis:7", ""),
        (50.0, "docker.io/library/node:18", NODE.id),
    ]
    assert builds({"ListenBuildHistory": [[]]}, 0.0) == ((), 0.0, 0)


@given(st.integers(0, 600), st.integers(0, 255))
def test_a_garbled_history_never_ends_in_a_traceback(at: int, value: int) -> None:
    try:
        found = builds(HISTORY, 20.0, changed(at, value))
    except EngineError:
        return
    assert all(isinstance(build, Build) for build in found.builds)


@pytest.mark.parametrize("end", range(0, 600, 13))
def test_a_history_cut_anywhere_is_none(end: int) -> None:
    with pytest.raises(EngineError):
        builds(HISTORY, 20.0, cut(end))
