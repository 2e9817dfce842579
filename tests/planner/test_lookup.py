"""What a user means by a name, a reference, an ID or the start of one."""

from __future__ import annotations

from typing import Any

import pytest

from holystone.planner.inventory import (
    CacheRecord,
    Container,
    Engine,
    Image,
    Inventory,
    Network,
    Volume,
)
from holystone.planner.lookup import covering, find, find_images, names_of

ENGINE = Engine("", "", "", "", "")
AA, AB, CC = "aa" * 32, "ab" * 32, "cc" * 32
IMAGES = (
    Image(f"sha256:{AA}", tags=("python:3.12-slim",), digests=(f"python@sha256:{CC}",)),
    Image(f"sha256:{AB}", tags=("node:18-alpine", "node:latest")),
    Image(f"sha256:aaaa{AB[4:]}", tags=("node:20-alpine", "registry.example.com/team/app:1")),
    Image(f"sha256:{'0' * 64}"),
    Image(f"sha256:{'1' * 64}", tags=("localhost/built:latest", "cafe:1", "redis:7")),
    Image(f"sha256:cafe{'2' * 60}", digests=(f"hadolint/hadolint@sha256:{AA}",)),
)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("python:3.12-slim", [0]),
        ("docker.io/library/python:3.12-slim", [0]),
        ("docker.io/python:3.12-slim", [0]),
        (f"python@sha256:{CC}", [0]),
        (f"docker.io/library/python@sha256:{CC}", [0]),
        (f"python:whatever@sha256:{CC}", [0]),
        ("python", [0]),
        ("python:3.11", []),
        ("node", [1]),
        ("node:18-alpine", [1]),
        ("registry.example.com/team/app", [2]),
        ("app", [2]),
        ("app:1", [2]),
        ("team/app", [2]),
        ("eam/app", []),
        ("app:2", []),
        ("registry.example.com/*", [2]),
        ("team/*", [2]),
        ("*/app", [2]),
        ("node:*", [1, 2]),
        ("node:*-alpine", [1, 2]),
        ("node:1?-alpine", [1]),
        ("*", [0, 1, 2, 4, 5]),
        ("nothing/*", []),
        ("built", [4]),
        ("built:latest", [4]),
        ("localhost/built", [4]),
        ("cafe", [4, 5]),
        ("cafe:1", [4]),
        ("hadolint/hadolint", [5]),
        (AA, [0]),
        (f"sha256:{AB}", [1]),
        (f"sha256:{CC}", [0]),
        ("aaaa", [0, 2]),
        ("aaaaa", [0, 2]),
        ("aaaaaaaaaa", [0]),
        ("sha256:aaaaab", [2]),
        ("abab", [1]),
        ("aba", []),
        ("0000", [3]),
        ("nothing", []),
        ("", []),
        ("Not A Reference", []),
    ],
)
def test_find_images(text: str, found: list[int]) -> None:
    assert sorted(IMAGES.index(i) for i in find_images(IMAGES, text)) == found


CONTAINERS = (
    Container("abcd" * 16, "web", AA, "python", "running"),
    Container("abce" * 16, "abcd", AA, "python", "running"),
)


@pytest.mark.parametrize(
    ("text", "found"),
    [("web", [0]), ("/web", [0]), ("abcd", [1]), ("abcda", [0]), ("abc", []), ("abce", [1])],
)
def test_find_containers(text: str, found: list[int]) -> None:
    assert meant(text, containers=CONTAINERS) == [CONTAINERS[n].id for n in found]


@pytest.mark.parametrize(
    ("text", "found"),
    [("data", ["data"]), ("feedfeed", ["feed" * 16]), ("dat", []), ("front", ["ab12" * 16]),
     ("ab34", ["ab34" * 16]), ("ab", []), ("xyz1abd", ["xyz1abd"]),
     ("xyz1", ["xyz1abc", "xyz1abd"]), ("xyz", [])],
)  # fmt: skip
def test_find_volumes_networks_and_cache(text: str, found: list[str]) -> None:
    volumes = (Volume("data"), Volume("data2"), Volume("feed" * 16, anonymous=True))
    networks = (Network("ab12" * 16, "front"), Network("ab34" * 16, "back"))
    records = (CacheRecord("xyz1abc"), CacheRecord("xyz1abd"))
    assert meant(text, volumes=volumes, networks=networks, cache=records) == found


def meant(text: str, **objects: Any) -> list[str]:
    """The IDs of what is meant on a host with these objects alone."""
    return [each.id for each in find(Inventory(ENGINE, 0.0, **objects), text)]


def test_find_over_all_kinds_prefers_the_exact_and_tells_ambiguity() -> None:
    inventory = Inventory(
        ENGINE,
        0.0,
        images=IMAGES,
        containers=(*CONTAINERS, Container("9" * 64, "redis", AA, "redis:7", "running")),
        cache=(CacheRecord("webrecord"),),
        volumes=(Volume("redis:7"), Volume("web")),
    )
    assert [(f.kind, f.id) for f in find(inventory, "web")] == [
        ("container", CONTAINERS[0].id),
        ("volume", "web"),
    ]
    assert [f.kind for f in find(inventory, "redis:7")] == ["image", "volume"]
    assert [f.kind for f in find(inventory, "redis:7", kinds=("image",))] == ["image"]
    assert find(inventory, "redis:7", kinds=("image",))[0].names == IMAGES[4].tags
    # The container is meant exactly, the image only by its repository.
    assert [f.kind for f in find(inventory, "redis")] == ["container"]
    assert [f.kind for f in find(inventory, "webr")] == ["cache"]
    assert [f.kind for f in find(inventory, "we*")] == ["container", "volume"]
    assert find(inventory, "none such") == []


def test_a_pattern_without_a_slash_is_about_the_last_part_of_a_name() -> None:
    covers = covering(["docker.io/library/node:20"], "*node*")
    assert covers("docker.io/library/node:20")
    assert covers("registry.example.com/team/app-node:3")
    assert not covers("registry.example.com/node/app:3")


def test_the_names_that_somebody_can_have_meant() -> None:
    inventory = Inventory(
        ENGINE,
        0.0,
        images=IMAGES[:2],
        containers=CONTAINERS,
        volumes=(Volume("data"), Volume("feed" * 16, anonymous=True)),
        networks=(Network("ab12" * 16, "front"),),
    )
    of_images = ["python:3.12-slim", "node:18-alpine", "node:latest"]
    assert names_of(inventory) == [*of_images, "web", "abcd", "data", "front"]
    assert names_of(inventory, ("image",)) == of_images
    assert names_of(inventory, ("container",)) == ["web", "abcd"]
    assert names_of(inventory, ("volume", "network")) == ["data", "front"]
