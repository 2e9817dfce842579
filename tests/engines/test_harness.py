"""The harness itself: each kind of engine starts, works and goes without a trace."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.engines import KINDS, ApiError, Engine, Registry, running
from tests.engines.emptying import empty
from tests.engines.files import found_below
from tests.engines.images import (
    SCRATCH,
    ImageToLoad,
    build,
    busybox_layer,
    layer,
    load,
    write_archive,
)
from tests.engines.places import REPOSITORY
from tests.engines.records import CGROUPS
from tests.engines.rootfs import mirror


def ids(engine: Engine) -> set[str]:
    """The IDs of all images the engine lists."""
    return {str(image["Id"]) for image in engine.api("GET", "/images/json?all=1")}


def test_answers_and_is_the_kind_it_says(engine: Engine) -> None:
    """The version, the store and the disk are those of a private engine of this kind."""
    version = engine.api("GET", "/version")["Version"]
    begins = {"docker20": "20.10.", "docker26": "26.1.", "podman": "4.", "podman5": "5."}
    assert version.startswith(begins.get(engine.kind, "2"))
    info = engine.api("GET", "/info")
    assert info["DockerRootDir"].startswith(str(engine.data))
    assert os.path.isdir(info["DockerRootDir"])
    driver = {"classic": "overlay2", "containerd": "overlayfs", "podman": "overlay"}[engine.store]
    assert info["Driver"] == driver


def test_loads_lists_and_deletes(fresh_engine: Engine, unique: str) -> None:
    """Tagged and untagged images get the IDs ``load`` says, with labels and history."""
    base = layer(f"{unique} base", 50_000)
    tag = f"localhost/{unique}:1"
    tagged = ImageToLoad([base, "ENV A=1", layer(unique)], [tag], {"for": "test"})
    untagged = [ImageToLoad([base, layer(f"{unique} {n}")]) for n in range(3)]
    loaded = load(fresh_engine, untagged[0], tagged, *untagged[1:])
    assert len(set(loaded)) == 4
    assert ids(fresh_engine) == set(loaded)

    details = fresh_engine.api("GET", f"/images/{loaded[1]}/json")
    assert details["RepoTags"] == [tag]
    assert details["Config"]["Labels"] == {"for": "test"}
    assert details["RootFS"]["Layers"] == [part.diff_id for part in tagged.layers]
    for image, its_id in zip(untagged, loaded[:1] + loaded[2:], strict=True):
        layers = fresh_engine.api("GET", f"/images/{its_id}/json")["RootFS"]["Layers"]
        assert layers == [part.diff_id for part in image.layers]
    history = fresh_engine.api("GET", f"/images/{loaded[1]}/history")
    assert [entry["CreatedBy"] for entry in history][1] == "ENV A=1"
    if fresh_engine.store == "classic":
        assert [entry["Size"] for entry in history] == [10_000, 0, 50_000]

    for each in loaded:
        fresh_engine.api("DELETE", f"/images/{each}")
    assert ids(fresh_engine) == set()


def test_seeds_make_layers(unique: str, tmp_path: Path) -> None:
    """The same seed gives the same layer, another seed another, and an archive holds it once."""
    assert layer(unique) == layer(unique)
    assert layer(unique).diff_id != layer(f"{unique} 2").diff_id
    shared = layer(unique, 100_000)
    path = tmp_path / "archive.tar"
    with path.open("wb") as archive:
        write_archive(archive, [ImageToLoad([shared], [f"x:{n}"]) for n in range(5)])
    assert path.stat().st_size < 150_000


def test_runs_containers(fresh_engine: Engine, unique: str) -> None:
    """A container of a loaded busybox image runs and writes."""
    image = f"localhost/{unique}:1"
    load(fresh_engine, ImageToLoad([busybox_layer()], [image]))
    said = fresh_engine.docker("run", "--rm", "--network", "none", image, "echo", "ahoy")
    assert said == "ahoy"


def test_classic_builds(fresh_engine: Engine, unique: str) -> None:
    """The classic builder (Buildah, with Podman) runs commands and leaves parents behind."""
    its_id = build(fresh_engine, SCRATCH + f"ENV A={unique}\nRUN echo hi > /x\n", "-t", unique)
    assert its_id in ids(fresh_engine)
    assert len(ids(fresh_engine)) > 1


@pytest.mark.engine("classic", "containerd")
def test_buildkit_builds(fresh_engine: Engine, unique: str) -> None:
    """BuildKit builds, leaving one image and records in the cache."""
    dockerfile = SCRATCH + f"RUN echo {unique} > /x\n"
    its_id = build(fresh_engine, dockerfile, "-t", unique, buildkit=True)
    assert ids(fresh_engine) == {its_id}
    assert fresh_engine.disk_usage()["BuildCache"]


def test_pushes_and_pulls(fresh_engine: Engine, registry: Registry, unique: str) -> None:
    """An image goes to the private registry and comes back with a digest."""
    reference = f"{registry.address}/{unique}:1"
    [its_id] = load(fresh_engine, ImageToLoad([layer(unique)], [reference]))
    fresh_engine.docker("push", reference)
    assert registry.tags(unique) == ["1"]
    headers, _ = registry.call(
        "GET",
        f"/v2/{unique}/manifests/1",
        "application/vnd.docker.distribution.manifest.v2+json,"
        "application/vnd.oci.image.manifest.v1+json",
    )
    fresh_engine.api("DELETE", f"/images/{its_id}?force=1")
    assert ids(fresh_engine) == set()
    fresh_engine.docker("pull", reference)
    [image] = fresh_engine.api("GET", "/images/json")
    digest = headers["docker-content-digest"]
    assert f"{registry.address}/{unique}@{digest}" in image["RepoDigests"]


def test_empties(fresh_engine: Engine, unique: str) -> None:
    """Emptying takes all there is, running containers and the engine's own count of layers too."""
    image = f"localhost/{unique}:1"
    load(fresh_engine, ImageToLoad([busybox_layer()], [image]))
    build(fresh_engine, SCRATCH + "RUN echo hi > /x\n", buildkit=fresh_engine.store != "podman")
    fresh_engine.docker("volume", "create", unique)
    fresh_engine.docker("network", "create", unique)
    options = ["--network", "none", "-v", f"{unique}:/v", "-v", "/anonymous"]
    fresh_engine.docker("run", "-d", *options, image, "sleep", "1000")
    empty(fresh_engine)
    usage = fresh_engine.disk_usage()
    for kind in ("Images", "Containers", "Volumes", "BuildCache"):
        assert not usage.get(kind), kind
    assert usage["LayersSize"] == 0


