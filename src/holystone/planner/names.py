"""Which image of a host somebody means by a reference or an ID, and which references it has."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from holystone.planner.inventory import Image

if TYPE_CHECKING:
    from holystone.planner.reference import Reference

_SHORTENED = 12
"""How many digits of an ID engines show, and people therefore write."""


def complete(text: str) -> str:
    """A reference in full, so that two ways to write it are equal; empty for an ID, or neither.

    Where it has a digest that alone decides what is meant, so a tag beside it is left out.
    """
    from holystone.planner.reference import InvalidReference, parse

    if is_id(text):
        return ""
    try:
        full = parse(text).complete
    except InvalidReference:
        return ""
    return str(full._replace(tag="") if full.digest else full)


def digest_references(digests: Iterable[str]) -> list[Reference]:
    """The complete references of an image's digests, without tags; what is none is left out."""
    from holystone.planner.reference import InvalidReference, parse

    found = []
    for text in digests:
        try:
            found.append(parse(text)._replace(tag=""))
        except InvalidReference:
            continue
    return found


def familiar(text: str) -> str:
    """A reference as docker shows it, with the tag that counts; what is none stays as it is."""
    from holystone.planner.reference import InvalidReference, parse

    try:
        return parse(text).complete.familiar
    except InvalidReference:
        return text


def is_id(text: str) -> bool:
    """Whether this can only be an image's ID, whole or as engines shorten it."""
    digits = text.removeprefix("sha256:")
    if digits != text:
        return True
    return len(text) in (_SHORTENED, 64) and re.fullmatch("[0-9a-f]+", text) is not None


class Names:
    """The names of the images of one host, read when they are first needed."""

    def __init__(self, images: Sequence[Image]) -> None:
        self.images = images

    @cached_property
    def by_id(self) -> dict[str, Image]:
        """The images by ID."""
        return {image.id: image for image in self.images}

    @cached_property
    def by_name(self) -> dict[str, str]:
        """The ID behind each tag and digest, as the engine writes them."""
        return {name: image.id for image in self.images for name in image.tags + image.digests}

    def behind(self, reference: str) -> str:
        """The ID of the image that has this reference; empty where none has."""
        if found := self.by_name.get(reference):
            return found
        from holystone.planner.reference import InvalidReference, parse

        try:
            full = parse(reference).complete
        except InvalidReference:
            return ""
        if full.digest:
            full = full._replace(tag="")
        return self.by_name.get(full.familiar) or self.by_name.get(str(full)) or ""

    def begun_by(self, text: str) -> set[str]:
        """The IDs that begin with this, with or without their algorithm."""
        beginning = "sha256:" + text.removeprefix("sha256:")
        return {image.id for image in self.images if image.id.startswith(beginning)}

    def meant(self, text: str) -> set[str]:
        """Every image that somebody can mean by this, a reference or the beginning of an ID."""
        if not text:
            return set()
        named = self.behind(text)
        return self.begun_by(text) | ({named} if named else set())

    def references(self, image_id: str) -> tuple[str, ...]:
        """The names of an image in full; where it has none, those of what it was built on.

        A step of a classic build stands on the image its ``FROM`` named.
        """
        steps = self.steps(image_id)
        if not steps:
            return ()
        return tuple(filter(None, map(complete, steps[-1].tags + steps[-1].pinned)))

    def steps(self, image_id: str) -> list[Image]:
        """An image and what it was built on, step by step, down to the first that has a name."""
        found: list[Image] = []
        image = self.by_id.get(image_id)
        while image is not None and image not in found:
            found.append(image)
            image = None if image.tags or image.pinned else self.by_id.get(image.parent)
        return found

    def bases(self, image_id: str) -> tuple[str, ...]:
        """The IDs of what an image was built on, as far as that is here and its layers tell.

        It is the tagged image of another repository that has the most of its lowest layers, and
        nothing else. Twins with the same layers are all told.
        """
        image = self.by_id.get(image_id)
        if image is None or not image.layers:
            return ()
        own = {_repository(tag) for tag in image.tags}
        depth = {layer.chain_id: number for number, layer in enumerate(image.layers[:-1], start=1)}
        deepest: list[str] = []
        most = 0
        for other in self.images:
            if not other.tags or not other.layers or other.id == image_id:
                continue
            under = depth.get(other.layers[-1].chain_id, 0)
            if under < max(1, most) or own.intersection(map(_repository, other.tags)):
                continue
            deepest = [*deepest, other.id] if under == most else [other.id]
            most = under
        return tuple(deepest)


def _repository(tag: str) -> str:
    return tag.rpartition(":")[0]
