"""Which tags are refreshed; and pulls that end because the window closes or of Ctrl-C."""

from __future__ import annotations

import os
import signal

import pytest

from holystone.engine.client import Client
from holystone.operations.refresh import FAILED, LEFT, PULLED, carry_out
from holystone.operations.refresh_plan import (
    ABSENT,
    LOCAL,
    MISSING,
    NAMED,
    NEWER,
    PROTECTED,
    RECENTLY,
    USED,
    Entry,
    RefreshError,
    choose,
    stand,
)
from holystone.operations.watching import Unwatched
from holystone.planner.inventory import Engine as EngineFacts
from holystone.planner.inventory import Image, Inventory
from holystone.planner.policy import Protect
from holystone.planner.usage import Usage
from holystone.registry.credentials import Credentials
from holystone.registry.probe import Asker
from holystone.registry.pull import Puller
from tests.engine.restoring import image, pushed
from tests.engine_client.clients import client_of
from tests.engine_client.misbehaving import HANG, answers, misbehaving, refuses
from tests.engine_client.test_pulling import progress, stream
from tests.engines import Engine, Registry

NOW = 1_750_000_000.0
HOST = Inventory(
    EngineFacts("e", "n", "28", "1.51", "overlay2"),
    NOW,
    (
        Image("1", ("python:3.12-slim", "mirror.example.com/python:3.12-slim")),
        Image("2", ("python:3.12",)),
        Image("3", ("r.example.com/app:1",)),
        Image("4", (), ("python@sha256:" + "4" * 64,)),
    ),
)
USAGE = Usage(last_used={("image", "3"): NOW - RECENTLY + 1, ("image", "2"): NOW - RECENTLY - 1})


def look_up(client: Client, chosen: list[Entry], store: str) -> list[Entry]:
    asker = Asker(client, Credentials({"DOCKER_CONFIG": "/nowhere"}))
    return stand(lambda each: asker.ask((one,) for one in each), chosen, store)


def chosen(*patterns: str, protect: Protect | None = None, missing: bool = False) -> dict[str, str]:
    found = choose(HOST, USAGE, protect or Protect(), patterns, missing=missing)
    return {each.reference: each.why for each in found}


def test_what_is_chosen_without_asking_for_anything() -> None:
    """What any of the lists covers, each with its exceptions; and what was used within 30 days."""
    assert chosen() == {"r.example.com/app:1": USED}
    protect = Protect(
        images=("python", "!python:3.12-slim", "redis:7", "redis"),
        other_images=(
            ("mirror.example.com/*:*-slim", "node:20", "node:22", "!node:22", "docker.io/node:20"),
        ),
    )
    here = {
        "python:3.12": PROTECTED,
        "mirror.example.com/python:3.12-slim": PROTECTED,
        "r.example.com/app:1": USED,
    }
    assert chosen(protect=protect) == here
    missing = {"redis:7": PROTECTED, "node:20": PROTECTED}
    assert chosen(protect=protect, missing=True) == here | missing


def test_what_is_asked_for() -> None:
    """A name without a tag is every tag of it that is here; else what docker would make of it."""
    assert chosen("python:*", "python") == {"python:3.12": NAMED, "python:3.12-slim": NAMED}
    assert chosen("docker.io/library/python:3.12") == {"python:3.12": NAMED}
    assert chosen("redis") == {"redis:latest": NAMED}
    with pytest.raises(RefreshError, match="no tag here that 'redis:\\*' covers"):
        chosen("redis:*")


def test_what_podman_calls_localhost_is_no_registry() -> None:
    """Nobody is asked about it, nor about what is not here and not to be pulled."""
    with misbehaving({}) as host:
        client = client_of(host)
        wanted = [
            Entry("localhost/app:1", PROTECTED, Image("1", ("localhost/app:1",))),
            Entry("redis:7", NAMED),
        ]
        told = look_up(client, wanted, "podman")
        client.close()
        assert [each.state for each in told] == [LOCAL, ABSENT]
        assert not [each for each in host.requests if "manifests" in each or "distrib" in each]


@pytest.mark.engine("docker20")
def test_no_pull_begins_once_the_window_has_closed(
    fresh_engine: Engine, registry: Registry, unique: str
) -> None:
    tags = []
    for name in "abc":
        tags.append(
            pushed(fresh_engine, registry, f"{unique}-{name}", "1").partition("@")[0] + ":1"
        )
        fresh_engine.api("DELETE", f"/images/{tags[-1]}")
    client = client_of(fresh_engine.host)
    times = iter((True, False, False))
    done, _ = carry_out(
        [Entry(tag, NAMED, state=MISSING) for tag in tags],
        Puller(client, Credentials({"DOCKER_CONFIG": "/nowhere"})),
        Unwatched(),
        parallel=1,
        may_begin=lambda: next(times),
    )
    client.close()
    assert [each.result for each in done] == [PULLED, LEFT, LEFT]
    assert done[1].detail == "the window has closed"
    assert [image(fresh_engine, tag) is not None for tag in tags] == [True, False, False]


def test_ctrl_c_leaves_the_rest_as_it_was() -> None:
    class Interrupting(Unwatched):
        """Presses Ctrl-C once bytes come."""

        def moved(self, *_: int) -> None:
            os.kill(os.getpid(), signal.SIGINT)

    reference = "r.example.com/app:1"
    here = Image("sha256:" + "1" * 64, (reference,))
    standings = [Entry(reference, NAMED, here, NEWER)] * 2
    script = {
        f"POST /images/create?fromImage={reference}": stream(
            progress("a", "Downloading", 1, 2), then=HANG
        )
    }
    with misbehaving(script) as host:
        client = client_of(host)
        puller = Puller(client, Credentials({"DOCKER_CONFIG": "/nowhere"}))
        done, interrupted = carry_out(standings, puller, Interrupting(), parallel=1)
        client.close()
    assert interrupted == "interrupted"
    assert [each.result for each in done] == [FAILED, LEFT]
    assert {each.image_id for each in done} == {here.id}


def test_a_registry_that_does_not_know_what_is_here() -> None:
    """With the containerd store that may have been built here; doubt leaves it alone too."""
    digests = {name: f"r.example.com/{name}@sha256:{n:064}" for n, name in enumerate("abc")}
    script = {}
    for name, digest in digests.items():
        newer = answers({"Descriptor": {"digest": "sha256:" + "f" * 64}})
        script[f"GET /distribution/r.example.com/{name}:1/json"] = newer
        script[f"GET /distribution/{digest}/json"] = {
            "a": answers({}),
            "b": refuses(404, "manifest unknown"),
            "c": refuses(500, "EOF"),
        }[name]
    wanted = [
        Entry(f"r.example.com/{name}:1", why, Image(name, (), (digest,)))
        for why in (PROTECTED, NAMED)
        for name, digest in digests.items()
    ]
    with misbehaving(script) as host:
        client = client_of(host)
        protected = look_up(client, wanted[:3], "containerd")
        named = look_up(client, wanted[3:], "containerd")
        client.close()
    assert [each.state for each in protected] == ["newer", "local", "unanswered"]
    assert [each.state for each in named] == ["newer"] * 3
