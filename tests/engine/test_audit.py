"""The audit of real engines: every byte has its name, and what was planted is found."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.agent.running import engine_on_a_small_disk
from tests.cli.command import Command
from tests.engine.foreign_builder import make_builder
from tests.engines import Engine, start_engine
from tests.engines.images import ImageToLoad, busybox_layer, layer, load

MB = 1_000_000
HOSTILE = "a\x1b[31m\n::stop-commands::x"
OLD = 30 * 86400.0
PLANTED = "0" * 63 + "1"
DIGITS = "e" * 64
ORPHANS = {"classic": "overlay2", "podman": "overlay"}
CONTAINERD = "containerd/daemon/io.containerd"


class Disk(NamedTuple):
    """An engine with a disk of its own, and what the audit says of it."""

    engine: Engine
    told: dict[str, Any]
    used: int
    """As ``df`` counts, right after."""
    text: str

    @property
    def account(self) -> dict[str, Any]:
        (account,) = self.told["disks"]
        assert isinstance(account, dict)
        return account

    def entries(self, *kinds: str) -> list[dict[str, Any]]:
        return [each for each in self.account["entries"] if each["kind"] in kinds]

    def entry(self, kind: str, name: str) -> dict[str, Any]:
        (found,) = [each for each in self.entries(kind) if each["name"] == name]
        return found


def plant(path: Path, size: int = 300_000) -> None:
    """A file that is old, in folders that are old."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    then = time.time() - OLD
    for each in (path, path.parent, path.parent.parent):
        os.utime(each, (then, then))


def volumes_of(engine: Engine) -> Path:
    """The folder of its volumes."""
    return engine.data / ("volumes" if engine.store == "podman" else "root/volumes")


