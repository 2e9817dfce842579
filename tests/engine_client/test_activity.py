"""What the engine's log of events tells of the time since a plan was made."""

from __future__ import annotations

import pytest

from holystone.engine.activity import read_since
from holystone.engine.events import Event
from holystone.planner.inventory import Container, Engine, Image, Inventory

MOMENT = 1000.0
IMAGE = f"sha256:{'1' * 64}"
HOST = Inventory(
    Engine("e", "e", "28", "1.51", "overlay2"),
    MOMENT,
    (Image(IMAGE, ("app:1",)),),
    (Container("here", "here", "app:1", IMAGE, "exited"),),
)


def event(at: float, kind: str, action: str, object_id: str, image: str = "") -> Event:
    return Event(kind, action, object_id, "", image, int(at * 1e9))


BEFORE = event(999, "volume", "create", "data")


@pytest.mark.parametrize(
    ("later", "used"),
    [
        (event(1001, "volume", "mount", "data"), {("volume", "data")}),
        (event(1001, "volume", "unmount", "data"), set()),
        (event(1001, "volume", "destroy", "data"), set()),
        (event(1001, "network", "connect", "net"), {("network", "net")}),
        (event(1001, "container", "create", "c", "app:1"), {("container", "c"), ("image", IMAGE)}),
        (event(1001, "container", "start", "here"), {("container", "here")}),
        (event(1001, "container", "destroy", "c", "app:1"), set()),
        (event(1001, "image", "tag", IMAGE), {("image", IMAGE)}),
        (event(1001, "image", "pull", "app:1"), {("image", "app:1"), ("image", IMAGE)}),
        (event(1001, "image", "untag", IMAGE), set()),
    ],
    ids=lambda value: f"{value.kind} {value.action}" if isinstance(value, Event) else "",
)
def test_what_events_say_was_used(later: Event, used: set[tuple[str, str]]) -> None:
    since = read_since([BEFORE, later], HOST, MOMENT)
    assert since.complete
    assert since.used == used


def test_what_happened_before_is_in_the_plan() -> None:
    assert not read_since([BEFORE], HOST, MOMENT).used


@pytest.mark.parametrize("events", [[], [event(1001, "volume", "mount", "data")]])
def test_without_an_event_from_before_the_log_may_begin_later(events: list[Event]) -> None:
    """As after a restart, or where more came than the engine keeps."""
    assert not read_since(events, HOST, MOMENT).complete


def test_podman_does_not_tell_the_volumes_of_a_container_that_is_gone() -> None:
    for container, complete in (("here", True), ("gone", False)):
        events = [BEFORE, event(1001, "container", "start", container)]
        assert read_since(events, HOST, MOMENT, podman=True).complete is complete
        assert read_since(events, HOST, MOMENT).complete
