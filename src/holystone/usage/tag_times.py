"""When tagged images last got a tag: asked once for the tags an image has, then remembered.

Only an inspection tells it. It changes when a tag is put on the image, of which the list tells
where the tag is another one, and an event where it is the same. Where events may be missing, every
image is asked again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from holystone.engine.events import Event
from holystone.planner.inventory import Image
from holystone.usage.store_port import ImageFacts

_TAGGING = ("tag", "pull", "load", "loadfromarchive", "import", "build", "create")
"""Actions that may put a tag on an image, or put the same one on again."""


def to_ask(images: Iterable[Image], facts: Mapping[str, ImageFacts]) -> list[Image]:
    """The tagged images of which it is not known when they got the tags that they have."""
    return [i for i in images if i.tags and facts[i.id].dated_tags != _tags(i)]


def remembered(images: Iterable[Image], facts: Mapping[str, ImageFacts]) -> dict[str, float | None]:
    """When the tagged images got their tags, by ID, of those of which it is known."""
    dated = (image for image in images if image.tags and facts[image.id].dated_tags == _tags(image))
    return {image.id: facts[image.id].dated for image in dated}


def learn(images: Iterable[Image], found: Mapping[str, ImageFacts]) -> dict[str, ImageFacts]:
    """The facts to remember of images that were inspected; ``found`` is what that told.

    The date for when they lose their tags is asked for again then.
    """
    return {
        image.id: fact._replace(
            inspected=False, last_tagged=None, dated_tags=_tags(image), dated=fact.last_tagged
        )
        for image in images
        if (fact := found.get(image.id)) is not None
    }


def forget(
    events: Sequence[Event],
    meant_by: Callable[[Event], Collection[str]],
    facts: Mapping[str, ImageFacts],
) -> dict[str, ImageFacts]:
    """The facts of images that an event may have tagged, without when that was."""
    tagged: set[str] = set()
    for event in events:
        if event.kind == "image" and event.action in _TAGGING:
            tagged.update(meant_by(event))
    known = (each for each in tagged if each in facts and facts[each].dated_tags)
    return {each: facts[each]._replace(dated_tags=(), dated=None) for each in known}


def forget_all(facts: Mapping[str, ImageFacts]) -> dict[str, ImageFacts]:
    """The facts of all images, without when they were tagged."""
    known = (each for each, fact in facts.items() if fact.dated_tags)
    return {each: facts[each]._replace(dated_tags=(), dated=None) for each in known}


def _tags(image: Image) -> tuple[str, ...]:
    return tuple(sorted(image.tags))