def fill(engine: Engine) -> None:
    """Images that share layers, a volume, containers with logs."""
    base = [busybox_layer()]
    load(engine, ImageToLoad(base, ["localhost/base:1"]))
    load(engine, ImageToLoad([*base, layer("a", 3 * MB)], ["localhost/app:1"]))
    load(engine, ImageToLoad([*base, layer("a", 3 * MB), layer("b", MB)], ["localhost/app:2"]))
    engine.docker("volume", "create", "data")
    write = (
        "echo hello; i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done;"
        " dd if=/dev/zero of=/d/plain bs=1k count=500; dd if=/dev/zero of=/w bs=1k count=300;"
        " ln /d/plain /d/again; dd if=/dev/zero of=/d/sparse bs=1 count=1 seek=100000000"
    )
    run = ("run", "--network", "none")
    limited = ("--log-opt", "max-size=10m")
    engine.docker(
        *run, "--name", "talks", "-v", "data:/d", "localhost/base:1", "sh", "-c", write, check=False
    )
    engine.docker(*run, "--name", "limited", *limited, "localhost/base:1", "sh", "-c", "echo hi")
    hold = "exec 3>/gone; dd if=/dev/zero bs=1k count=400 >&3; rm /gone; echo ready; sleep 1000"
    engine.docker(*run, "-d", "--name", "holds", "localhost/base:1", "sh", "-c", hold)
    deadline = time.monotonic() + 60
    while "ready" not in engine.docker("logs", "holds"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    plant(volumes_of(engine) / "data" / "_data" / HOSTILE / HOSTILE)


def plant_dark(engine: Engine) -> None:
    """What no record of the engine names."""
    root = engine.data / "root"
    if engine.store == "containerd":
        plant(root / f"{CONTAINERD}.content.v1.content" / "blobs" / "sha256" / DIGITS)
        plant(root / f"{CONTAINERD}.snapshotter.v1.overlayfs" / "snapshots" / "9999" / "fs" / "x")
        ingest = root / f"{CONTAINERD}.content.v1.content" / "ingest" / PLANTED
        plant(ingest / "data")
        plant(ingest / "ref", 0)
        (ingest / "ref").write_text("layer-sha256:of-a-pull")
        os.utime(ingest, (0, 0))
        return
    plant(root / ORPHANS[engine.store] / PLANTED / "diff" / HOSTILE)
    if engine.store == "classic":
        plant(root / "overlay2" / DIGITS / "diff" / "x")
        record = root / "image" / "overlay2" / "layerdb" / "tmp" / "write-set-1"
        plant(record / "cache-id", 0)
        (record / "cache-id").write_text(DIGITS)
        os.utime(record, (0, 0))
        os.utime(root / "overlay2" / DIGITS, (0, 0))


@pytest.fixture(scope="module")
def disk(
    engine_kind: str, engines: object, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Disk]:
    """An engine on a disk of its own, filled and audited."""
    folder = tmp_path_factory.mktemp("audit")
    with engine_on_a_small_disk(engine_kind, folder / "disk", "400m") as engine:
        fill(engine)
        plant_dark(engine)
        yield audited(engine, folder)


def audited(engine: Engine, folder: Path) -> Disk:
    command = Command(folder)
    done = command("audit", "--json", "--host", engine.host)
    told = os.statvfs(engine.data)
    assert done.code == 0, done.err
    text = command("audit", "--all", "--host", engine.host)
    assert text.code == 0, text.err
    return Disk(engine, done.json, (told.f_blocks - told.f_bfree) * told.f_frsize, text.out)


pytestmark = pytest.mark.engine("classic", "containerd", "podman")


def test_the_sum_is_what_df_says(disk: Disk) -> None:
    account = disk.account
    assert sum(each["size_bytes"] for each in account["entries"]) == account["used_bytes"]
    assert abs(account["used_bytes"] - disk.used) < disk.used * 0.005
    assert account["named_share"] >= 0.995
    assert abs(account["named_bytes"] - account["used_bytes"]) < disk.used * 0.005
    assert account["unreadable_count"] == 0
    assert disk.told["remarks"] == []


def test_every_file_of_the_engine_has_a_kind(disk: Disk) -> None:
    assert disk.entries("unknown") == []
    assert disk.account["kinds"].keys() >= {"image", "container", "volume", "log", "engine"}


def test_layers_count_once_with_the_images_that_hold_them(disk: Disk) -> None:
    layers = {tuple(sorted(each["holders"])): each for each in disk.entries("image")}
    app, base = ("localhost/app:1", "localhost/app:2"), "localhost/base:1"
    assert set(layers) == {(*app, base), app, app[1:]}
    for holders, size in ((app, 3 * MB), (app[1:], MB)):
        assert size <= layers[holders]["size_bytes"] < size + 100_000
    twice = sum(each["size_bytes"] for each in disk.entries("twice"))
    assert (twice > 4 * MB) == (disk.engine.store == "containerd")


def test_volumes_have_their_size(disk: Disk) -> None:
    volume = disk.entry("volume", "data")
    path = volumes_of(disk.engine) / "data"
    counted = subprocess.run(
        ["du", "-sx", "--block-size=1", str(path)], capture_output=True, check=True
    )
    assert volume["size_bytes"] == int(counted.stdout.split()[0])
    assert volume["holders"] == ["talks"]
    # The sparse file counts with what it takes, the one with two names once.
    assert 800_000 <= volume["size_bytes"] < 900_000
    assert volume["apparent_bytes"] == 100_000_001 + 512_000 + 300_000


def test_containers_have_what_they_wrote(disk: Disk) -> None:
    container = disk.entry("container", "talks")
    assert 300_000 <= container["size_bytes"] < 450_000
    assert {each["name"] for each in disk.entries("container")} == {"talks", "limited", "holds"}


def test_logs_are_told_with_their_limit(disk: Disk) -> None:
    logs = {each["name"]: each for each in disk.entries("log")}
    assert set(logs) == {"talks", "limited", "holds"}
    assert logs["talks"]["size_bytes"] > 30_000
    assert os.path.isfile(logs["talks"]["path"])
    assert {name: log["limited"] for name, log in logs.items()} == {
        "talks": False,
        "limited": True,
        "holds": False,
    }
    assert "Logs without a limit: 2" in disk.text
    assert ("log_size_max" if disk.engine.store == "podman" else "max-size") in disk.text


def test_a_deleted_file_that_is_open_is_named(disk: Disk) -> None:
    (found,) = disk.entries("deleted")
    assert 400_000 <= found["size_bytes"] < 430_000
    assert "/gone, a path in container holds," in found["evidence"]
    assert found["holders"] == ["holds"]


def test_what_was_planted_is_dark_and_nothing_else(disk: Disk) -> None:
    orphans = {each["name"] for each in disk.entries("orphan")}
    leftovers = {each["name"] for each in disk.entries("leftover")}
    if disk.engine.store == "containerd":
        assert orphans == {f"sha256:{DIGITS}", "snapshot 9999"}
        assert leftovers == {"layer-sha256:of-a-pull"}
    else:
        assert orphans == {PLANTED}
        assert leftovers == ({DIGITS, "write-set-1"} if disk.engine.store == "classic" else set())
    for each in disk.entries("orphan", "leftover"):
        assert each["dark"]
        assert each["evidence"]
        assert each["frees"]
        assert os.path.lexists(each["path"]), "nothing was removed"
        assert each["size_bytes"] >= (300_000 if each["name"] != "write-set-1" else 1)
    assert disk.told["dark_bytes"] == sum(
        each["size_bytes"] for each in disk.entries("orphan", "leftover")
    )


def test_hostile_names_do_nothing(disk: Disk) -> None:
    assert "\x1b[31m" not in disk.text
    assert "\n::stop-commands::" not in disk.text


@contextmanager
def ext4(folder: Path, size: str) -> Iterator[Path]:
    """A file system that has metadata and reserves blocks."""
    image, mount = folder / "disk.img", folder / "disk"
    mount.mkdir(parents=True)
    subprocess.run(["truncate", "-s", size, str(image)], check=True)
    subprocess.run(["mkfs.ext4", "-q", str(image)], check=True)
    subprocess.run(["mount", "-o", "loop", str(image), str(mount)], check=True)
    try:
        yield mount
    finally:
        subprocess.run(["umount", "--lazy", str(mount)], check=True)


@pytest.mark.engine("docker20")
def test_ext4_and_volumes_on_a_disk_of_their_own(
    engine_kind: str, engines: object, tmp_path: Path
) -> None:
    """The data folder is on one disk and its volumes on another: each has its account."""
    with ext4(tmp_path / "one", "400M") as one, ext4(tmp_path / "two", "100M") as two:
        engine = start_engine(engine_kind, data=one / "e")
        try:
            volumes = engine.data / "root" / "volumes"
            bind = ["mount", "--bind", str(two), str(volumes)]
            subprocess.run(bind, check=True)
            # The engine has mounts of its own.
            enter = ["nsenter", f"--target={engine.processes()[0]}", "--mount"]
            subprocess.run([*enter, *bind], check=True)
            try:
                fill(engine)
                # Enough for the metadata of a fresh file system to be few of its bytes.
                plant(volumes / "data" / "_data" / "more", 30 * MB)
                done = Command(tmp_path)("audit", "--json", "--host", engine.host)
                used = [os.statvfs(each) for each in (one, two)]
            finally:
                subprocess.run(["umount", "--lazy", str(volumes)], check=True)
        finally:
            engine.stop()
    assert done.code == 0, done.err
    for disk, told in zip(done.json["disks"], used, strict=True):
        assert disk["file_system"] == "ext4"
        assert disk["used_bytes"] == (told.f_blocks - told.f_bfree) * told.f_frsize
        assert sum(each["size_bytes"] for each in disk["entries"]) == disk["used_bytes"]
        assert disk["named_share"] >= 0.995, disk
        assert not {"orphan", "unknown", "leftover"} & disk["kinds"].keys()
    first, second = done.json["disks"]
    assert {"image", "container", "log"} <= first["kinds"].keys()
    assert "volume" not in first["kinds"]
    (volume,) = [each for each in second["entries"] if each["kind"] == "volume"]
    assert volume["name"] == "data"
    assert volume["path"] == str(volumes / "data")


@pytest.mark.engine("docker20")
def test_the_volume_of_a_builder_is_told_by_its_own_buildkit(
    engine_kind: str, fresh_engine: Engine, tmp_path: Path
) -> None:
    """The other engine is the builder's BuildKit: see ``foreign_builder``."""
    context = tmp_path / "context"
    context.mkdir()
    (context / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    fresh_engine.docker("build", "--network", "none", str(context), buildkit=True)
    with engine_on_a_small_disk(engine_kind, tmp_path / "disk", "400m") as engine:
        make_builder(engine, "x0", fresh_engine)
        done = Command(tmp_path)("audit", "--json", "--host", engine.host)
    assert done.code == 0, done.err
    entries = [each for disk in done.json["disks"] for each in disk["entries"]]
    (builder,) = [each for each in entries if each["kind"] == "builder"]
    assert builder["name"] == "buildx_buildkit_x0_state"
    assert builder["dark"]
    assert "fileop target" in [part["name"] for part in builder["parts"]], builder["evidence"]
    assert not [each for each in entries if each["kind"] == "orphan"]
