"""Two cleans of one engine at the same moment."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.cli.command import Command, Done, ended, wait_until
from tests.cli.contract import Key, check_clean, removed
from tests.engine.cleaning import figures, image_ids
from tests.engines import Engine
from tests.engines.images import SCRATCH, ImageToLoad, build, busybox_layer, layer, load

IMAGES = 80
CONTAINERS = 6
CONFIG = """\
[grace]
untagged = "0s"
never_tagged = "0s"
tagged = "0s"
other = "0s"
[build_cache]
budget = "0B"
"""


def fill(engine: Engine, name: str) -> set[str]:
    """Untagged images, stopped containers, build cache; answers the IDs of what shall stay."""
    images = [
        ImageToLoad([busybox_layer(), layer(f"{name} {n}", 20_000)]) for n in range(IMAGES // 4)
    ]
    if engine.store == "classic":
        images += [ImageToLoad([busybox_layer(), f"ENV N={n}"]) for n in range(IMAGES * 3 // 4)]
    tag = f"localhost/{name}:1"
    load(engine, *images)
    stays = load(engine, ImageToLoad([busybox_layer(), f"ENV TAGGED={name}"], [tag]))
    for _ in range(CONTAINERS):
        engine.docker("run", "--network", "none", tag, "true")
    for n in range(2):
        stays.append(build(engine, f"{SCRATCH}RUN echo {n}\n", "-t", f"{tag}{n}", buildkit=True))
        engine.docker("rmi", f"{tag}{n}")
    return {stays[0]}


def at_once(commands: Sequence[Command], host: str, *arguments: str) -> list[Done]:
    """A clean by each command, all started at the same moment."""
    with ThreadPoolExecutor(len(commands)) as pool:
        return list(pool.map(lambda c: c("clean", *arguments, "--json", "-H", host), commands))


def assert_shared(done: Sequence[Done]) -> list[set[Key]]:
    """Both ended well, and nothing is claimed by both; answers what each removed."""
    went = []
    for each in done:
        assert each.code == 0, each
        items = check_clean(each.json)
        assert each.json["outcome"]["failed"] == 0, each
        went.append(removed(items))
    assert not went[0] & went[1], "removed by both"
    return went


@pytest.mark.engine("docker20", "docker28c")
def test_with_one_state(fresh_engine: Engine, tmp_path: Path, unique: str) -> None:
    """One of them waits, and finds its work done."""
    stays = fill(fresh_engine, unique)
    config = tmp_path / "holystone.toml"
    config.write_text(CONFIG)
    holystone = Command(tmp_path)
    arguments = ("clean", "--json", "-H", fresh_engine.host, "--config", str(config))
    with holystone.started(*arguments) as first:
        wait_until(lambda: any(file.read_bytes() for file in holystone.state.glob("*.lock")))
        first.send_signal(signal.SIGSTOP)
        with holystone.started(*arguments) as second:
            assert second.stderr is not None
            waits = second.stderr.readline()
            first.send_signal(signal.SIGCONT)
            done = [ended(first), ended(second)]
    assert waits.startswith(f"holystone: waiting for holystone clean routine (process {first.pid}")
    went = assert_shared(done)
    assert (bool(went[0]), bool(went[1])) == (True, False)
    (run,) = holystone("history", "--json").json["runs"]
    assert done[1].json["coalesced_with"] == run["id"]
    assert run["removed"] == len(went[0])
    assert image_ids(fresh_engine) == stays
    assert figures(fresh_engine).cache == 0


@pytest.mark.engine("docker20", "docker28c")
def test_with_a_state_each(fresh_engine: Engine, tmp_path: Path, unique: str) -> None:
    """They do not know of one another: what one took the other finds gone."""
    stays = fill(fresh_engine, unique)
    config = tmp_path / "holystone.toml"
    config.write_text(CONFIG)
    both = [Command(tmp_path / "a"), Command(tmp_path / "b")]
    went = assert_shared(at_once(both, fresh_engine.host, "--config", str(config)))
    assert image_ids(fresh_engine) == stays
    assert not fresh_engine.client.list("/containers/json?all=1")
    assert len({key for each in went for key in each if key[0] == "container"}) == CONTAINERS
    assert figures(fresh_engine).cache == 0
