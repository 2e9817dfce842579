"""One stream of events on real engines: it outlives a restart, and feeds the tracker of use."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from holystone.engine.events import Event, EventStream
from holystone.operations.live_host import LiveHost
from holystone.planner import usage
from holystone.usage import sighting
from tests.engine_client.clients import client_of
from tests.engine_client.proxy import proxy
from tests.engines import Engine
from tests.engines.images import ImageToLoad, busybox_layer, load
from tests.store.examples import opened


@contextlib.contextmanager
def following(url: str, *, since: int = 0) -> Iterator[EventStream]:
    client = client_of(url, 30)
    try:
        with contextlib.closing(EventStream(client, since=since)) as stream:
            yield stream
    finally:
        client.close()


def told_until(stream: EventStream, sentinel: str) -> list[Event]:
    """The events up to that of the volume of this name: then all before it were told."""
    found: list[Event] = []
    until = time.monotonic() + 60
    while not any(sentinel in names(each) and each.action == "create" for each in found):
        assert time.monotonic() < until, f"no event of {sentinel} among {found}"
        found += stream.wait(5)
    return found


def names(event: Event) -> set[str]:
    """What an event names; Podman gives a volume no ID."""
    return {event.id, event.name}


def sentinel(engine: Engine, name: str) -> str:
    engine.docker("volume", "create", name)
    return name


@pytest.mark.engine("docker20", "docker28c", "podman5")
def test_it_outlives_a_restart_of_the_engine(
    own_engine: Callable[..., Engine], unique: str
) -> None:
    """What happens after it is told, nothing twice; while the engine is away it waits."""
    engine = own_engine()
    with following(f"unix://{engine.socket}") as stream:
        told = told_until(stream, sentinel(engine, f"{unique}-before"))
        engine.restart()
        after = sentinel(engine, f"{unique}-after")
        told += told_until(stream, after)
        assert (stream.breaks, stream.broken) == (1, "")
        told += stream.poll()
    assert len(set(told)) == len(told)
    made = [name for each in told if each.action == "create" for name in names(each)]
    assert [name for name in made if name.startswith(unique)] == [f"{unique}-before", after]
    newest = max(each.nanoseconds for each in told)
    with following(f"unix://{engine.socket}", since=newest) as stream:
        told_until(stream, after)


@pytest.mark.engine("docker20", "docker28c")
def test_from_the_second_look_on_it_feeds_the_tracker(
    fresh_engine: Engine, tmp_path: Path, unique: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over the connection that tells what was touched; the log is asked once, and after a break."""
    for module in (usage, sighting):
        monkeypatch.setattr(module, "SAME_USE", 0.0)
    reference = f"localhost/{unique}:1"
    load(fresh_engine, ImageToLoad([busybox_layer()], [reference]))
    with proxy(fresh_engine) as front, opened(tmp_path) as ledger:
        host = LiveHost(client_of(front.url), ledger)
        host.watch()
        stream = host.touched.stream
        assert stream is not None
        host.keep_uses(host.observe())

        def look(number: int) -> list[str]:
            """What is counted after a job that the stream told of."""
            fresh_engine.docker("run", "--rm", "--network", "none", reference, "true")
            told_until(stream, sentinel(fresh_engine, f"{unique}-{number}"))
            counted = host.uses.counted
            host.keep_uses(host.observe())
            return [each.reference for each in host.uses.counted[len(counted) :]]

        def asked() -> int:
            return sum("/events?" in each for each in front.requests)

        assert asked() == 1
        assert set(look(1)) == {reference}
        assert set(look(2)) == {reference}
        assert asked() == 1
        uses = ledger.recall_summaries(host.key, "reference")[reference].count
        assert (
            uses
            == ledger.recall_summaries(host.key, "image")[
                fresh_engine.api("GET", f"/images/{reference}/json")["Id"]
            ].count
        )
        stream.breaks += 1
        assert set(look(3)) == {reference}
        assert asked() == 2
        host.close()
