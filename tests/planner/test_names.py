"""Who is meant by a name, and which references an image has."""

from __future__ import annotations

import pytest

from holystone.planner.inventory import Image, Layer
from holystone.planner.names import Names, complete, tags_by_repository

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


def test_the_tags_of_a_repository_are_counted_whatever_its_registry() -> None:
    tags = tuple(f"localhost:5000/app:{version}" for version in ("1.9", "1.10"))
    assert tags_by_repository([Image("a", tags)]) == {"localhost:5000/app": list(tags[::-1])}
