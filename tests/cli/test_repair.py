"""``verify --repair`` on real stores: it helps, or leaves all there was and says what to do."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.cli.command import Command, Done
from tests.cli.faulty import Dead, proxied
from tests.engine.damage import flip, payload
from tests.engine.restoring import MANIFEST, image, pushed
from tests.engines import Engine, Registry
from tests.engines.files import found_below
from tests.engines.images import SCRATCH, ImageToLoad, Layer, build, busybox_layer, layer, load

pytestmark = pytest.mark.engine("docker20", "docker28c")

Verify = Callable[..., Done]


class Line:
    """A port before a registry that can be cut."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.cut = False
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.threads = [threading.Thread(target=self._accept, daemon=True)]
        self.threads[0].start()

    def close(self) -> None:
        """Cut it for good."""
        self.cut = True
        self.listener.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join(5)
        self.listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self.listener.accept()
                if self.cut:
                    near.close()
                    continue
                far = socket.create_connection(("127.0.0.1", self.registry.port))
                thread = threading.Thread(target=self._serve, args=(near, far), daemon=True)
                self.threads.append(thread)
                thread.start()

    def _serve(self, near: socket.socket, far: socket.socket) -> None:
        """Copy both ways until one side ends, or the line is cut."""
        with near, far, contextlib.suppress(OSError):
            while not self.cut:
                ready, _, _ = select.select([near, far], [], [], 0.05)
                for source in ready:
                    data = source.recv(1 << 16)
                    if not data:
                        return
                    (far if source is near else near).sendall(data)


@pytest.fixture
def line(registry: Registry) -> Iterator[Line]:
    """A way to the registry that a test may cut."""
    made = Line(registry)
    yield made
    made.close()


@pytest.fixture
def verify(holystone: Command, fresh_engine: Engine) -> Verify:
    """``holystone verify --json`` on the engine, with these arguments."""

    def run(*arguments: str, host: str = fresh_engine.host) -> Done:
        return holystone("verify", *arguments, "--json", "-H", host)

    return run


def told(done: Done, code: int) -> dict[str, Any]:
    """What the document says of the one damaged image."""
    assert done.code == code, done
    (found,) = (each for each in done.json["images"] if each["result"] == "damaged")
    assert isinstance(found, dict)
    return found


def removals(holystone: Command) -> list[dict[str, Any]]:
    """Those of the latest run, which was a repair."""
    run = holystone("history", "--json").json["runs"][0]
    assert run["level"] == "repair"
    listed = holystone("history", run["id"], "--json").json["removals"]
    assert isinstance(listed, list)
    return listed


def damaged(engine: Engine, name: str, part: Layer, *below: Layer) -> dict[str, Any] | None:
    """Load an image, push it, and damage its top layer; what the engine tells of it."""
    load(engine, ImageToLoad([*below, part], [name]))
    engine.docker("push", name)
    told = image(engine, name)
    flip(payload(engine, part))
    return told


def damage_built(engine: Engine, registry: Registry, name: str, file: str) -> None:
    """Damage the layer of a built image that has this file."""
    if engine.store == "classic":
        (found,) = (engine.data / "root/overlay2").glob(f"*/diff/{file}")
    else:
        repository, _, tag = name.removeprefix(f"{registry.address}/").partition(":")
        _, manifest = registry.call("GET", f"/v2/{repository}/manifests/{tag}", MANIFEST)
        digest = manifest["layers"][-1]["digest"]
        (found,) = found_below(engine.data, f"blobs/sha256/{digest[7:]}")
    flip(found)


def mended_with_cache(verify: Verify) -> None:
    """What a build left holds what is damaged too: both stay, or both go where that is allowed."""
    assert "--with-cache" in told(verify("--repair"), 3)["repair_cure"]
    assert told(verify("--repair", "--with-cache"), 0)["repair"] == "repaired"
    assert verify().code == 0


def test_one_image_where_others_share_its_base(
    fresh_engine: Engine, registry: Registry, verify: Verify, unique: str
) -> None:
    """The base is whole: the others prove it, and stay as they are, one in use and one local."""
    name, other = f"{registry.address}/{unique}:1", f"localhost/{unique}:other"
    load(fresh_engine, ImageToLoad([busybox_layer(), layer(f"{unique} other")], [other]))
    fresh_engine.docker("create", "--name", unique, "--network", "none", other)
    before = image(fresh_engine, other)
    damaged(fresh_engine, name, layer(unique, 30_000), busybox_layer())
    assert told(verify(name, "--repair"), 0)["repair"] == "repaired"
    assert image(fresh_engine, other) == before
    assert verify().code == 0


def test_build_cache_that_holds_the_damaged_layer(
    fresh_engine: Engine, registry: Registry, holystone: Command, verify: Verify, unique: str
) -> None:
    """Left alone it would make the repair fail; it goes where that is allowed, or agreed to."""
    name = f"{registry.address}/{unique}:1"
    lines = f"{SCRATCH}RUN head -c 300000 /dev/urandom > /{unique}\n"
    build(fresh_engine, lines, *("-t", name), buildkit=True)
    fresh_engine.docker("push", name)
    damage_built(fresh_engine, registry, name, unique)
    left = told(verify("--repair"), 3)
    assert "build cache holds what is damaged too" in left["repair_detail"]
    assert image(fresh_engine, name), "nothing was touched"
    assert [each["result"] for each in removals(holystone)] == ["failed"]
    with holystone.asking("verify", "--repair", "-H", fresh_engine.host) as answer:
        assert answer("n\n").code == 3
    assert image(fresh_engine, name), "nothing was touched"
    mended_with_cache(verify)
    assert {"cache", "image"} == {each["kind"] for each in removals(holystone)}


