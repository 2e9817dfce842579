"""Cleans that do not come to their planned end: what was done and what was not is told."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cli.command import Command, Done, ended, interrupt, wait_until
from tests.cli.contract import check_clean, removed
from tests.cli.faulty import Dead, Gate, proxied
from tests.cli.test_text import FIRST, LAST
from tests.engines import Engine
from tests.engines.images import ImageToLoad, layer, load

pytestmark = pytest.mark.engine("docker20")
CLEAN = ("clean", "--min-age", "0s")
IMAGES = 12
WORKERS = 4
"""Removals under way at a time on this engine."""


@pytest.fixture
def dangling(fresh_engine: Engine, unique: str) -> Engine:
    """An engine with a dozen untagged images and nothing else."""
    load(
        fresh_engine,
        *(ImageToLoad([layer(f"{unique} {n}")], labels={"n": f"{n}"}) for n in range(IMAGES)),
    )
    return fresh_engine


def left(engine: Engine) -> int:
    return len(engine.client.list("/images/json?all=1"))


def answer(status: int, message: str) -> bytes:
    """An error as the engine puts it."""
    body = json.dumps({"message": message})
    return f"HTTP/1.1 {status} No\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


def results(done: Done) -> Counter[str]:
    """What became of the steps."""
    items = check_clean(done.json).values()
    return Counter(item["result"] for item in items if item["action"] == "remove")


def dies_at(number: int) -> Gate:
    """The engine is gone with this removal."""

    def gate(now: int) -> None:
        if now >= number:
            raise Dead

    return gate


def test_an_engine_that_goes_away(dangling: Engine, holystone: Command) -> None:
    with proxied(dangling.socket, dies_at(6)) as proxy:
        done = holystone(*CLEAN, "--json", "-H", proxy.host)
    assert (done.code, done.err) == (3, "")
    items = check_clean(done.json)
    outcome = done.json["outcome"]
    assert outcome["interrupted"] == "the engine went away"
    gone = len(removed(items))
    assert 6 - WORKERS < gone <= 6
    assert outcome["failed"] + outcome["unknown"] + outcome["not_tried"] == IMAGES - gone
    assert 0 < outcome["unknown"] <= WORKERS
    assert outcome["freed_bytes"] == 10_000 * gone
    # A removal under way when the connection broke may have been carried out.
    assert 0 <= IMAGES - gone - left(dangling) <= WORKERS
    details = {(item["result"], item["detail"].partition(": ")[0]) for item in items.values()}
    assert ("not_tried", "not tried") in details
    assert ("unknown", "the engine went away") in details


def test_an_engine_that_goes_away_told_in_text(dangling: Engine, holystone: Command) -> None:
    with proxied(dangling.socket, dies_at(6)) as proxy:
        done = holystone(*CLEAN, "-H", proxy.host)
    assert (done.code, done.err) == (3, "")
    first, *between, last = done.out.splitlines()
    assert first == FIRST
    assert last.startswith("❌ Clean-up ended early, ")
    assert last.endswith(" of 12 steps done: the engine went away")
    assert LAST not in done.out
    assert any(line.startswith("Unknown: ") for line in between)
    assert any(line.startswith("Not tried: ") for line in between)
    assert "`holystone restore 1` brings back what these images lost." in " ".join(between)


def test_an_engine_that_goes_away_before_the_first_removal(
    dangling: Engine, holystone: Command
) -> None:
    with proxied(dangling.socket, dies_at(0)) as proxy:
        done = holystone(*CLEAN, "--json", "-H", proxy.host)
    assert (done.code, done.err) == (3, "")
    told = Counter(results(done))
    assert 0 < told["unknown"] <= WORKERS
    assert told["unknown"] + told["failed"] + told["not_tried"] == told.total() == IMAGES
    assert told["not_tried"]
    assert left(dangling) == IMAGES


def test_a_step_that_fails(dangling: Engine, holystone: Command) -> None:
    """The others are made."""
    fault = answer(500, "the storage driver has a headache")
    with proxied(dangling.socket, lambda number: fault if number == 3 else None) as proxy:
        done = holystone(*CLEAN, "--json", "-H", proxy.host)
    assert (done.code, done.err) == (3, "")
    assert results(done) == {"removed": IMAGES - 1, "failed": 1}
    (failed,) = [item for item in done.json["items"] if item["result"] == "failed"]
    assert "the storage driver has a headache" in failed["detail"]
    assert done.json["outcome"]["interrupted"] is None
    assert [i["Id"] for i in dangling.client.list("/images/json")] == [failed["id"]]


def test_a_step_that_fails_told_in_text(dangling: Engine, holystone: Command) -> None:
    fault = answer(500, "the storage driver has a headache")
    with proxied(dangling.socket, lambda number: fault if number == 3 else None) as proxy:
        done = holystone(*CLEAN, "-H", proxy.host)
    assert done.code == 3
    assert done.out.startswith(f"{FIRST}\n")
    assert done.out.endswith("\n❌ Clean-up incomplete: 1 removal failed\n")
    assert "Failed: 1\n" in done.out
    assert "the storage driver has a headache" in " ".join(done.out.split())
    assert "Freed 110 kB in" in done.out


def test_a_refusal_is_a_skip_and_no_failure(dangling: Engine, holystone: Command) -> None:
    refusal = answer(409, "conflict: image is being used by a job")
    with proxied(dangling.socket, lambda number: refusal if number == 3 else None) as proxy:
        done = holystone(*CLEAN, "--json", "-H", proxy.host)
    assert (done.code, done.err) == (0, "")
    assert results(done) == {"removed": IMAGES - 1, "skipped": 1}
    (skipped,) = [item for item in done.json["items"] if item["result"] == "skipped"]
    assert skipped["detail"] == "the engine refused: conflict: image is being used by a job"


class Held:
    """A gate that holds up all removals from one on until they are released."""

    def __init__(self, first: int) -> None:
        self.first = first
        self.reached = threading.Event()
        self.release = threading.Event()

    def __call__(self, number: int) -> None:
        if number >= self.first:
            self.reached.set()
            assert self.release.wait(30)


@pytest.fixture
def held() -> Iterator[Held]:
    """A gate that lets five removals through."""
    gate = Held(5)
    yield gate
    gate.release.set()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("options", [(), ("--json",)])
def test_interrupted(
    dangling: Engine,
    holystone: Command,
    held: Held,
    options: tuple[str, ...],
    number: signal.Signals,
) -> None:
    """Ctrl-C, or a cancelled job: removals under way are waited for, the rest is not tried."""
    with (
        proxied(dangling.socket, held) as proxy,
        holystone.started(*CLEAN, *options, "-H", proxy.host) as process,
    ):
        wait_until(held.reached.is_set)
        interrupt(process, number)
        # Longer than the command takes to see that it was interrupted.
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1.0)
        held.release.set()
        done = ended(process)
        asked = len(proxy.removals)
    assert (done.code, done.err) == (130, "")
    assert asked < IMAGES
    assert left(dangling) == IMAGES - asked
    if options:
        check(done.json, asked)
        return
    first, *between, last = done.out.splitlines()
    assert first == FIRST
    assert last == f"❌ Clean-up ended early, {asked} of 12 steps done: interrupted"
    assert f"Not tried: {IMAGES - asked}" in between


def test_a_terminal_that_closes(dangling: Engine, holystone: Command, held: Held) -> None:
    """SIGHUP, however often, and SIGTERM after it end a run as SIGTERM does, and close it."""
    with (
        proxied(dangling.socket, held) as proxy,
        holystone.started(*CLEAN, "--json", "-H", proxy.host) as process,
    ):
        wait_until(held.reached.is_set)
        for number in (signal.SIGHUP, signal.SIGHUP, signal.SIGTERM):
            interrupt(process, number)
        held.release.set()
        done = ended(process)
        asked = len(proxy.removals)
    assert (done.code, done.err) == (130, "")
    check(done.json, asked)
    (run,) = holystone("history", "--json").json["runs"]
    assert (run["state"], run["interrupted"]) == ("interrupted", "interrupted")
    assert run["removed"] == asked
    assert holystone(*CLEAN, "-H", dangling.host).code == 0, "the lock was released"


def test_a_run_that_is_to_outlive_its_terminal(
    dangling: Engine, holystone: Command, held: Held
) -> None:
    """Whoever ignores SIGHUP, as nohup does, has the run ignore it."""
    usual = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with (
            proxied(dangling.socket, held) as proxy,
            holystone.started(*CLEAN, "--json", "-H", proxy.host) as process,
        ):
            wait_until(held.reached.is_set)
            interrupt(process, signal.SIGHUP)
            held.release.set()
            done = ended(process)
    finally:
        signal.signal(signal.SIGHUP, usual)
    assert (done.code, results(done)) == (0, {"removed": IMAGES})


def test_interrupted_twice(dangling: Engine, holystone: Command, held: Held) -> None:
    """Nothing is waited for any more: what was under way is unknown."""
    with (
        proxied(dangling.socket, held) as proxy,
        holystone.started(*CLEAN, "-H", proxy.host) as process,
    ):
        wait_until(held.reached.is_set)
        interrupt(process)
        interrupt(process)
        done = ended(process)
        held.release.set()
    assert (done.code, done.err) == (130, "")
    assert LAST not in done.out
    (run,) = holystone("history", "--json").json["runs"]
    assert run["state"] == "interrupted"
    assert 0 < run["unknown"] <= WORKERS
    assert f"Unknown: {run['unknown']}" in done.out.splitlines()


def check(document: dict[str, Any], asked: int) -> None:
    """What an interrupted clean tells of itself after that many removals."""
    items = check_clean(document)
    assert len(removed(items)) == asked
    assert document["outcome"]["interrupted"] == "interrupted"
    details = Counter(item["detail"] for item in items.values() if item["action"] == "remove")
    assert details == {"": asked, "not tried: interrupted": IMAGES - asked}


def test_a_run_that_ends_early_in_ci(dangling: Engine, holystone: Command) -> None:
    """Its sections are closed."""
    with proxied(dangling.socket, dies_at(6)) as proxy:
        done = holystone(*CLEAN, "-H", proxy.host, GITLAB_CI="true", CI="true")
    assert done.code == 3
    assert done.out.count("section_start:") == done.out.count("section_end:") == 1
    assert done.out.splitlines()[-1].startswith("❌ Clean-up ended early")
