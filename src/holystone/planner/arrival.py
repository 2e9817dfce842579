"""When an image came here, whether it had a tag, and when anybody last had to do with it."""

from __future__ import annotations

from holystone.planner.inventory import Image
from holystone.planner.usage import Usage

_MADE_NOW = 60.0
"""Seconds from when an image was built to its arrival within which it was built here."""


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


def had_tag(image: Image, store: str, *, step: bool) -> bool:
    """Whether nothing can name an untagged image any more, so that no build waits for it.

    The containerd store dates every image, a ``step`` of a classic build too, so the date alone
    does not tell that there was a tag. BuildKit, which names what it works with in other ways,
    marks its images; but the mark says nothing of one that came long after it was built.
    """
    if image.tagged_in or image.digests:
        return True
    if image.loaded:
        return False
    if image.last_tagged is not None:
        at_once = image.last_tagged - image.created < _MADE_NOW
        of_a_step = store == "containerd" and not image.made_by_buildkit and (step or at_once)
        if not of_a_step:
            return True
    late = image.arrived is not None and image.arrived - image.created >= _MADE_NOW
    return image.made_by_buildkit and not late
