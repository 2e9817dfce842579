"""Choose the tags to refresh: those asked for, else those protected or used of late."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from holystone.operations.errors import OperationError
from holystone.planner.glob import has_marks
from holystone.planner.inventory import Image, Inventory
from holystone.planner.lookup import covering, did_you_mean
from holystone.planner.patterns import covers
from holystone.planner.policy import Protect
from holystone.planner.reference import InvalidReference, Pattern, Reference, parse, parse_pattern
from holystone.planner.usage import Usage

NAMED = "named"
PROTECTED = "protected"
USED = "used"
"""Why a reference was chosen."""

RECENTLY = 30 * 86400.0
"""Seconds within which the use of an image makes its tags worth refreshing."""


class RefreshError(OperationError):
    """What was asked for is no tag of anything that could be refreshed."""


class Wanted(NamedTuple):
    """A reference with a tag, and why it was chosen."""

    reference: str
    """As the engine writes it, or as it was asked for."""
    why: str
    """``named``, ``protected`` or ``used``."""
    image: Image | None = None
    """What it means here; None where it is not here."""
    near: str = ""
    """Which of the tags here are closest, as a question; empty where none is, or it is here."""


def choose(
    inventory: Inventory,
    usage: Usage,
    protect: Protect,
    patterns: Sequence[str] = (),
    *,
    missing: bool = False,
) -> list[Wanted]:
    """The tags that ``patterns`` cover; without patterns those protected or used of late.

    ``missing``: protected ones that are not here as well. Raises RefreshError.
    """
    here = {tag: image for image in inventory.images for tag in image.tags}
    lists = (protect.images, *protect.other_images)
    if patterns:
        return _named(here, patterns, missing=missing)
    chosen = [
        Wanted(tag, why, image)
        for tag, image in here.items()
        if (why := _why(tag, image, lists, usage, inventory.taken_at))
    ]
    if missing:
        known = {str(parsed) for tag in here if (parsed := _parsed(tag))}
        chosen += [
            Wanted(tag, PROTECTED)
            for tag in dict.fromkeys(each for patterns in lists for each in _definite(patterns))
            if str(parse(tag)) not in known
        ]
    return sorted(chosen, key=lambda each: each.reference)


def _why(tag: str, image: Image, lists: Iterable[Sequence[str]], usage: Usage, now: float) -> str:
    """Why a tag is to be refreshed; empty where it is not."""
    if _parsed(tag) is None:
        return ""
    if any(covers(patterns, tag) for patterns in lists):
        return PROTECTED
    used = usage.last_used.get(("image", image.id))
    return USED if used is not None and now - used <= RECENTLY else ""


def _definite(patterns: Sequence[str]) -> list[str]:
    """The patterns that are whole references with a tag, and not taken back by a later one."""
    found = []
    for text in patterns:
        if text.startswith("!") or "*" in text or "?" in text:
            continue
        reference = parse(text)
        if reference.tag and not reference.digest and covers(patterns, text):
            found.append(reference.familiar)
    return found


def _named(here: Mapping[str, Image], texts: Sequence[str], *, missing: bool) -> list[Wanted]:
    chosen: dict[str, Wanted] = {}
    for text in texts:
        pattern = _tag_pattern(text)
        met = [tag for tag in here if (each := _parsed(tag)) and pattern.matches(each)]
        if not met and not missing:
            # With --missing the name is that of an image somewhere else.
            covers = covering(here, text)
            met = [tag for tag in here if _parsed(tag) and covers(tag)]
        for tag in met:
            chosen.setdefault(tag, Wanted(tag, NAMED, here[tag]))
        if not met:
            near = did_you_mean(here, text)
            if has_marks(text):
                raise RefreshError(f"there is no tag here that {text!r} covers.{near}")
            reference = parse(text).complete.familiar
            chosen.setdefault(reference, Wanted(reference, NAMED, near=near))
    return [chosen[reference] for reference in sorted(chosen)]


def _tag_pattern(text: str) -> Pattern:
    try:
        pattern = parse_pattern(text)
    except InvalidReference as error:
        raise RefreshError(str(error)) from None
    if pattern.digest:
        raise RefreshError(f"{text!r}: what a digest means never changes; give a tag")
    return pattern


def _parsed(tag: str) -> Reference | None:
    """The reference with a tag; None where it is none."""
    try:
        reference = parse(tag)
    except InvalidReference:
        return None
    return reference if reference.tag and not reference.digest else None
