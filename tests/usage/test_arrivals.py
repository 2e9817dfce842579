"""What events, containers and the engine's files tell of how an image came, and from where."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from holystone.engine.events import Event
from holystone.engine.image_facts import apply_facts
from holystone.planner.inventory import Container, Engine, Image, Inventory
from holystone.planner.names import Names
from holystone.usage.arrivals import file_times, in_registries, learn, pulled_by_tag
from holystone.usage.sighting import Bookmark, OwnPull
from holystone.usage.store_port import ImageFacts

ID, OTHER = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"
DIGEST = f"python@sha256:{'1' * 64}"
CLASSIC = Engine("e", "here", "28", "1.51", "overlay2")


def event(action: str, at: float, of: str = ID, name: str = "") -> Event:
    """An event of an image as Docker sends it."""
    return Event("image", action, of, name or of, "", int(at * 1e9))


def after(
    *events: Event,
    image: Image | None = None,
    fact: ImageFacts | None = None,
    containers: tuple[Container, ...] = (),
    bookmark: Bookmark | None = None,
) -> ImageFacts:
    """What is known of an image after these events."""
    seen = image or Image(ID, digests=(DIGEST,))
    known = {seen.id: fact or ImageFacts(1.0)}
    inventory = Inventory(CLASSIC, 100.0, (seen,), containers)
    return learn(known, inventory, events, bookmark or Bookmark()).get(seen.id, known[seen.id])


def test_a_load_counts_until_there_is_a_tag() -> None:
    loaded = after(event("load", 5))
    assert (loaded.arrived, loaded.loaded) == (5.0, True)
    tagged = after(event("load", 5), event("tag", 6, name="app:1"))
    assert (tagged.arrived, tagged.loaded, tagged.tagged_in) == (6.0, False, ("app",))
    listed = after(event("load", 5), image=Image(ID, tags=("app:1",)))
    assert (listed.loaded, listed.tagged_in) == (False, ("app",))


def test_a_pull_by_digest_is_a_name() -> None:
    for name in (DIGEST, DIGEST.replace("@", ":3.12@"), f"docker.io/library/{DIGEST}"):
        pulled = after(event("pull", 5, name, "python"))
        assert (pulled.arrived, pulled.pinned) == (5.0, (DIGEST,))


def test_podman_tells_of_a_pull_by_id_and_name() -> None:
    by_digest = after(event("pull", 5, "a" * 64, DIGEST))
    assert by_digest.pinned == (DIGEST,)
    by_tag = after(event("pull", 5, "a" * 64, "python:3.12"))
    assert (by_tag.arrived, by_tag.tagged_in) == (5.0, ("python",))


def test_a_pull_of_holystone_itself_names_nothing() -> None:
    own = Bookmark(own_pulls=(OwnPull(f"docker.io/library/{DIGEST}", 4.0, 6.0),))
    pulled = after(event("pull", 5, DIGEST, "python"), bookmark=own)
    assert (pulled.arrived, pulled.pinned) == (5.0, ())


def test_what_was_deleted_and_came_again_is_new() -> None:
    old = ImageFacts(1.0, arrived=2.0, pinned=(DIGEST,), tagged_in=("python",))
    again = after(event("delete", 5), event("load", 6), fact=old)
    assert (again.arrived, again.loaded, again.pinned, again.tagged_in) == (6.0, True, (), ())


def test_what_came_after_it_was_deleted_keeps_its_name() -> None:
    """The name of a restored image is remembered before the next look reads of its removal."""
    restored = ImageFacts(7.0, arrived=7.0, pinned=(DIGEST,))
    own = Bookmark(own_pulls=(OwnPull(f"docker.io/library/{DIGEST}", 5.5, 7.0),))
    seen = after(
        event("delete", 5), event("pull", 6, DIGEST, "python"), fact=restored, bookmark=own
    )
    assert seen.pinned == (DIGEST,)


def test_containers_tell_what_they_asked_for() -> None:
    container = Container("c", "c", ID, DIGEST, "exited")
    assert after(containers=(container,)).pinned == (DIGEST,)
    started = Event("container", "start", "c", "c", DIGEST, 1)
    assert after(started).pinned == (DIGEST,)


def test_what_is_odd_tells_nothing() -> None:
    known = ImageFacts(1.0)
    odd = [
        event("pull", 5, "", ""),
        event("pull", 5, "@", "@"),
        event("tag", 5, OTHER, "x:1"),
        event("load", 5, "", ""),
        Event("container", "start", "c", "c", "@@", 1),
    ]
    assert after(*odd, fact=known) == known


def test_a_digest_that_is_gone_is_no_name() -> None:
    fact = ImageFacts(1.0, pinned=(DIGEST,))
    assert apply_facts(Image(ID, digests=(DIGEST,)), fact, "classic").pinned == (DIGEST,)
    assert apply_facts(Image(ID), fact, "classic").pinned == ()


def test_the_pull_that_brought_an_image_is_the_first_after_it_was_stored() -> None:
    image = Image(ID, digests=(DIGEST,))
    by_tag = event("pull", 10.5, "python:3.12", "python")
    by_digest = event("pull", 10.4, DIGEST, "python")
    other = event("pull", 10.1, "node:18", "node")
    late = event("pull", 30, "python:3.12", "python")
    stored = {ID: 10.0}
    assert pulled_by_tag([image], stored, [other, by_tag]) == {ID: {"python"}}
    assert pulled_by_tag([image], stored, [by_digest, by_tag]) == {}
    assert pulled_by_tag([image], stored, [other, late]) == {}
    assert pulled_by_tag([image], {}, [by_tag]) == {}


def test_times_of_files(tmp_path: Path) -> None:
    podman = CLASSIC._replace(store="podman", storage_driver="overlay")
    for engine, file in (
        (CLASSIC, f"image/overlay2/imagedb/content/sha256/{'a' * 64}"),
        (podman, f"overlay-images/{'a' * 64}/manifest"),
    ):
        path = tmp_path / file
        path.parent.mkdir(parents=True)
        path.write_text("{}")
        os.utime(path, (5, 5))
        assert file_times(str(tmp_path), engine, [ID, OTHER, "sha256:../x"]) == {ID: 5.0}
    assert file_times(str(tmp_path), CLASSIC._replace(store="containerd"), [ID]) == {}
    assert file_times(str(tmp_path), CLASSIC._replace(storage_driver="../x"), [ID]) == {}


NAME = "r.example.com/a"


def shown(events: Sequence[Event], image_id: str = ID) -> list[str]:
    """What is shown of the image that has the tag now."""
    image = Image(image_id, (f"{NAME}:1",), (f"{NAME}@{image_id}", f"b@{image_id}"))
    return list(in_registries(events, Names((image,))).get(image_id, {}))


@pytest.mark.parametrize("action", ["pull", "push"])
@pytest.mark.parametrize("reference", [f"{NAME}:1", f"{NAME}@{ID}", f"{NAME}:1@{ID}"])
def test_a_pull_or_a_push_shows_it_of_its_own_repository(action: str, reference: str) -> None:
    assert shown([event(action, 5, reference, NAME)]) == [f"{NAME}@{ID}"]


def test_a_name_on_docker_hub() -> None:
    image = Image(ID, ("python:3",), (f"python@{ID}",))
    shown_at = {f"docker.io/library/python@{ID}": 5.0}
    pull = event("pull", 5, "python:3", "python")
    assert in_registries([pull], Names((image,))) == {ID: shown_at}


@pytest.mark.parametrize(
    ("action", "name"), [("tag", f"{NAME}:1"), ("load", ""), ("import", ""), ("build", "")]
)
def test_another_image_that_got_the_name_since_is_not_shown(action: str, name: str) -> None:
    pull, after = event("pull", 5, f"{NAME}:1", NAME), event(action, 5, OTHER, name)
    assert shown([pull, after], OTHER) == []
    assert shown([after, pull], OTHER) == [f"{NAME}@{OTHER}"], "then the registry gave it"


def test_what_is_not_here_is_not_shown_and_changes_nothing() -> None:
    assert shown([event("pull", 5, f"{NAME}:2", NAME)]) == []
    assert shown([event("pull", 5, "", "")]) == []
    pull = event("pull", 5, f"{NAME}:1", NAME)
    assert shown([pull, event("load", 5, OTHER)]) == [f"{NAME}@{ID}"]
