"""One tag with two platforms on the containerd store: its bytes, and that both come back."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from holystone.engine import image_facts as asking
from holystone.operations.refresh import PULLED, carry_out
from holystone.operations.refresh_plan import NAMED, NEWER, Entry
from holystone.operations.watching import Unwatched
from holystone.registry.credentials import Credentials
from holystone.registry.pull import Puller
from tests.engine.cleaning import bytes_below, clean, live_host
from tests.engine.refreshing import put_manifest
from tests.engine.restoring import EVERYTHING, MANIFEST, image, recorded_clean
from tests.engine.test_restore import undo
from tests.engines import Engine, Registry
from tests.engines.images import ImageToLoad, layer, load

pytestmark = pytest.mark.engine("docker28c")

INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
PLATFORMS = ("linux/amd64", "linux/arm64")
OWN, COMMON = 3_000_000, 2_000_000
BLOCKS = 300_000
"""Bytes that folders, small files and the database of containerd may take or give back."""


@pytest.fixture
def index(fresh_engine: Engine, registry: Registry, unique: str) -> str:
    """A tag in the registry with two platforms, of which neither is here."""
    repository = f"{registry.address}/{unique}"
    common = layer(f"{unique} common", COMMON)
    manifests = []
    for platform in PLATFORMS:
        system, architecture = platform.split("/")
        tag = f"{repository}:{architecture}"
        own = layer(f"{unique} {architecture}", OWN)
        load(fresh_engine, ImageToLoad([common, own], [tag], architecture=architecture))
        fresh_engine.docker("push", "-q", tag)
        fresh_engine.api("DELETE", f"/images/{tag}")
        told, manifest = registry.call("GET", f"/v2/{unique}/manifests/{architecture}", MANIFEST)
        manifests.append(
            {
                "mediaType": manifest["mediaType"],
                "digest": told["docker-content-digest"],
                "size": int(told["content-length"]),
                "platform": {"os": system, "architecture": architecture},
            }
        )
    made = {"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}
    put_manifest(registry, unique, "1", made)
    return f"{repository}:1"


def pull(engine: Engine, tag: str, *platforms: str) -> None:
    for platform in platforms:
        said = engine.api("POST", f"/images/create?fromImage={tag}&platform={platform}")
        assert not [line for line in said if "error" in line], said


def platforms(engine: Engine, tag: str) -> tuple[str, ...]:
    """Those of a tag that are here."""
    with closing(live_host(engine)) as host:
        (found,) = [each for each in host.observe().images if tag in each.tags]
    return found.platforms


def stored(engine: Engine) -> int:
    return bytes_below(engine.data / "root" / "containerd")


@pytest.mark.parametrize("by", ["files", "interface", "older interface"])
def test_the_bytes_of_both(
    fresh_engine: Engine, index: str, by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the files of the store exactly, by its interface within the bounds that are told."""
    if by == "older interface":
        monkeypatch.setattr(asking, "_BY_PLATFORM", (9, 9))
    pull(fresh_engine, index, *PLATFORMS)
    assert platforms(fresh_engine, index) == PLATFORMS
    before = stored(fresh_engine)
    done = clean(fresh_engine, EVERYTHING, remote=by != "files")
    assert image(fresh_engine, index) is None
    fell = before - stored(fresh_engine)
    # Each layer unpacked and compressed, the common one once.
    assert abs(fell - 2 * (COMMON + 2 * OWN)) < BLOCKS
    assert done.plan.at_least - BLOCKS < fell < done.plan.at_most + BLOCKS
    if by == "files":
        assert abs(fell - done.plan.freed_bytes) < BLOCKS


def test_one_platform_of_two(fresh_engine: Engine, index: str) -> None:
    """What is not here counts nothing, whether it is the engine's own or not."""
    for platform in PLATFORMS:
        pull(fresh_engine, index, platform)
        assert platforms(fresh_engine, index) == (platform,)
        done = clean(fresh_engine, EVERYTHING)
        assert abs(done.plan.freed_bytes - 2 * (COMMON + OWN)) < BLOCKS
        assert image(fresh_engine, index) is None


@pytest.mark.parametrize("had", [PLATFORMS, ("linux/arm64",)])
def test_they_come_back(
    fresh_engine: Engine, index: str, tmp_path: Path, had: tuple[str, ...]
) -> None:
    pull(fresh_engine, index, *had)
    recorded_clean(fresh_engine, tmp_path)
    assert image(fresh_engine, index) is None
    (done,) = undo(fresh_engine, tmp_path).values()
    assert (done.result, done.detail) == ("restored", "")
    assert platforms(fresh_engine, index) == had
    (again,) = undo(fresh_engine, tmp_path).values()
    assert again.result == "present"


def test_one_is_lost(
    fresh_engine: Engine, registry: Registry, index: str, tmp_path: Path, unique: str
) -> None:
    """The other comes back, and the line says which one did not."""
    pull(fresh_engine, index, *PLATFORMS)
    recorded_clean(fresh_engine, tmp_path)
    told, _ = registry.call("GET", f"/v2/{unique}/manifests/arm64", MANIFEST)
    registry.call("DELETE", f"/v2/{unique}/manifests/{told['docker-content-digest']}")
    (done,) = undo(fresh_engine, tmp_path).values()
    assert done.result == "failed"
    assert done.detail.startswith("linux/arm64 did not come back: ")
    assert platforms(fresh_engine, index) == ("linux/amd64",)


def test_a_newer_version_comes_with_both(
    fresh_engine: Engine, registry: Registry, index: str, unique: str
) -> None:
    pull(fresh_engine, index, *PLATFORMS)
    _, made = registry.call("GET", f"/v2/{unique}/manifests/1", INDEX)
    digest = put_manifest(registry, unique, "1", {**made, "manifests": made["manifests"][::-1]})
    with closing(live_host(fresh_engine)) as host:
        (image_,) = [each for each in host.observe().images if index in each.tags]
        found = Entry(index, NAMED, image_, NEWER)
        puller = Puller(host.client, Credentials({}))
        ((outcome,), _) = carry_out([found], puller, Unwatched(), parallel=1)
    assert (outcome.result, outcome.detail, outcome.image_id) == (PULLED, "", digest)
    assert sorted(platforms(fresh_engine, index)) == sorted(PLATFORMS)


def test_one_was_removed_since(fresh_engine: Engine, index: str, tmp_path: Path) -> None:
    pull(fresh_engine, index, *PLATFORMS)
    recorded_clean(fresh_engine, tmp_path)
    pull(fresh_engine, index, PLATFORMS[0])
    (done,) = undo(fresh_engine, tmp_path).values()
    assert (done.result, done.detail) == ("restored", "")
    assert platforms(fresh_engine, index) == PLATFORMS
