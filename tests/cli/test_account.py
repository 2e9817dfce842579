"""status accounts for the whole disk: what the engine tells, logs, orphans, and all the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from holystone.engine.storage import beside
from holystone.planner.inventory import Container
from holystone.planner.inventory import Engine as Which
from tests.cli.command import POWERLESS, Command, wait_until
from tests.cli.test_sight import closed
from tests.engines import Engine
from tests.engines.images import SCRATCH, ImageToLoad, build, busybox_layer, load

PARTS = ("images", "containers", "cache", "volumes", "logs", "orphans", "engine", "other")


def account(holystone: Command, engine: Engine) -> dict[str, Any]:
    """The account in the document, whose parts add up."""
    told = holystone("status", "--json", "-H", engine.host).json
    parts: dict[str, Any] = told["account"]
    assert sum(parts[f"{part}_bytes"] for part in PARTS) == parts["used_bytes"]
    assert parts["used_bytes"] == told["disk"]["total_bytes"] - told["disk"]["free_bytes"]
    assert parts["logs_bytes"] == sum(log["size_bytes"] for log in parts["logs"])
    assert parts["orphans_bytes"] == sum(each["size_bytes"] for each in parts["orphans"])
    return parts


@pytest.mark.engine("docker20", "docker28c", "podman")
def test_the_log_of_a_running_container_is_named(
    fresh_engine: Engine, holystone: Command, unique: str
) -> None:
    """With its size, and whether it can grow for ever."""
    tag = f"localhost/{unique}:1"
    load(fresh_engine, ImageToLoad([busybox_layer()], [tag]))
    write = "head -c 3000000 /dev/zero | tr '\\\\0' x | fold -w 100; sleep 1000"
    driver = "k8s-file" if fresh_engine.store == "podman" else "json-file"
    run = ("run", "-d", "--network", "none", "--log-driver", driver)
    for name, more in ((f"{unique}-free", ()), (f"{unique}-held", ("--log-opt", "max-size=1m"))):
        fresh_engine.docker(*run, "--name", name, *more, tag, "sh", "-c", write)

    def logs() -> dict[str, dict[str, Any]]:
        return {log["name"]: log for log in account(holystone, fresh_engine)["logs"]}

    wait_until(lambda: logs().get(f"{unique}-free", {}).get("size_bytes", 0) > 3_000_000)
    told = logs()[f"{unique}-free"]
    assert Path(told["path"]).stat().st_size > 3_000_000
    text = holystone("status", "-H", fresh_engine.host).out
    if fresh_engine.store == "podman":
        assert f"{unique}-free " in text
        return
    assert told["limited"] is False
    assert logs()[f"{unique}-held"]["limited"] is True
    assert "MB (no limit)" in text
    short = holystone("clean", "--until-used", "0%", "-H", fresh_engine.host)
    assert short.code == 4
    assert f"{unique}-free " in short.out


@pytest.mark.engine("docker20", "docker28")
def test_a_layer_that_nothing_refers_to_is_named_and_stays(
    fresh_engine: Engine, holystone: Command, unique: str
) -> None:
    """Layers of images, containers and both builders' cache are none of that kind."""
    tag = f"localhost/{unique}:1"
    load(fresh_engine, ImageToLoad([busybox_layer()], [tag]))
    fresh_engine.docker("create", "--name", unique, "--network", "none", tag, "true")
    build(fresh_engine, SCRATCH + f"RUN echo {unique} > /x\n", buildkit=True)
    build(fresh_engine, SCRATCH + f"RUN echo {unique} > /y\n")
    assert account(holystone, fresh_engine)["orphans"] == []
    orphan = fresh_engine.data / "root/overlay2" / ("0" * 64)
    (orphan / "diff").mkdir(parents=True)
    (orphan / "diff/x").write_bytes(bytes(2_000_000))
    try:
        (told,) = account(holystone, fresh_engine)["orphans"]
        assert told["path"] == str(orphan)
        assert 2_000_000 < told["size_bytes"] < 2_100_000
        assert "overlay2/000000000000 2." in holystone("status", "-H", fresh_engine.host).out
        holystone("clean", "deep", "--yes", "--min-age", "0s", "-H", fresh_engine.host)
        assert (orphan / "diff/x").exists()
    finally:
        (orphan / "diff/x").unlink()
        (orphan / "diff").rmdir()
        orphan.rmdir()


@pytest.mark.engine("docker20")
def test_who_may_not_read_is_told_so(fresh_engine: Engine, holystone: Command) -> None:
    with closed(fresh_engine):
        told = holystone.under(POWERLESS, "status", "--json", "-H", fresh_engine.host).json
        text = holystone.under(POWERLESS, "status", "-H", fresh_engine.host).out
    assert told["account"]["logs_bytes"] is None
    assert told["account"]["other_bytes"] > 0
    assert "only root can read" in " ".join(text.split())


@pytest.mark.engine("docker20")
def test_a_sparse_file_of_a_running_container_takes_nothing(
    fresh_engine: Engine, holystone: Command, unique: str
) -> None:
    """The engine counts its length; the account counts what the disk holds."""
    tag = f"localhost/{unique}:1"
    load(fresh_engine, ImageToLoad([busybox_layer()], [tag]))
    script = "truncate -s 900G /x; sleep 1000"
    run = ("run", "-d", "--network", "none", "--name", unique, tag, "sh", "-c", script)
    fresh_engine.docker(*run)
    wait_until(
        lambda: fresh_engine.client.list("/containers/json?size=1")[0].get("SizeRw", 0) > 10**9
    )
    assert account(holystone, fresh_engine)["containers_bytes"] < 10**6


def test_a_layer_that_is_being_made_is_no_orphan(tmp_path: Path) -> None:
    """While a transaction of the layer store is open, a new folder may be of it."""
    layers = tmp_path / "image/overlay2/layerdb"
    for folder in (layers / "sha256", layers / "mounts", layers / "tmp", tmp_path / "buildkit"):
        folder.mkdir(parents=True)
    (tmp_path / "overlay2/fresh").mkdir(parents=True)
    engine = Which("", "", "", "", "overlay2")
    containers: list[Container] = []
    named = [each.path for each in beside.look(str(tmp_path), engine, containers).orphans]
    assert named == [str(tmp_path / "overlay2/fresh")]
    (layers / "tmp/write-set-1").mkdir()
    assert beside.look(str(tmp_path), engine, containers).orphans == ()
    assert not beside.look(str(tmp_path / "none"), engine, containers).read
