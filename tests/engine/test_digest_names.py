"""An image pulled by digest has a name and stays; the digest that a tag left behind is none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from holystone.planner.policy import Policy
from tests.engine.cleaning import NO_GRACE, Clean, clean, image_ids
from tests.engine.refreshing import move_tag
from tests.engine.restoring import image, pushed
from tests.engines import Engine, Registry
from tests.engines.images import SCRATCH, build


class Pulls(NamedTuple):
    """An image in a registry, and ways to ask for it."""

    engine: Engine
    registry: Registry
    name: str
    digest: str
    """Its reference with a digest."""

    @property
    def tag(self) -> str:
        return f"{self.registry.address}/{self.name}:1"

    def pull(self, reference: str) -> str:
        """Pull it; the ID of the image that is behind it now."""
        said = self.engine.api("POST", f"/images/create?fromImage={reference}")
        assert not [line for line in said if "error" in line], said
        told = image(self.engine, reference)
        assert told is not None
        return "sha256:" + str(told["Id"]).removeprefix("sha256:")

    def move(self) -> None:
        """Have another image behind the tag in the registry, and pull that."""
        move_tag(self.engine, self.registry, self.name, "1")
        self.pull(self.tag)


@pytest.fixture
def pulls(fresh_engine: Engine, registry: Registry, unique: str) -> Pulls:
    """An image that is in the registry and not here."""
    digest = pushed(fresh_engine, registry, unique, "1")
    fresh_engine.api("DELETE", f"/images/{registry.address}/{unique}:1")
    assert image_ids(fresh_engine) == set()
    return Pulls(fresh_engine, registry, unique, digest)


def rules(done: Clean, image_id: str) -> list[str]:
    """The rules of the verdict on an image."""
    return [reason.rule for reason in done.verdict(image_id).reasons]


def test_pulled_by_digest(pulls: Pulls) -> None:
    image_id = pulls.pull(pulls.digest)
    done = clean(pulls.engine)
    assert rules(done, image_id) == ["digest"]
    assert done.verdict(image_id).reasons[0].facts["certain"] is True
    assert image_id in image_ids(pulls.engine)


@pytest.mark.engine("docker20", "docker28c", "podman5")
def test_pulled_by_tag_and_digest_at_once(pulls: Pulls) -> None:
    """As ``FROM python:3.12@sha256:…`` does it."""
    repository, _, digest = pulls.digest.partition("@")
    image_id = pulls.pull(f"{repository}:1@{digest}")
    assert rules(clean(pulls.engine), image_id) == ["digest"]
    assert image_id in image_ids(pulls.engine)


def test_the_tag_moved_by_a_pull(pulls: Pulls) -> None:
    old = pulls.pull(pulls.tag)
    pulls.move()
    done = clean(pulls.engine)
    assert rules(done, old) == ["untagged"]
    assert old not in image_ids(pulls.engine)
    assert image(pulls.engine, pulls.tag) is not None


@pytest.mark.engine("docker20", "docker28c", "podman5")
def test_the_tag_moved_by_a_pull_between_two_looks(pulls: Pulls, tmp_path: Path) -> None:
    """With what an earlier look saw, also where the files of the engine cannot be read."""
    old = pulls.pull(pulls.tag)
    assert rules(clean(pulls.engine, state=tmp_path, remote=True), old) == ["tagged"]
    pulls.move()
    done = clean(pulls.engine, state=tmp_path, remote=True)
    assert rules(done, old) == ["untagged"]
    assert old not in image_ids(pulls.engine)


@pytest.mark.engine("docker20", "docker28", "podman5")
def test_the_tag_moved_by_a_build(pulls: Pulls) -> None:
    old = pulls.pull(pulls.tag)
    new = build(pulls.engine, SCRATCH, "-t", pulls.tag)
    done = clean(pulls.engine)
    assert rules(done, old) == ["untagged"]
    assert rules(done, new) == ["tagged"]


@pytest.mark.engine("docker20", "docker28", "podman5")
def test_a_build_that_was_pushed_before_its_tag_moved(pulls: Pulls) -> None:
    old = build(pulls.engine, SCRATCH + "LABEL n=1\n", "-t", pulls.tag)
    pulls.engine.docker("push", "-q", pulls.tag)
    build(pulls.engine, SCRATCH + "LABEL n=2\n", "-t", pulls.tag)
    clean(pulls.engine)
    assert old not in image_ids(pulls.engine)
    assert image(pulls.engine, pulls.tag) is not None


@pytest.mark.parametrize("first", ["digest", "tag"])
@pytest.mark.engine("docker20", "docker28c", "podman5")
def test_pulled_by_both_and_the_tag_moved(pulls: Pulls, first: str) -> None:
    order = [pulls.digest, pulls.tag] if first == "digest" else [pulls.tag, pulls.digest]
    old = [pulls.pull(reference) for reference in order][-1]
    pulls.move()
    done = clean(pulls.engine)
    assert rules(done, old) == ["digest"]
    assert old in image_ids(pulls.engine)


@pytest.mark.engine("docker28", "docker28c", "podman5")
def test_the_tag_is_removed_by_hand(pulls: Pulls) -> None:
    """Docker takes the digest along, Podman leaves it: then it is still a name."""
    pulls.pull(pulls.digest)
    image_id = pulls.pull(pulls.tag)
    pulls.engine.api("DELETE", f"/images/{pulls.tag}")
    left = image_ids(pulls.engine)
    clean(pulls.engine)
    assert image_ids(pulls.engine) == left
    assert (image_id in left) is (pulls.engine.store == "podman")


@pytest.mark.engine("docker20")
def test_a_container_asked_for_it(pulls: Pulls, tmp_path: Path) -> None:
    """What a container was started from is remembered when the container is gone."""
    image_id = pulls.pull(pulls.digest)
    made = pulls.engine.api("POST", "/containers/create", {"Image": pulls.digest, "Cmd": ["/x"]})
    clean(pulls.engine, state=tmp_path, remote=True)
    pulls.engine.api("DELETE", f"/containers/{made['Id']}")
    done = clean(pulls.engine, state=tmp_path, remote=True)
    assert rules(done, image_id) == ["digest"]
    assert done.verdict(image_id).reasons[0].facts["certain"] is True


@pytest.mark.engine("docker28")
def test_nothing_tells(own_engine: Callable[..., Engine], registry: Registry, unique: str) -> None:
    """After a restart the engine has no events, and holystone saw neither pull: it stays."""
    started = own_engine()
    digest = pushed(started, registry, unique, "1")
    started.api("DELETE", f"/images/{registry.address}/{unique}:1")
    image_id = Pulls(started, registry, unique, digest).pull(digest)
    started.restart()
    done = clean(started, Policy(grace=NO_GRACE.grace))
    assert rules(done, image_id) == ["digest"]
    assert done.verdict(image_id).reasons[0].facts["certain"] is False