def test_leaves_nothing(own_engine: Callable[..., Engine], unique: str) -> None:
    """An engine stopped with a container running leaves no process, mount, folder or record."""
    engine = own_engine()
    image = f"localhost/{unique}:1"
    load(engine, ImageToLoad([busybox_layer()], [image]))
    container = engine.docker("run", "-d", "--network", "none", image, "sleep", "1000")
    # Engines of other tests come and go below the same folder.
    cgroup = f"*{container}"
    assert found_below(CGROUPS, cgroup) or not (CGROUPS / "pids").exists()
    engine.stop()
    assert not found_below(CGROUPS, cgroup)
    with pytest.raises(FileNotFoundError):
        engine.api("GET", "/version")
    assert_gone(engine.data)


@pytest.mark.engine("docker20", "podman")
@pytest.mark.parametrize("victim", ["starter", "keeper"])
def test_outlives_nobody(engine: Engine, tmp_path: Path, victim: str) -> None:
    """Killing whoever started an engine ends it; killing its keeper too, the data at next start."""
    data = tmp_path / "engine"
    program = (
        "import sys, time, pathlib\n"
        "from tests.engines import start_engine\n"
        "start_engine(sys.argv[1], data=pathlib.Path(sys.argv[2]))\n"
        "print('up', flush=True)\n"
        "time.sleep(1000)\n"
    )
    starter = subprocess.Popen(
        [sys.executable, "-c", program, engine.kind, str(data)],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
    )
    assert starter.stdout is not None
    assert starter.stdout.readline() == b"up\n"
    [record] = [each for each in running() if each.data == str(data)]
    os.kill(starter.pid if victim == "starter" else record.keeper, signal.SIGKILL)
    deadline = time.monotonic() + 20
    while processes(data) or (victim == "starter" and data.exists()):
        assert time.monotonic() < deadline, processes(data)
        time.sleep(0.05)
    starter.kill()
    starter.wait()
    starter.stdout.close()
    subprocess.run([sys.executable, "-m", "tests.engines", "sweep"], cwd=REPOSITORY, check=True)
    assert_gone(data)


def processes(data: Path) -> list[str]:
    """The command lines that mention a data folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(data) in words and "start_engine" not in words:
            found.append(words)
    return found


def assert_gone(data: Path) -> None:
    """Nothing of an engine is left on the machine."""
    assert not processes(data)
    assert not data.exists()
    assert str(data) not in Path("/proc/self/mountinfo").read_text()
    assert not [record for record in running() if record.data == str(data)]
    assert not [*CGROUPS.glob(data.name), *CGROUPS.glob(f"*/{data.name}")]


def test_errors_are_the_engines_own(engine: Engine) -> None:
    """The client of the tests gives the status and the engine's words."""
    with pytest.raises(ApiError) as caught:
        engine.api("GET", "/images/localhost/absent:1/json")
    assert caught.value.status == 404
    assert "absent" in caught.value.message


STANZAS = """\
Types: deb
URIs: http://mirror.example/debian-security
Suites: x-security
Components: main

Types: deb
# an old one
URIs: http://mirror.example/debian/
Suites: bookworm bookworm-updates
Components: main contrib
"""

LINES = """\
# deb http://no.example/debian x main
deb [arch=amd64 signed-by=/k] http://other.example/apt stable main
deb [ arch=amd64 ] http://mirror.example/debian bookworm main
"""


@pytest.mark.parametrize(
    ("name", "text"), [("sources.list.d/debian.sources", STANZAS), ("sources.list", LINES)]
)
def test_reads_the_mirror_from_the_sources(tmp_path: Path, name: str, text: str) -> None:
    """Both formats of source lists; never another project's archive."""
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    assert mirror(tmp_path) == "http://mirror.example/debian"


def test_every_kind_has_a_store() -> None:
    """The matrix covers each store."""
    assert {kind.store for kind in KINDS.values()} == {"classic", "containerd", "podman"}
