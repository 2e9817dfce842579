"""Whether a registry has an image: asked of real registries through real engines."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.engine.cleaning import live_host
from tests.engine.refreshing import put_manifest
from tests.engine.restoring import MANIFEST, forget, login, pushed
from tests.engines import Engine, Registry, start_registry
from tests.engines.images import ImageToLoad, layer, load
from tests.engines.registry import PASSWORD, USER


@pytest.fixture(scope="module")
def locked(registry: Registry) -> Iterator[Registry]:
    """A registry that lets in nobody without a login."""
    started = start_registry(locked=True)
    yield started
    started.stop()


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's configuration folder, empty."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    return tmp_path


def confirmed(engine: Engine, name: str) -> tuple[bool | None, str]:
    """What is known of the image with this tag once its registries were asked."""
    with closing(live_host(engine)) as host:
        inventory = host.observe()
        (image,) = [each for each in inventory.images if name in each.tags]
        inventory = host.confirm(inventory, [image.id])
    (image,) = [each for each in inventory.images if name in each.tags]
    return image.in_registry, image.registry_said


def test_a_registry_has_it_until_it_forgets(
    engine: Engine, registry: Registry, unique: str
) -> None:
    reference = pushed(engine, registry, unique, "1")
    tag = f"{registry.address}/{unique}:1"
    assert confirmed(engine, tag) == (True, "")
    forget(registry, reference)
    has, said = confirmed(engine, tag)
    assert has is False
    assert registry.address in said
    assert "manifest unknown" in said


def test_a_registry_has_it_in_the_format_of_oci(
    engine: Engine, registry: Registry, unique: str
) -> None:
    """Podman and buildah push like this; Podman fetches such a manifest and fails to show it."""
    tag = f"{registry.address}/{unique}:oci"
    pushed(engine, registry, unique, "docker")
    _, manifest = registry.call("GET", f"/v2/{unique}/manifests/docker", MANIFEST)
    oci = "application/vnd.oci.image"
    manifest["mediaType"] = f"{oci}.manifest.v1+json"
    manifest["config"]["mediaType"] = f"{oci}.config.v1+json"
    for part in manifest["layers"]:
        part["mediaType"] = f"{oci}.layer.v1.tar+gzip"
    put_manifest(registry, unique, "oci", manifest)
    engine.api("DELETE", f"/images/{registry.address}/{unique}:docker")
    said = engine.api("POST", f"/images/create?fromImage={tag}")
    assert not [line for line in said if "error" in line], said
    assert confirmed(engine, tag) == (True, "")


@pytest.mark.engine("containerd", "podman")
def test_a_digest_alone_proves_nothing(engine: Engine, registry: Registry, unique: str) -> None:
    """These stores give one to every image; this one was never pushed."""
    tag = f"{registry.address}/{unique}:1"
    load(engine, ImageToLoad([layer(unique)], [tag]))
    assert confirmed(engine, tag)[0] is False


def test_a_registry_that_is_gone(engine: Engine, unique: str, registry: Registry) -> None:
    gone = start_registry()
    try:
        pushed(engine, gone, unique, "1")
    finally:
        gone.stop()
    began = time.monotonic()
    has, said = confirmed(engine, f"{gone.address}/{unique}:1")
    assert has is None
    assert said.startswith(f"no answer from {gone.address}")
    assert "connection refused" in said
    assert time.monotonic() - began < 25


def test_a_registry_that_wants_a_login(
    engine: Engine, locked: Registry, unique: str, config: Path
) -> None:
    """Podman passes no login on to a registry: it knows its own only."""
    pushed(engine, locked, unique, "1")
    tag = f"{locked.address}/{unique}:1"
    has, said = confirmed(engine, tag)
    assert has is None
    assert said.startswith(f"{locked.address} refuses access: ")
    (config / "config.json").write_text(json.dumps(login(locked)))
    assert confirmed(engine, tag)[0] is (None if engine.store == "podman" else True)
    wrong = {"auths": {locked.address: {"username": USER, "password": "wrong"}}}
    (config / "config.json").write_text(json.dumps(wrong))
    has, said = confirmed(engine, tag)
    assert has is None
    assert said.startswith(f"{locked.address} refuses access: ")


@pytest.mark.engine("classic", "containerd")
def test_a_login_that_a_helper_keeps(
    engine: Engine, locked: Registry, unique: str, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pushed(engine, locked, unique, "1")
    tag = f"{locked.address}/{unique}:1"
    answer = json.dumps({"ServerURL": locked.address, "Username": USER, "Secret": PASSWORD})
    helper = config / "docker-credential-test"
    helper.write_text(
        "#!/bin/sh\nread -r server || true\n"
        f'[ "$1 $server" = "get {locked.address}" ] && echo \'{answer}\'\n'
    )
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{config}:/usr/bin:/bin")
    (config / "config.json").write_text(json.dumps({"credHelpers": {locked.address: "test"}}))
    assert confirmed(engine, tag) == (True, "")
    helper.write_text("#!/bin/sh\necho the vault is sealed; exit 1\n")
    has, said = confirmed(engine, tag)
    assert has is None
    assert "the vault is sealed" in said
