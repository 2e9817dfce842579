"""Removals that got no answer: unknown, settled by what is there, and brought back."""

from __future__ import annotations

import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import Command, ended, wait_until
from tests.cli.contract import check_clean
from tests.cli.faulty import Dead, Proxy, proxied
from tests.cli.test_levels import CONFIG
from tests.engine.restoring import image, pushed
from tests.engines import Engine, Registry

pytestmark = pytest.mark.engine("docker20", "docker28c")
CLEAN = ("clean", "deep", "--yes", "--no-check-registry")
IMAGES = 3
GARBAGE = b"no HTTP\r\n\r\n"
FAULT = b"HTTP/1.1 500 No\r\nContent-Length: 21\r\n\r\n" + b'{"message":"no luck"}'
CONFLICT = b"HTTP/1.1 409 No\r\nContent-Length: 21\r\n\r\n" + b'{"message":"in use "}'


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A policy without graces: what a test makes is always young."""
    path = tmp_path / "holystone.toml"
    path.write_text(CONFIG)
    return path


@pytest.fixture
def tags(fresh_engine: Engine, registry: Registry, unique: str) -> list[str]:
    """The tags of images that a registry has, two for each image."""
    names = [f"{unique}-{n}" for n in range(IMAGES)]
    for name in names:
        pushed(fresh_engine, registry, name, "1", "2")
    return [f"{registry.address}/{name}:{tag}" for name in names for tag in ("1", "2")]


class Meddler:
    """A gate that carries a removal out and answers otherwise, or takes the engine away."""

    def __init__(self, engine: Engine, number: int, answer: bytes | None, *, make: bool) -> None:
        self.engine = engine
        self.number = number
        self.answer = answer
        self.make = make
        self.proxy: Proxy | None = None

    def __call__(self, number: int) -> bytes | None:
        if number != self.number:
            return None
        if self.make:
            assert self.proxy is not None
            method, path = self.proxy.removals[number].split()
            self.engine.api(method, path)
        if self.answer is None:
            raise Dead
        return self.answer


def meddled(
    engine: Engine,
    holystone: Command,
    config: Path,
    number: int,
    answer: bytes | None,
    *,
    make: bool = True,
) -> tuple[int, Counter[str], list[dict[str, Any]]]:
    """A clean one of whose removals is meddled with: its code, results, and the odd items."""
    gate = Meddler(engine, number, answer, make=make)
    with proxied(engine.socket, gate) as proxy:
        gate.proxy = proxy
        on = ("--config", config, "-H", proxy.host)
        done = holystone(*CLEAN, "--json", *on)
    items = [i for i in check_clean(done.json).values() if i["action"] == "remove"]
    odd = [item for item in items if item["result"] != "removed" or item["detail"]]
    return done.code, Counter(item["result"] for item in items), odd


def assert_restored(engine: Engine, holystone: Command, tags: list[str]) -> None:
    """All of it comes back, under all of its tags, and is settled in the history."""
    done = holystone("restore", "1", "-H", engine.host)
    assert (done.code, done.err) == (0, ""), done
    for tag in tags:
        now = image(engine, tag)
        assert now is not None, tag
        repository = tag.rpartition(":")[0]
        assert any(each.startswith(f"{repository}@") for each in now["RepoDigests"])
    told = holystone("history", "1", "--json").json
    results = Counter(each["result"] for each in told["removals"])
    assert results["unknown"] == results[None] == 0
    assert {key: told["run"][key] for key in results} == results


@pytest.mark.parametrize("answer", [GARBAGE, FAULT])
def test_a_removal_that_was_made_after_all(
    fresh_engine: Engine, holystone: Command, tags: list[str], config: Path, answer: bytes
) -> None:
    """The same run finds out, as the engine answers again. The first tag went, or the image."""
    for number in (0, 5):
        code, results, odd = meddled(fresh_engine, holystone, config, number, answer)
        assert results["unknown"] == 0
        assert code == (3 if results["failed"] else 0)
        assert odd
        told = holystone("history", "--json").json["runs"][0]
        assert {key: told[key] for key in results} == results
        done = holystone("restore", "-H", fresh_engine.host)
        assert done.code == 0, done
        assert all(image(fresh_engine, tag) is not None for tag in tags)


@pytest.mark.parametrize("make", [True, False])
def test_an_engine_that_went_away(
    fresh_engine: Engine, holystone: Command, tags: list[str], config: Path, make: bool
) -> None:
    """What is unknown then is settled by whoever looks next, and restored in any case."""
    code, results, _ = meddled(fresh_engine, holystone, config, 3, None, make=make)
    assert code == 3
    assert results["unknown"]
    (run,) = holystone("history", "--json").json["runs"]
    assert {key: run[key] for key in results} == results
    assert (run["state"], run["interrupted"]) == ("interrupted", "the engine went away")
    told = holystone("history", "1")
    assert "unknown" in told.out
    dry = holystone("restore", "1", "--dry-run", "-H", fresh_engine.host)
    assert dry.code == 0
    assert_restored(fresh_engine, holystone, tags)


def test_a_client_killed_between_request_and_answer(
    fresh_engine: Engine, holystone: Command, tags: list[str], config: Path
) -> None:
    """What was asked for is told from what was only planned, before anybody looks."""

    class Holds:
        asked = 0

        def __call__(self, number: int) -> bytes | None:
            self.asked += 1
            wait_until(lambda: killed)
            return None

    gate = Holds()
    killed = False
    with (
        proxied(fresh_engine.socket, gate) as proxy,
        holystone.started(*CLEAN, "--config", config, "-H", proxy.host) as process,
    ):
        wait_until(lambda: gate.asked > 0)
        process.send_signal(signal.SIGKILL)
        assert ended(process).code == -signal.SIGKILL
        (run,) = holystone("history", "--json").json["runs"]
        assert (run["state"], run["removed"]) == ("killed", 0)
        assert 0 < run["unknown"] <= IMAGES
        rows = holystone("history", "1", "--json").json["removals"]
        results = Counter(row["result"] for row in rows)
        assert results == Counter(unknown=run["unknown"]) + Counter({None: run["steps"]}) - Counter(
            {None: run["unknown"]}
        )
        killed = True
        assert holystone("plan", "-H", fresh_engine.host).code == 0
    assert_restored(fresh_engine, holystone, tags)


def test_a_tag_lost_before_the_engine_refused(
    fresh_engine: Engine, holystone: Command, tags: list[str], config: Path
) -> None:
    """One tag of an image was removed, then something began to use it: what it lost is told."""

    class Refuses:
        """Refuses the second removal of the first image."""

        first = ""

        def __call__(self, number: int) -> bytes | None:
            path = proxy.removals[number].partition("?")[0].rpartition("-")[2]
            kind = path.partition(":")[0]
            if not self.first:
                self.first = kind
                return None
            return CONFLICT if kind == self.first else None

    with proxied(fresh_engine.socket, Refuses()) as proxy:
        on = ("--config", config, "-H", proxy.host)
        done = holystone(*CLEAN, "--json", *on)
    assert done.code == 0, done
    skipped = [item for item in check_clean(done.json).values() if item["result"] == "skipped"]
    (item,) = [each for each in skipped if each["kind"] == "image"]
    (lost,) = item["lost"]
    assert lost in tags
    assert image(fresh_engine, lost) is None
    (row,) = [
        each
        for each in holystone("history", "1", "--json").json["removals"]
        if each["id"] == item["id"]
    ]
    assert (row["result"], row["lost"]) == ("skipped", [lost])
    assert_restored(fresh_engine, holystone, tags)
