"""What containers and build cache records tell of use, and who is meant by a name."""

from __future__ import annotations

import pytest

from holystone.planner.inventory import CacheRecord, Container, Engine, Image, Inventory, Layer
from holystone.planner.names import Names, complete
from holystone.usage.sighting import Sighting, of_cache, of_containers

NOW = 10_000.0
NODE = Image("sha256:" + "a" * 64, ("node:18",), ("node@sha256:" + "1" * 64,))
APP = Image("sha256:" + "b" * 64, ("r.example.com/app:1", "app:latest"), parent=NODE.id)
STEP = Image("sha256:" + "c" * 64, parent=NODE.id)
IMAGES = (NODE, APP, STEP)
NAMES = Names(IMAGES)


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("node:18", "docker.io/library/node:18"),
        ("docker.io/node", "docker.io/library/node:latest"),
        ("node:18@sha256:" + "1" * 64, "docker.io/library/node@sha256:" + "1" * 64),
        ("sha256:" + "a" * 64, ""),
        ("a" * 64, ""),
        ("8f1864074f98", ""),
        ("no reference!", ""),
    ],
)
def test_a_reference_in_full(text: str, full: str) -> None:
    """IDs are none, and a digest alone decides what is meant."""
    assert complete(text) == full


def test_what_stands_behind_a_name() -> None:
    """Written in whatever way; as the engine lists it, or in full as Podman does."""
    for written in ("node:18", "docker.io/library/node:18", "node:18@sha256:" + "1" * 64):
        assert NAMES.behind(written) == NODE.id
    assert NAMES.behind("app") == APP.id
    assert NAMES.behind("redis:7") == ""
    podman = Image("p", ("docker.io/library/node:18",))
    assert Names((podman,)).behind("node:18") == "p"
    assert NAMES.meant("node:18") == {NODE.id}
    assert NAMES.meant("sha256:aaaa") == {NODE.id}
    assert NAMES.meant("cc") == {STEP.id}
    assert NAMES.meant("") == set()


def test_the_references_of_an_image() -> None:
    """A step of a classic build stands on what its FROM named."""
    assert NAMES.references(APP.id) == ("r.example.com/app:1", "docker.io/library/app:latest")
    assert NAMES.references(STEP.id) == ("docker.io/library/node:18",)
    assert NAMES.references("sha256:gone") == ()


def stack(image: str, tag: str, *chain: str) -> Image:
    return Image(image, (tag,) if tag else (), layers=tuple(Layer(each, 1) for each in chain))


def test_what_an_image_was_built_on_by_its_layers() -> None:
    """The tagged image that has the most of them, not another version of the same repository."""
    debian = stack("debian", "debian:12", "1")
    python = stack("python", "python:3.12", "1", "2")
    twin = stack("python", "mirror.example.com/python:3.12", "1", "2")._replace(id="twin")
    before = stack("before", "app:1", "1", "2", "3")
    built = stack("built", "app:2", "1", "2", "3", "4")
    nameless = stack("nameless", "", "1", "2", "3")
    names = Names((debian, python, twin, before, built, nameless))
    assert names.bases("built") == ("python", "twin")
    assert names.bases("python") == ("debian",)
    assert names.bases("debian") == ()
    assert names.bases("gone") == ()


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
