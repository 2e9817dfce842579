"""When an image came here, and when anybody last had to do with it."""

from __future__ import annotations

from holystone.planner.inventory import Image
from holystone.planner.usage import Usage


def arrival(image: Image, usage: Usage, *, step: bool = False) -> tuple[str, float | None]:
    """What last told that an image came here or was wanted, and when (UTC seconds).

    The latest of: when it came, by an event or by the engine's files; when it last got a tag.
    A build date says nothing of that: who builds an image may set it. Only that of a ``step`` of a
    classic build counts, which came here by that build. Where nothing of this is known, when
    holystone first saw it: None where that is now.
    """
    known = [
        (at, what)
        for at, what in ((image.arrived, "arrived"), (image.last_tagged, "last tagged"))
        if at is not None
    ]
    if known:
        at, what = max(known)
        return what, at
    if step:
        return "built", image.created
    return "first seen", usage.first_seen.get(image.id)


def last_sign(image: Image, usage: Usage) -> float | None:
    """When anybody last had to do with an image, as far as holystone knows (UTC seconds).

    Before it saw the image for the first time it cannot know of any use, so that counts too.
    """
    return sign(image, usage)[1]


def sign(image: Image, usage: Usage) -> tuple[str, float | None]:
    """What ``last_sign`` was, in words, and when; where two came at once, the one that was first.

    A pull is both an arrival and a use: then it arrived.
    """
    signs = (
        ("arrived", image.arrived),
        ("last tagged", image.last_tagged),
        ("last used", usage.last_used.get(("image", image.id))),
        ("first seen", usage.first_seen.get(image.id)),
    )
    known = [(what, at) for what, at in signs if at is not None]
    return max(known, key=lambda told: told[1], default=("last used", None))


def once_in_registry(image: Image, store: str) -> bool:
    """Whether a registry had the image when it was last heard of.

    On the classic store an image has a repository digest only where it was pulled or pushed;
    elsewhere every image has one.
    """
    if image.from_registry is None:
        return store == "classic" and bool(image.digests)
    return image.from_registry
