"""Asking registries through an engine that is slow, refuses, or cannot ask any."""

from __future__ import annotations

import time
from collections.abc import Mapping

from holystone.core.inventory import Engine, Image, Inventory
from holystone.engine.api import Client
from holystone.engine.credentials import Credentials
from holystone.engine.registry import confirm
from holystone.engine.transport.connection import connect
from holystone.engine.transport.endpoint import parse_host
from tests.engine_client.misbehaving import (
    Behaviour,
    InTurn,
    answers,
    cut_head,
    misbehaving,
    refuses,
    silent,
)

ENGINE = Engine("e", "n", "20.10.24", "1.41", "overlay2")


def digest(number: int) -> str:
    return f"sha256:{number:064d}"


def image(number: int, *repositories: str) -> Image:
    return Image(
        f"image {number}", ("a:1",), tuple(f"{each}@{digest(number)}" for each in repositories)
    )


def path(repository: str, number: int) -> str:
    return f"GET /distribution/{repository}@{digest(number)}/json"


def asked(
    script: Mapping[str, Behaviour | InTurn], *images: Image, config: str = "/nowhere"
) -> tuple[list[tuple[bool | None, str]], list[str]]:
    """What is known of the images afterwards, and what the engine was asked."""
    with misbehaving(script) as host:
        client = Client(parse_host(host, "test", "test"), 60, connect)
        inventory = Inventory(ENGINE, 0.0, images)
        credentials = Credentials({"DOCKER_CONFIG": config})
        ids = [each.id for each in images]
        told = confirm(client, credentials, inventory, ids, patience=0.4)
        client.close()
        requests = [each for each in host.requests if "/distribution/" in each]
    return [(each.in_registry, each.registry_said) for each in told.images], requests


def test_one_digest_that_a_registry_has_is_enough() -> None:
    script = {
        path("docker.io/library/a", 1): refuses(404, "manifest unknown: manifest unknown"),
        path("r.example.com/a", 1): answers({"Descriptor": {}}),
        path("r.example.com/b", 2): refuses(404, "manifest unknown: manifest unknown"),
    }
    told, requests = asked(
        script, image(1, "a", "r.example.com/a"), image(2, "r.example.com/b"), image(3)
    )
    assert told[0] == (True, "")
    assert told[1] == (False, "r.example.com says 'manifest unknown: manifest unknown'")
    assert told[2] == (None, ""), "there is nothing to ask"
    assert len(requests) == 3


def test_a_doubt_outweighs_a_no() -> None:
    script = {
        path("a.example.com/a", 1): refuses(404, "manifest unknown"),
        path("b.example.com/a", 1): refuses(500, "dial tcp: connection refused"),
    }
    told, _ = asked(script, image(1, "a.example.com/a", "b.example.com/a"))
    assert told == [(None, "no answer from b.example.com: dial tcp: connection refused")]


def test_a_registry_that_never_answers_costs_its_time_once() -> None:
    """Of forty images in it eight are asked about, together; other registries are not kept."""
    quiet = [image(n, "quiet.example.com/a") for n in range(40)]
    script: dict[str, Behaviour | InTurn] = {
        path("quiet.example.com/a", n): silent() for n in range(40)
    }
    script[path("good.example.com/a", 50)] = answers({})
    began = time.monotonic()
    told, requests = asked(script, *quiet, image(50, "good.example.com/a"))
    assert time.monotonic() - began < 3
    assert set(told[:40]) == {(None, "no answer from quiet.example.com within 0.4 s")}
    assert told[40] == (True, "")
    assert len(requests) <= 10


def test_a_registry_that_refuses_some_is_asked_on() -> None:
    """Access is a matter of the repository; a login of one says nothing of the next."""
    script: dict[str, Behaviour | InTurn] = {
        path("r.example.com/a", n): refuses(403, "denied: requested access to it is denied")
        for n in range(10)
    }
    script[path("r.example.com/open", 20)] = answers({})
    images = [image(n, "r.example.com/a") for n in range(10)]
    told, _ = asked(script, *images, image(20, "r.example.com/open"))
    assert set(told[:10]) == {
        (None, "r.example.com refuses access: denied: requested access to it is denied")
    }
    assert told[10] == (True, "")


def test_an_engine_that_cannot_ask() -> None:
    told, _ = asked({}, image(1, "r.example.com/a"))
    assert told == [(None, "this engine cannot ask a registry")]


def test_credentials_that_cannot_be_read_are_no_answer(tmp_path: object) -> None:
    with open(f"{tmp_path}/config.json", "w", encoding="utf-8") as file:
        file.write("{")
    told, requests = asked({}, image(1, "r.example.com/a"), config=str(tmp_path))
    assert told == [(None, f"{tmp_path}/config.json is no JSON. Mend it.")]
    assert requests == []


def test_an_engine_that_ends_in_the_middle() -> None:
    told, _ = asked({path("r.example.com/a", 1): cut_head()}, image(1, "r.example.com/a"))
    assert told[0][0] is None
    assert "closed the connection in the middle" in told[0][1]
