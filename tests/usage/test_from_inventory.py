"""What containers and build cache records tell of use."""

from __future__ import annotations

from typing import Any

from holystone.planner.inventory import CacheRecord, Container, Engine, Image, Inventory, Network
from holystone.planner.names import Names
from holystone.usage.from_inventory import of_cache, of_containers
from holystone.usage.sighting import Sighting, last_seen

NOW = 10_000.0
NODE = Image("sha256:" + "a" * 64, ("node:18",), ("node@sha256:" + "1" * 64,))
APP = Image("sha256:" + "b" * 64, ("r.example.com/app:1", "app:latest"), parent=NODE.id)
STEP = Image("sha256:" + "c" * 64, parent=NODE.id)
IMAGES = (NODE, APP, STEP)
NAMES = Names(IMAGES)


def container(name: str, image: Image, asked: str, state: str, **more: float) -> Container:
    return Container(name, name, image.id, asked, state, **more)  # type: ignore[arg-type]


def host(*containers: Container) -> Inventory:
    engine = Engine("e", "n", "28", "1.51", "overlay2")
    return Inventory(engine, NOW, IMAGES, containers)


def test_a_container_uses_the_reference_it_was_started_from() -> None:
    """By an ID it may be any of the image's; one that went on at the last look says nothing new."""
    inventory = host(
        container("1", NODE, "node:18", "running", created=9000.0),
        container("2", APP, APP.id, "exited", created=8000.0, finished=8500.0),
        container("3", NODE, "node:18", "created", created=9500.0),
        container("4", STEP, STEP.id, "running", created=100.0),
    )
    seen = of_containers(inventory, NAMES, since=200.0)
    assert [(each.at, each.reference, each.image, each.until) for each in seen] == [
        (9000.0, "docker.io/library/node:18", NODE.id, NOW),
        (8000.0, "r.example.com/app:1", APP.id, 8500.0),
        (8000.0, "docker.io/library/app:latest", APP.id, 8500.0),
        (9500.0, "docker.io/library/node:18", NODE.id, 9500.0),
        (100.0, "", STEP.id, NOW),
    ]
    assert of_containers(inventory, NAMES)[-1].reference == "docker.io/library/node:18"


def test_what_buildkit_pulled_is_used_with_the_steps_on_it() -> None:
    """Of a layer that two images share the description has only the first of them."""
    a, b = "pulled from docker.io/library/a:1@sha256:1", "pulled from r.example.com/b@sha256:"
    digest = "2" * 64
    records = (
        CacheRecord("shared", description=a, created=1.0, last_used=900.0),
        CacheRecord("top a", ("shared",), description=a, created=1.0, last_used=100.0),
        CacheRecord("top b", ("shared",), description=b + digest, created=1.0, last_used=200.0),
        CacheRecord("step on b", ("top b",), description="mount / from exec", last_used=700.0),
        CacheRecord("step on that", ("step on b",), created=800.0),
        CacheRecord("local", description="from local ", last_used=950.0),
    )
    assert sorted(of_cache(records, NAMES)) == [
        Sighting(100.0, "docker.io/library/a:1"),
        Sighting(800.0, "r.example.com/b@sha256:" + digest),
    ]
    assert of_cache(records[-1:], NAMES) == []


def test_what_the_containers_of_a_host_tell() -> None:
    """Running: now. Stopped: until then. Never started: when it was made. The latest counts."""

    def made(name: str, state: str, **more: Any) -> Container:
        return Container(name, name, more.pop("of"), "", state, **more)

    inventory = Inventory(
        Engine("e", "n", "28", "1.51", "overlay2"),
        NOW,
        containers=(
            made("1", "running", of="a", created=5.0, volumes=("v",), networks=("net", "x")),
            made("2", "exited", of="b", created=5.0, finished=50.0, volumes=("v", "w")),
            made("3", "exited", of="b", created=60.0),
            made("4", "created", of="c", created=70.0),
            made("5", "exited", of="d"),
            made("6", "exited", of="e", created=5.0, finished=NOW + 99),
        ),
        networks=(Network("id-of-net", "net"),),
    )
    assert last_seen(of_containers(inventory, Names(()))) == {
        ("image", "a"): NOW,
        ("image", "b"): 60.0,
        ("image", "c"): 70.0,
        ("image", "e"): NOW,
        ("volume", "v"): NOW,
        ("volume", "w"): 50.0,
        ("network", "id-of-net"): NOW,
    }
