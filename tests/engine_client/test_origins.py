"""Which images registries are known to have had, by pulls and pushes; not by a name alone."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from holystone.engine.events import Event
from holystone.planner.inventory import Image
from holystone.planner.names import Names
from holystone.usage.origins import digests_of, of_events

PULLED, BUILT = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"
NAME = "r.example.com/a"


def event(action: str, about: str, name: str = "") -> Event:
    return Event("image", action, about, name or about, "", 5_000_000_000)


def shown(events: Sequence[Event], image_id: str = PULLED, *tags: str) -> list[str]:
    """What is shown of the image that has the tag now."""
    image = Image(image_id, tags or (f"{NAME}:1",), (f"{NAME}@{image_id}", f"b@{image_id}"))
    names = Names((image,))
    return [
        reference
        for origin in of_events(events, names)
        for reference in digests_of(origin, names.by_id[origin.image])
    ]


@pytest.mark.parametrize("action", ["pull", "push"])
@pytest.mark.parametrize("reference", [f"{NAME}:1", f"{NAME}@{PULLED}", f"{NAME}:1@{PULLED}"])
def test_a_pull_or_a_push_shows_it_of_its_own_repository(action: str, reference: str) -> None:
    assert shown([event(action, reference, NAME)]) == [f"{NAME}@{PULLED}"]


def test_a_name_on_docker_hub() -> None:
    image = Image(PULLED, ("python:3",), (f"python@{PULLED}",))
    (origin,) = of_events([event("pull", "python:3", "python")], Names((image,)))
    assert digests_of(origin, image) == [f"docker.io/library/python@{PULLED}"]


@pytest.mark.parametrize(
    "after",
    [
        event("tag", BUILT, f"{NAME}:1"),
        event("load", BUILT),
        event("import", BUILT),
        event("build", BUILT),
    ],
)
def test_another_image_that_got_the_name_since_is_not_shown(after: Event) -> None:
    pull = event("pull", f"{NAME}:1", NAME)
    assert shown([pull, after], BUILT) == []
    assert shown([after, pull], BUILT) == [f"{NAME}@{BUILT}"], "then the registry gave it"


def test_what_is_not_here_any_more_is_not_shown() -> None:
    assert shown([event("pull", f"{NAME}:2", NAME)]) == []
    assert shown([event("pull", "", "")]) == []


def test_a_load_of_another_image_changes_nothing() -> None:
    assert shown([event("pull", f"{NAME}:1", NAME), event("load", BUILT)]) == [f"{NAME}@{PULLED}"]
