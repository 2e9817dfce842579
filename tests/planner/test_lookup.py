"""What a user means by a name, a pattern, an ID or the start of one, and names close to it."""

from __future__ import annotations

import time
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
from holystone.planner.lookup import (
    closest,
    covering,
    did_you_mean,
    find,
    find_images,
    names_of,
    reference_test,
)

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


NAMES = (
    "127.0.0.1:5000/team/app-node:1.5",
    "127.0.0.1:5000/team/app-node:1.4",
    "node:18-alpine",
    "node:20-alpine",
    "python:3.12-slim",
    "registry.example.com/team/backend:main",
    f"hadolint/hadolint@sha256:{'a' * 64}",
)


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("app-node:1.5", "127.0.0.1:5000/team/app-node:1.5"),
        ("app-node:1.55", "127.0.0.1:5000/team/app-node:1.5"),
        ("app-nod:1.4", "127.0.0.1:5000/team/app-node:1.4"),
        ("other/app-node:1.4", "127.0.0.1:5000/team/app-node:1.4"),
        ("nod:18-alpine", "node:18-alpine"),
        ("node:18", "node:18-alpine"),
        ("pyhton", "python:3.12-slim"),
        ("Python:3.12-Slim", "python:3.12-slim"),
        ("backnd", "registry.example.com/team/backend:main"),
        ("hadolit", NAMES[-1]),
    ],
)
def test_the_closest_name_comes_first(text: str, first: str) -> None:
    found = closest(NAMES, text)
    assert found[0] == first
    assert len(found) <= 3
    assert did_you_mean(NAMES, text).startswith(f" Did you mean {first}")


def test_the_same_last_part_comes_before_what_is_only_similar() -> None:
    assert closest(NAMES, "node") == [
        "node:18-alpine", "node:20-alpine", "127.0.0.1:5000/team/app-node:1.4",
    ]  # fmt: skip
    assert did_you_mean(NAMES[:2], "app-node") == (
        " Did you mean 127.0.0.1:5000/team/app-node:1.4 or 127.0.0.1:5000/team/app-node:1.5?"
    )


@pytest.mark.parametrize("text", ["", "zzzz", "x" * 300, "::"])
def test_nothing_is_close(text: str) -> None:
    assert closest(NAMES, text) == []
    assert did_you_mean(NAMES, text) == ""


def test_ten_thousand_names_take_no_time() -> None:
    names = [f"registry.example.com/team/service-{n}:{n}.0" for n in range(10_000)]
    began = time.process_time()
    assert closest(names, "servce-77:77.0")
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    ("text", "covered"),
    [
        ("node:*", [2, 3]), ("*-alpine", []), ("team/*", [0, 1, 5]), ("app-node:1.5", [0]),
        ("app-*:1.?", [0, 1]), ("team/app-node", [0, 1]), ("eam/app-node", []),
        ("hadolint", [6]), ("**", [0, 1, 2, 3, 4, 5, 6]), ("bad name", []),
    ],
)  # fmt: skip
def test_patterns_and_ends_of_names(text: str, covered: list[int]) -> None:
    covers = covering(NAMES, text)
    assert [NAMES.index(name) for name in NAMES if covers(name)] == covered


def test_a_pattern_that_covers_something_as_it_stands_covers_no_more() -> None:
    names = ("team/app:1", "registry.example.com/team/app:1")
    covers = covering(names, "team/*")
    assert [covers(name) for name in names] == [True, False]
    either = reference_test("team/*")
    assert [either(name) for name in names] == [True, True]
