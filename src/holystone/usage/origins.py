"""Which images registries are known to have had, by the events of pulls and pushes.

Not on Podman: it tells of a pull also where ``podman run`` found the image here and asked nobody.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from holystone.engine.events import Event
from holystone.engine.parse import full_id
from holystone.planner.inventory import Image
from holystone.planner.names import Names, complete, digest_references
from holystone.planner.reference import parse

_MAKINGS = ("load", "loadfromarchive", "import", "build")
"""Actions that tell an image by its ID, and may have given it any of its names."""


class Origin(NamedTuple):
    """An image that was pulled from a repository, or pushed there."""

    image: str
    """Its ID."""
    repository: str
    """The complete name: ``docker.io/library/python``."""
    at: float
    """UTC seconds."""


class Origins:
    """What the events of one run show."""

    def __init__(self) -> None:
        self.found: list[Origin] = []

    def read(self, events: Sequence[Event], names: Names) -> dict[str, Image]:
        """Take these events; the images that they show, by ID."""
        found = of_events(events, names)
        self.found += found
        return {origin.image: names.by_id[origin.image] for origin in found}

    def references(self, images: Mapping[str, Image]) -> dict[str, float]:
        """When it was last shown that a registry has an image, by reference with its digest."""
        return {
            reference: origin.at
            for origin in sorted(self.found, key=lambda each: each.at)
            if (image := images.get(origin.image)) is not None
            for reference in digests_of(origin, image)
        }


def of_events(events: Sequence[Event], names: Names) -> list[Origin]:
    """The images here that these events, the oldest first, show to be in a registry.

    An event tells the reference alone; one that was given to another image later shows nothing.
    """
    shown: dict[str, Event] = {}
    for event in events:
        if event.kind != "image":
            continue
        if event.action in ("pull", "push"):
            if reference := complete(event.id):
                shown[reference] = event
        elif event.action in _MAKINGS:
            made = names.by_id.get(full_id(event.id))
            for tag in made.tags if made is not None else ():
                shown.pop(complete(tag), None)
        else:
            for name in (event.id, event.name):
                shown.pop(complete(name), None)
    return [
        Origin(image, parse(reference).name, event.at)
        for reference, event in shown.items()
        if (image := names.behind(reference))
    ]


def digests_of(origin: Origin, image: Image) -> list[str]:
    """The complete references with a digest that an image has in the repository it was seen in."""
    references = digest_references(image.digests)
    return [str(each) for each in references if each.name == origin.repository]
