"""A target is reached in one command where it can be reached, though the disk gains less."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from holystone import Wishes, clean, connect, policy_for
from holystone.operations.clean import Event, Planned
from tests.cli.command import POWERLESS, Command, Done
from tests.cli.contract import check_clean, removed
from tests.cli.test_levels import tags
from tests.cli.test_sight import closed
from tests.engines import Engine, Registry, start_engine
from tests.engines.images import ImageToLoad, build, busybox_layer, layer, load

MB = 1_000_000
DISK = 400 * MB
CONFIG = """
[grace]
untagged = "0s"
never_tagged = "0s"
tagged = "0s"
other = "0s"
[containers]
stopped_for = "0s"
"""
Start = Callable[[str], Engine]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A policy without graces: what a test makes is always young."""
    path = tmp_path / "holystone.toml"
    path.write_text(CONFIG)
    return path


@pytest.fixture
def on_a_small_disk(tmp_path: Path) -> Iterator[Start]:
    """Starts an engine that has a small disk for itself, which nobody else writes to."""
    file, disk = tmp_path / "disk.img", tmp_path / "disk"
    file.touch()
    os.truncate(file, DISK)
    disk.mkdir()
    subprocess.run(["mkfs.ext4", "-q", "-F", "-m", "0", str(file)], check=True)
    subprocess.run(["mount", "-o", "loop", str(file), str(disk)], check=True)
    started: list[Engine] = []

    def start(kind: str) -> Engine:
        started.append(start_engine(kind, data=disk / "e"))
        return started[-1]

    try:
        yield start
    finally:
        for engine in started:
            engine.stop()
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def free(engine: Engine) -> int:
    """Bytes free on the engine's disk."""
    told = os.statvfs(engine.data)
    return told.f_bavail * told.f_frsize


def pulled(engine: Engine, registry: Registry, name: str, size: int) -> str:
    """A tagged image with a layer of this size that its registry has."""
    reference = f"{registry.address}/{name}:1"
    load(engine, ImageToLoad([layer(reference, size)], [reference]))
    engine.docker("push", reference)
    return reference


def until(engine: Engine, more: int, config: Path, *, json: bool = True) -> tuple[object, ...]:
    """The arguments of a clean until so many more bytes are free."""
    target = ("clean", "--until-free", f"{free(engine) + more}B", "--config", config)
    return (*target, "-H", engine.host, *(("--json",) if json else ()))


def history(holystone: Command) -> list[dict[str, Any]]:
    """The runs in the ledger."""
    runs: list[dict[str, Any]] = holystone("history", "--json").json["runs"]
    return runs


def base(engine: Engine, name: str) -> str:
    """An image that only this engine has, so that it stays."""
    tag = f"localhost/{name}:base"
    load(engine, ImageToLoad([busybox_layer()], [tag]))
    return tag


def run(engine: Engine, tag: str, name: str, script: str) -> None:
    """A container that ran this and has ended."""
    engine.docker("run", "--network", "none", "--name", name, tag, "sh", "-c", script)


@pytest.mark.engine("docker20")
def test_a_sparse_file_frees_what_the_disk_gains(
    on_a_small_disk: Start, engine_kind: str, registry: Registry, holystone: Command, config: Path
) -> None:
    """40 GB that take no room are promised as nothing, and an image goes in their place."""
    engine = on_a_small_disk(engine_kind)
    run(engine, base(engine, "sparse"), "sparse", "truncate -s 40G /lastlog")
    image = pulled(engine, registry, "sparse", 30 * MB)
    planned = holystone("plan", "--config", config, "--json", "-H", engine.host).json
    (container,) = [i for i in planned["items"] if i["names"] == ["sparse"]]
    assert container["action"] == "remove"
    assert planned["at_least_bytes"] <= container["freed_bytes"] < MB
    done = holystone(*until(engine, 20 * MB, config))
    assert (done.code, done.err) == (0, "")
    assert {name for _, name in removed(check_clean(done.json))} >= {container["id"]}
    assert image not in tags(engine)
    assert sum(each["gained_bytes"] for each in done.json["outcome"]["rounds"]) >= 20 * MB


@pytest.mark.engine("docker20")
def test_what_cannot_be_measured_is_bounded(
    on_a_small_disk: Start, engine_kind: str, registry: Registry, holystone: Command, config: Path
) -> None:
    """Without root the engine's figure is an estimate, and the rest is planned when it is seen."""
    engine = on_a_small_disk(engine_kind)
    run(engine, base(engine, "bounded"), "bounded", "truncate -s 40G /lastlog")
    image = pulled(engine, registry, "bounded", 30 * MB)
    with closed(engine):
        on = ("--config", config, "-H", engine.host)
        planned = holystone.under(POWERLESS, "plan", "--json", *on).json
        assert planned["estimated"]
        assert planned["at_least_bytes"] == 0
        assert planned["freed_bytes"] >= 40 * 1000 * MB
        done = holystone.under(POWERLESS, *until(engine, 20 * MB, config, json=False))
    assert (done.code, done.err) == (0, "")
    assert " of the 42.9 GB planned with 1 container; planning again." in done.out
    assert "as planned" not in done.out
    assert image not in tags(engine)
    (told,) = history(holystone)
    assert told["removed"] == 2


