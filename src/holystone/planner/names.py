"""The names of images: which image a name means, and which tags and digests name an image."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import NamedTuple

from holystone.planner.inventory import Image
from holystone.planner.reference import Reference, parsed_or_none
from holystone.planner.usage import MADE_NOW

_SHORTENED = 12
"""How many digits of an ID engines show, and people therefore write."""


def complete(text: str) -> str:
    """A reference in full, so that two ways to write it are equal; empty for an ID, or neither.

    Where it has a digest that alone decides what is meant, so a tag beside it is left out.
    """
    full = None if is_id(text) else parsed_or_none(text)
    return "" if full is None else str(full.decisive)


def digest_references(digests: Iterable[str]) -> list[Reference]:
    """The complete references of an image's digests, without tags; what is none is left out."""
    return [full._replace(tag="") for text in digests if (full := parsed_or_none(text))]


def familiar(text: str) -> str:
    """A reference as docker shows it, with the tag that counts; what is none stays as it is."""
    full = parsed_or_none(text)
    return text if full is None else full.complete.familiar


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
        full = parsed_or_none(reference)
        if full is None:
            return ""
        full = full.decisive
        return self.by_name.get(full.familiar) or self.by_name.get(str(full)) or ""

    def begun_by(self, text: str) -> set[str]:
        """The IDs that begin with this, with or without their algorithm."""
        beginning = "sha256:" + text.removeprefix("sha256:")
        return {image.id for image in self.images if image.id.startswith(beginning)}

    def meant(self, text: str) -> set[str]:
        """Every image that this, a reference or the beginning of an ID, can mean."""
        if not text:
            return set()
        named = self.behind(text)
        return self.begun_by(text) | ({named} if named else set())

    def references(self, image_id: str) -> tuple[str, ...]:
        """The names of an image in full; where it has none, those of what it was built on.

        A step of a classic build is built on the image of its ``FROM``.
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
        own = {repository(tag) for tag in image.tags}
        depth = {layer.chain_id: number for number, layer in enumerate(image.layers[:-1], start=1)}
        deepest: list[str] = []
        most = 0
        for other in self.images:
            if not other.tags or not other.layers or other.id == image_id:
                continue
            under = depth.get(other.layers[-1].chain_id, 0)
            if under < max(1, most) or own.intersection(map(repository, other.tags)):
                continue
            deepest = [*deepest, other.id] if under == most else [other.id]
            most = under
        return tuple(deepest)


class DigestNames(NamedTuple):
    """The digests by which an image has a name."""

    names: tuple[str, ...] = ()
    certain: bool = True
    """False where they may be what a tag left behind."""


def digest_names(image: Image, store: str) -> DigestNames:
    """The references with a digest by which the image is wanted.

    The containerd store and Podman list these among an image's names, and no others. The classic
    store lists every digest it knows, and keeps it when a tag moves away. There a digest is a name
    where somebody was seen asking for it. It is none in a repository where the image was seen with
    a tag, nor of an image that was built here. Where nothing tells it counts as a name.
    """
    if image.pinned or store != "classic" or image.tags:
        return DigestNames(image.pinned)
    unexplained = tuple(d for d in image.digests if repository(d) not in image.tagged_in)
    if not unexplained or _built_here(image):
        return DigestNames()
    return DigestNames(unexplained, certain=False)


def repository(name: str) -> str:
    """The repository of a tag or digest, as the engine writes it."""
    named = name.partition("@")[0]
    slash = named.rfind("/")
    colon = named.find(":", slash + 1)
    return named if colon < 0 else named[:colon]


def _built_here(image: Image) -> bool:
    """Whether a build on this engine made it: it has a step before it, or got a tag at once."""
    at_once = image.last_tagged is not None and 0 <= image.last_tagged - image.created < MADE_NOW
    return bool(image.parent) or at_once


def tags_by_repository(images: Iterable[Image]) -> dict[str, list[str]]:
    """The tags of each repository here, those of the image built last first.

    Builds that can be repeated all have the same date: then the tag put on last is the newest, and
    then the one with the highest number in it.
    """
    dated: dict[str, list[tuple[float, float, list[tuple[int, str, str]], str]]] = {}
    for image in images:
        for tag in image.tags:
            name, _, version = tag.rpartition(":")
            age = (image.created, image.last_tagged or 0.0, _counting(version), tag)
            dated.setdefault(name, []).append(age)
    return {name: [tag for *_, tag in sorted(tags, reverse=True)] for name, tags in dated.items()}


def digests_by_repository(
    images: Iterable[Image], digests: Callable[[Image], Iterable[str]]
) -> dict[str, list[str]]:
    """The digests that are names of each repository here, those of the image built last first."""
    dated: dict[str, list[tuple[float, float, str]]] = {}
    for image in images:
        came = max(image.arrived or 0.0, image.last_tagged or 0.0)
        for digest in digests(image):
            dated.setdefault(repository(digest), []).append((image.created, came, digest))
    return {name: [each for *_, each in sorted(all_, reverse=True)] for name, all_ in dated.items()}


def _counting(version: str) -> list[tuple[int, str, str]]:
    """What sorts ``1.10`` after ``1.9``."""
    parts = re.findall(r"(\d*)(\D*)", version)
    # By its length and digits: an engine may tell of numbers that are too long for int().
    numbers = [(number.lstrip("0"), rest) for number, rest in parts]
    return [(len(number), number, rest) for number, rest in numbers]
