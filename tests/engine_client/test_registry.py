"""Asking registries through an engine that is slow, refuses, or cannot ask any."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from holystone.engine.transport.connection import connect
from holystone.planner.inventory import Engine, Image, Inventory
from holystone.registry.confirm import REMEMBERED, UNREACHED, Confirming
from holystone.registry.credentials import Credentials
from holystone.registry.probe import IN_FLIGHT, Asker
from holystone.store.store import Store
from tests.engine_client.clients import client_of
from tests.engine_client.misbehaving import (
    Behaviour,
    Host,
    InTurn,
    answers,
    cut_head,
    in_turn,
    misbehaving,
    refuses,
    silent,
    together,
)
from tests.store.examples import opened
from tests.usage.forgetful import Forgetful

ENGINE = Engine("e", "n", "20.10.24", "1.41", "overlay2")


def digest(number: int) -> str:
    return f"sha256:{number:064d}"


def image(number: int, *repositories: str) -> Image:
    return Image(
        f"image {number}", ("a:1",), tuple(f"{each}@{digest(number)}" for each in repositories)
    )


def path(repository: str, number: int) -> str:
    return f"GET /distribution/{repository}@{digest(number)}/json"


@contextmanager
def confirming(
    host: Host, memory: Store, clock: Callable[[], float], *, config: str = "/nowhere"
) -> Iterator[Confirming]:
    """Asks through a scripted engine, as one run does."""
    client = client_of(host)
    credentials = Credentials({"DOCKER_CONFIG": config})
    asker = Asker(client, credentials, patience=0.4)
    yield Confirming(asker, memory, "engine", clock)
    client.close()


def told(inventory: Inventory) -> list[tuple[bool | None, str]]:
    return [(each.in_registry, each.registry_said) for each in inventory.images]


def questions(host: Host) -> list[str]:
    return [each.partition("/distribution/")[2] for each in host.requests if "/distr" in each]


def asked(
    script: Mapping[str, Behaviour | InTurn], *images: Image, config: str = "/nowhere"
) -> tuple[list[tuple[bool | None, str]], list[str]]:
    """What is known of the images afterwards, and what the engine was asked."""
    with (
        misbehaving(script) as host,
        confirming(host, Forgetful(), lambda: 1e9, config=config) as run,
    ):
        inventory = Inventory(ENGINE, 0.0, images)
        return told(run.confirm(inventory, [each.id for each in images])), questions(host)


NO = refuses(404, "manifest unknown: manifest unknown")
YES = answers({"Descriptor": {}})
DOWN = refuses(500, "dial tcp: connection refused")


def test_one_digest_that_a_registry_has_is_enough() -> None:
    script = {
        path("docker.io/library/a", 1): NO,
        path("r.example.com/a", 1): YES,
        path("r.example.com/b", 2): NO,
        path("r.example.com/c", 4): YES,
        path("s.example.com/c", 4): YES,
    }
    told, requests = asked(
        script,
        image(1, "a", "r.example.com/a"),
        image(2, "r.example.com/b"),
        image(3),
        image(4, "r.example.com/c", "s.example.com/c"),
    )
    assert told[0] == (True, "")
    assert told[1] == (False, "r.example.com says 'manifest unknown: manifest unknown'")
    assert told[2] == (None, ""), "there is nothing to ask"
    assert told[3] == (True, "")
    assert len(requests) == 4, "after a yes nothing more is asked"


def test_several_are_asked_at_a_time_also_of_one_registry() -> None:
    """Each answer waits until so many requests have come; and never more of them come."""
    came: list[int] = []
    barrier = threading.Barrier(IN_FLIGHT, lambda: came.append(len(questions(host))))
    images = [image(n, "r.example.com/a") for n in range(3 * IN_FLIGHT)]
    script = {path("r.example.com/a", n): together(barrier, {}) for n in range(len(images))}
    with misbehaving(script) as host, confirming(host, Forgetful(), lambda: 1e9) as run:
        run.asker.patience = 60
        inventory = run.confirm(Inventory(ENGINE, 0.0, tuple(images)), [i.id for i in images])
    assert told(inventory) == [(True, "")] * len(images)
    assert came == [IN_FLIGHT, 2 * IN_FLIGHT, 3 * IN_FLIGHT]


class Clock:
    def __init__(self) -> None:
        self.now = 1e9

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(("behaviour", "has"), [(YES, True), (NO, False)])
def test_an_answer_is_remembered_for_a_day(tmp_path: Path, behaviour: Behaviour, has: bool) -> None:
    inventory = Inventory(ENGINE, 0.0, (image(1, "r.example.com/a"),))
    clock = Clock()
    began = clock.now
    asked: list[int] = []
    with misbehaving({path("r.example.com/a", 1): behaviour}) as host, opened(tmp_path) as ledger:
        for later in (0.0, REMEMBERED - 1, REMEMBERED, REMEMBERED + 1):
            clock.now = began + later
            with confirming(host, ledger, clock) as run:
                (seen,) = run.confirm(inventory, [] if later == REMEMBERED else ["image 1"]).images
            asked.append(len(questions(host)))
            if later < REMEMBERED:
                assert (seen.in_registry, seen.registry_asked) == (has, began)
            elif later == REMEMBERED:
                assert (seen.in_registry, seen.registry_asked) == (None, None), "it is too old"
            else:
                assert (seen.in_registry, seen.registry_asked) == (has, clock.now)
    assert asked == [1, 1, 1, 2]


def test_what_is_remembered_of_one_engine_says_nothing_of_another(tmp_path: Path) -> None:
    inventory = Inventory(ENGINE, 0.0, (image(1, "r.example.com/a"),))
    with misbehaving({path("r.example.com/a", 1): YES}) as host, opened(tmp_path) as ledger:
        for key in ("engine", "other"):
            with confirming(host, ledger, Clock()) as run:
                other = Confirming(run.asker, ledger, key, run.clock)
                other.confirm(inventory, ["image 1"])
        assert len(questions(host)) == 2


def test_a_registry_that_could_not_be_asked_is_asked_again_after_a_minute(tmp_path: Path) -> None:
    """And at once by the next run: nothing of it is remembered."""
    inventory = Inventory(ENGINE, 0.0, (image(1, "r.example.com/a"),))
    clock = Clock()
    script = {path("r.example.com/a", 1): in_turn(DOWN, DOWN, YES)}
    with misbehaving(script) as host, opened(tmp_path) as ledger:
        with confirming(host, ledger, clock) as run:
            for later in (0.0, UNREACHED - 1):
                clock.now = 1e9 + later
                assert told(run.confirm(inventory, ["image 1"]))[0][0] is None
            assert len(questions(host)) == 1
            clock.now = 1e9 + UNREACHED
            assert told(run.confirm(inventory, ["image 1"]))[0][0] is None
        with confirming(host, ledger, clock) as run:
            assert told(run.confirm(inventory, ["image 1"])) == [(True, "")]


def test_anew_asks_in_any_case(tmp_path: Path) -> None:
    inventory = Inventory(ENGINE, 0.0, (image(1, "r.example.com/a"),))
    script = {path("r.example.com/a", 1): in_turn(YES, NO)}
    with (
        misbehaving(script) as host,
        opened(tmp_path) as ledger,
        confirming(host, ledger, Clock()) as run,
    ):
        assert told(run.confirm(inventory, ["image 1"])) == [(True, "")]
        assert told(run.confirm(inventory, ["image 1"], anew=True))[0][0] is False


@pytest.mark.parametrize("store", ["classic", "containerd"])
@pytest.mark.parametrize(
    ("before", "once"), [(YES, True), (NO, False), (DOWN, "only where a digest proves it")]
)
def test_whether_a_registry_once_had_an_image(
    tmp_path: Path, store: str, before: Behaviour, once: bool | str
) -> None:
    """By its last word, however long ago; else by the digest, where every image has not one."""
    engine = ENGINE._replace(store=store)
    inventory = Inventory(engine, 0.0, (image(1, "r.example.com/a"),))
    clock = Clock()
    script = {path("r.example.com/a", 1): in_turn(before, DOWN)}
    with misbehaving(script) as host, opened(tmp_path) as ledger:
        for _ in range(2):
            clock.now += 40 * REMEMBERED
            with confirming(host, ledger, clock) as run:
                (seen,) = run.confirm(inventory, ["image 1"]).images
    assert seen.in_registry is None
    if isinstance(once, bool):
        assert seen.from_registry is once
    else:
        assert seen.from_registry is (True if store == "classic" else None)


def test_what_is_gone_is_forgotten(tmp_path: Path) -> None:
    both = Inventory(ENGINE, 0.0, (image(1, "r.example.com/a"), image(2, "r.example.com/a")))
    script = {path("r.example.com/a", n): YES for n in (1, 2)}
    with misbehaving(script) as host, opened(tmp_path) as ledger:
        for inventory, asked in (
            (both, "image 1"),
            (both._replace(images=both.images[1:]), "image 2"),
        ):
            with confirming(host, ledger, Clock()) as run:
                run.confirm(inventory, [asked])
        assert list(ledger.recall_registry("engine")) == [f"r.example.com/a@{digest(2)}"]


def test_a_registry_that_limits_requests_is_left_alone() -> None:
    """What it says of the rest would be the same, and each question counts."""
    refused = refuses(429, "toomanyrequests: You have reached your pull rate limit.")
    images = [image(n, "r.example.com/a") for n in range(40)]
    script = {path("r.example.com/a", n): refused for n in range(40)}
    told, requests = asked(script, *images)
    assert {has for has, _ in told} == {None}
    assert len(requests) < 3 * IN_FLIGHT


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ([NO, DOWN], "no answer from 1.example.com: dial tcp: connection refused"),
        ([refuses(404, "page not found")], "this engine cannot ask a registry"),
        ([cut_head()], "closed the connection in the middle"),
    ],
    ids=["a doubt outweighs a no", "no such call", "an engine that ends"],
)
def test_what_is_no_answer(answers: list[Behaviour], said: str) -> None:
    names = [f"{number}.example.com/a" for number in range(len(answers))]
    script = {path(name, 1): answer for name, answer in zip(names, answers, strict=True)}
    ((has, words),), _ = asked(script, image(1, *names))
    assert has is None
    assert said in words


def test_a_registry_that_never_answers_is_soon_left_alone() -> None:
    """Of forty images in it a few are asked about, together; other registries are asked beside."""
    quiet = [image(n, "quiet.example.com/a") for n in range(40)]
    script: dict[str, Behaviour | InTurn] = {
        path("quiet.example.com/a", n): silent() for n in range(40)
    }
    script[path("good.example.com/a", 50)] = answers({})
    told, requests = asked(script, *quiet, image(50, "good.example.com/a"))
    assert set(told[:40]) == {(None, "no answer from quiet.example.com within 0.4 s")}
    assert told[40] == (True, "")
    assert len(requests) <= IN_FLIGHT + 3


def test_a_registry_that_hangs_is_asked_no_second_time() -> None:
    """Neither about the rest, nor about another digest of an image, nor in a later round."""
    several = ["quiet.example.com/a", "quiet.example.com/b", "quiet.example.com/c"]
    images = [image(n, "quiet.example.com/a") for n in range(1, IN_FLIGHT + 2)]
    script: dict[str, Behaviour | InTurn] = {
        path(each, n): silent() for each in several for n in range(IN_FLIGHT + 2)
    }
    with misbehaving(script) as host, confirming(host, Forgetful(), lambda: 1e9) as run:
        first = Inventory(ENGINE, 0.0, (image(0, *several),))
        assert told(run.confirm(first, ["image 0"]))[0][0] is None
        assert len(questions(host)) == 1
        rest = run.confirm(Inventory(ENGINE, 0.0, tuple(images)), [i.id for i in images])
        assert set(told(rest)) == {(None, "no answer from quiet.example.com within 0.4 s")}
        assert len(questions(host)) == 1
    told_all, requests = asked(script, *images)
    assert {has for has, _ in told_all} == {None}
    assert 0 < len(requests) <= IN_FLIGHT, "those under way when the first ran out of time"


def test_a_registry_that_answers_is_asked_on_after_a_late_answer() -> None:
    """One question that runs out of time says nothing of the rest of a registry that answers."""
    script: dict[str, Behaviour | InTurn] = {
        path("r.example.com/a", 0): YES,
        path("r.example.com/a", 1): silent(),
        path("r.example.com/a", 2): YES,
    }
    with misbehaving(script) as host, confirming(host, Forgetful(), lambda: 1e9) as run:
        for number, has in ((0, True), (1, None), (2, True)):
            inventory = Inventory(ENGINE, 0.0, (image(number, "r.example.com/a"),))
            assert told(run.confirm(inventory, [f"image {number}"]))[0][0] is has


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


def test_credentials_that_cannot_be_read_are_no_answer(tmp_path: object) -> None:
    with open(f"{tmp_path}/config.json", "w", encoding="utf-8") as file:
        file.write("{")
    told, requests = asked({}, image(1, "r.example.com/a"), config=str(tmp_path))
    assert told == [(None, f"{tmp_path}/config.json is no JSON. Mend it.")]
    assert requests == []


def test_a_no_counts_until_the_image_is_pushed(tmp_path: Path) -> None:
    inventory = Inventory(ENGINE, 0.0, (image(1, "r.example.com/a"),))
    clock = Clock()
    reference = f"r.example.com/a@{digest(1)}"
    script = {path("r.example.com/a", 1): in_turn(NO, YES)}
    with misbehaving(script) as host, opened(tmp_path) as ledger:
        with confirming(host, ledger, clock) as run:
            run.note_seen({reference: clock.now - 1})
            assert told(run.confirm(inventory, ["image 1"]))[0][0] is False
        clock.now += 10
        with confirming(host, ledger, clock) as run:
            run.note_seen({reference: clock.now - 11})
            assert told(run.confirm(inventory, ["image 1"]))[0][0] is False, "that was before"
            run.note_seen({reference: clock.now - 1})
            assert told(run.confirm(inventory, ["image 1"])) == [(True, "")]


def test_over_ssh_one_is_asked_at_a_time() -> None:
    """Each connection is a login there."""
    came: list[int] = []
    images = [image(n, "r.example.com/a") for n in range(5)]
    barrier = threading.Barrier(1, lambda: came.append(len(questions(host))))
    script = {path("r.example.com/a", n): together(barrier, {}) for n in range(len(images))}
    with misbehaving(script) as host, confirming(host, Forgetful(), lambda: 1e9) as run:
        local = run.asker.client.endpoint
        run.asker.client.endpoint = local._replace(scheme="ssh")
        run.asker.client.dial = lambda _, timeout: connect(local, timeout)
        inventory = run.confirm(Inventory(ENGINE, 0.0, tuple(images)), [i.id for i in images])
    assert told(inventory) == [(True, "")] * len(images)
    assert came == [1, 2, 3, 4, 5]