@pytest.mark.engine("docker20", "docker28c")
def test_the_log_of_a_container_counts_and_spares_images(
    on_a_small_disk: Start, engine_kind: str, registry: Registry, holystone: Command, config: Path
) -> None:
    """The log of a container goes with it: the plan counts it, and so do the clean and history."""
    engine = on_a_small_disk(engine_kind)
    image = pulled(engine, registry, "spared", 30 * MB)
    write = "head -c 20000000 /dev/zero | tr '\\\\0' x | fold -w 1000"
    run(engine, base(engine, "spared"), "logs", write)
    planned = holystone("plan", "--config", config, "-H", engine.host)
    assert re.search(r"logs +\d+ MB .* written, \d+ MB log", planned.out)
    told = holystone("explain", "logs", "--config", config, "-H", engine.host).out
    assert re.search(r"^ +log +\d+ MB$", told, re.MULTILINE)
    before = free(engine)
    done = holystone(*until(engine, 15 * MB, config))
    assert (done.code, done.err) == (0, "")
    assert {kind for kind, _ in removed(check_clean(done.json))} == {"container"}
    assert image in tags(engine)
    assert len(done.json["outcome"]["rounds"]) == 1
    gained = free(engine) - before
    assert abs(done.json["freed_bytes"] - gained) < MB
    (run_told,) = history(holystone)
    assert abs(run_told["freed_bytes"] - gained) < MB


@pytest.mark.engine("docker28", "docker28c")
def test_the_bounds_of_many_small_records_hold(
    on_a_small_disk: Start, engine_kind: str, holystone: Command, config: Path
) -> None:
    """Each takes some files of the engine's, and no figure has them."""
    engine = on_a_small_disk(engine_kind)
    steps = "".join(f"COPY f /f{number}\n" for number in range(60))
    tag = "localhost/many:1"
    files: dict[str, bytes | str] = {"f": b"small"}
    build(engine, f"FROM scratch\n{steps}", "-t", tag, files=files, buildkit=True)
    engine.docker("rmi", tag)
    before = free(engine)
    told = ("--cache-budget", "0", "--min-age", "0s", "--config", config, "-H", engine.host)
    done = holystone("clean", *told, "--json")
    assert len(removed(check_clean(done.json))) > 60
    gained = free(engine) - before
    assert gained > done.json["freed_bytes"]
    assert done.json["at_least_bytes"] <= gained <= done.json["at_most_bytes"]
    (run_told,) = history(holystone)
    assert run_told["estimated"] == (engine.store == "containerd")


@pytest.mark.engine("docker20")
def test_an_image_that_frees_nothing_is_not_the_last(
    on_a_small_disk: Start, engine_kind: str, registry: Registry, holystone: Command, config: Path
) -> None:
    """Its files have links elsewhere. The next round takes another, and history has the sum."""
    engine = on_a_small_disk(engine_kind)
    first = pulled(engine, registry, "held", 40 * MB)
    (folder,) = [p for p in (engine.data / "root/overlay2").iterdir() if (p / "diff").is_dir()]
    subprocess.run(["cp", "-al", str(folder), str(engine.data / "elsewhere")], check=True)
    second = pulled(engine, registry, "free", 30 * MB)
    done: Done = holystone(*until(engine, 20 * MB, config))
    assert (done.code, done.err) == (0, "")
    items = check_clean(done.json)
    assert not {first, second} & tags(engine)
    rounds = done.json["outcome"]["rounds"]
    assert [each["removed"] for each in rounds] == [1, 1]
    assert rounds[0]["gained_bytes"] < MB < 29 * MB < rounds[1]["gained_bytes"]
    assert done.json["outcome"]["freed_bytes"] == sum(
        i["outcome_freed_bytes"] for i in items.values()
    )
    (told,) = history(holystone)
    assert (told["removed"], told["planned_bytes"]) == (2, done.json["freed_bytes"])
    assert told["freed_bytes"] == done.json["outcome"]["freed_bytes"]


@pytest.mark.engine("docker20")
def test_what_cannot_be_reached_ends_with_4(
    on_a_small_disk: Start, engine_kind: str, registry: Registry, holystone: Command, config: Path
) -> None:
    """Everything that may go has gone, once, and the text says what holds the space."""
    engine = on_a_small_disk(engine_kind)
    kept = base(engine, "unreached")
    image = pulled(engine, registry, "unreached", 10 * MB)
    (engine.data / "not the engine's").write_bytes(bytes(60 * MB))
    done = holystone(*until(engine, 40 * MB, config, json=False))
    assert done.code == 4
    assert tags(engine) == {kept}
    assert image not in tags(engine)
    assert "What holds the space:" in done.out
    assert done.lines[-1].startswith("❌ Target not reached: ")
    (told,) = history(holystone)
    assert told["removed"] == 1


@pytest.mark.engine("docker20", "docker28c")
def test_something_else_goes_for_an_image_that_a_job_takes_meanwhile(
    on_a_small_disk: Start, engine_kind: str, registry: Registry, config: Path, tmp_path: Path
) -> None:
    engine = on_a_small_disk(engine_kind)
    for number in range(2):
        pulled(engine, registry, f"meanwhile-{number}", 30 * MB)
    wanted = Wishes(until_free=free(engine) + 20 * MB)

    used: list[str] = []

    def use(event: Event) -> None:
        if isinstance(event, Planned):
            (step,) = event.survey.plan.steps
            used.append(step.targets[0])
            engine.docker("create", "--name", "job", *used, "sh")

    with connect(engine.host, state=str(tmp_path / "state")) as session:
        done = clean(session, policy_for(wanted, config=str(config)), report=use)
    assert [(each.outcome.removed, each.outcome.skipped) for each in done.rounds] == [
        (0, 1),
        (1, 0),
    ]
    assert not done.missed_bytes
    assert tags(engine) == set(used)
