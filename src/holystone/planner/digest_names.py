"""Which digests name an image as a tag does, and which a tag left behind when it moved away."""

from __future__ import annotations

from typing import NamedTuple

from holystone.planner.inventory import Image

_MADE_NOW = 60.0
"""Seconds from when an image was built to its tag within which a build made both."""


class DigestNames(NamedTuple):
    """The digests by which an image has a name."""

    names: tuple[str, ...] = ()
    certain: bool = True
    """False where they may be what a tag left behind."""


def digest_names(image: Image, store: str) -> DigestNames:
    """The references with a digest that somebody wants the image by.

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
    at_once = image.last_tagged is not None and 0 <= image.last_tagged - image.created < _MADE_NOW
    return bool(image.parent) or at_once