@pytest.mark.engine("docker28c")
@pytest.mark.parametrize("part", ["config", "manifest"])
def test_a_build_that_is_remembered_holds_manifest_and_config(
    fresh_engine: Engine, registry: Registry, verify: Verify, unique: str, part: str
) -> None:
    """BuildKit keeps both with its record of the build, where no cache record holds them."""
    name = f"{registry.address}/{unique}:1"
    build(fresh_engine, SCRATCH, *("-t", name), buildkit=True)
    fresh_engine.docker("push", name)
    headers, manifest = registry.call("GET", f"/v2/{unique}/manifests/1", MANIFEST)
    config = manifest["config"]["digest"]
    digest = config if part == "config" else headers["docker-content-digest"]
    (path,) = found_below(fresh_engine.data, f"blobs/sha256/{digest[7:]}")
    flip(path, path.read_bytes().index(b"sha256:") + 10)
    mended_with_cache(verify)


@pytest.mark.engine("docker20")
def test_steps_of_a_classic_build(
    fresh_engine: Engine, registry: Registry, verify: Verify, unique: str
) -> None:
    """Images without a name, which hold the damaged layer, and which no registry has."""
    name = f"{registry.address}/{unique}:1"
    lines = f"{SCRATCH}RUN head -c 300000 /dev/urandom > /{unique}\nENV A=1\nRUN echo b > /b\n"
    build(fresh_engine, lines, *("-t", name))
    fresh_engine.docker("push", name)
    damage_built(fresh_engine, registry, name, unique)
    mended_with_cache(verify)


def test_a_registry_that_lacks_a_layer(
    fresh_engine: Engine, registry: Registry, verify: Verify, unique: str
) -> None:
    """It has the manifest, and says so when the engine asks."""
    pushed(fresh_engine, registry, unique, "1")
    before = image(fresh_engine, f"{registry.address}/{unique}:1")
    flip(payload(fresh_engine, layer(unique, 30_000)))
    _, manifest = registry.call("GET", f"/v2/{unique}/manifests/1", MANIFEST)
    lost = manifest["layers"][0]["digest"]
    registry.call("DELETE", f"/v2/{unique}/blobs/{lost}")
    found = told(verify("--repair"), 3)
    assert f"lacks blob {lost[7:19]}" in found["repair_detail"]
    assert found["repair_cure"].startswith("Push the image again")
    assert image(fresh_engine, f"{registry.address}/{unique}:1") == before


def test_a_registry_that_is_gone(
    fresh_engine: Engine, line: Line, holystone: Command, verify: Verify, unique: str
) -> None:
    name = f"{line.address}/{unique}:1"
    before = damaged(fresh_engine, name, layer(unique, 30_000))
    line.cut = True
    found = told(verify("--repair"), 3)
    assert f"{name}: no answer from {line.address}" in found["repair_detail"]
    assert found["repair_cure"].startswith("Repair again")
    assert image(fresh_engine, name) == before
    assert [each["result"] for each in removals(holystone)] == ["failed"]


@pytest.mark.parametrize("dies", ["registry", "engine"])
def test_one_that_dies_at_the_removal(
    fresh_engine: Engine, line: Line, holystone: Command, verify: Verify, unique: str, dies: str
) -> None:
    """What went, or may have, is in the history; ``restore`` brings it back as the message says."""
    name = f"{line.address}/{unique}:1"
    damaged(fresh_engine, name, layer(unique, 30_000))

    def die(_number: int) -> None:
        if dies == "engine":
            raise Dead
        line.cut = True

    with proxied(fresh_engine.socket, die) as proxy:
        found = told(verify("--repair", host=proxy.host), 3)
    (removal,) = removals(holystone)
    if dies == "engine":
        assert (found["repair"], removal["result"]) == ("failed", "unknown")
    else:
        assert "removed, and not pulled again" in found["repair_detail"]
        assert removal["result"] == "removed"
        assert "not pulled again" in removal["detail"]
    line.cut = False
    cure = found["repair_cure"].split("`")[1].split()
    assert cure[:2] == ["holystone", "restore"]
    restored = holystone(*cure[1:], "-H", fresh_engine.host)
    assert restored.code == 0, restored
    assert image(fresh_engine, name)
    assert dies == "engine" or verify().code == 0


def test_a_tag_that_moved_in_the_registry(
    fresh_engine: Engine, registry: Registry, verify: Verify, unique: str
) -> None:
    """The image comes back by its digest, and keeps its tag here."""
    name, kept = f"{registry.address}/{unique}:1", f"localhost/{unique}:kept"
    part = layer(unique, 30_000)
    load(fresh_engine, ImageToLoad([layer(f"{unique} newer", 20_000)], [f"localhost/{unique}:new"]))
    load(fresh_engine, ImageToLoad([part], [name]))
    fresh_engine.docker("push", name)
    before = image(fresh_engine, name)
    fresh_engine.docker("tag", name, kept)
    fresh_engine.docker("tag", f"localhost/{unique}:new", name)
    fresh_engine.docker("push", name)
    fresh_engine.docker("tag", kept, name)
    flip(payload(fresh_engine, part))
    assert told(verify(kept, "--repair"), 0)["repair"] == "repaired"
    assert before is not None
    for tag in (name, kept):
        after = image(fresh_engine, tag)
        assert after is not None
        assert after["Id"] == before["Id"]


def test_cache_goes_only_with_a_repair(holystone: Command) -> None:
    assert "add --repair" in holystone("verify", "--with-cache", "-H", "demo:").failed(64)
