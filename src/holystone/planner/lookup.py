"""Find the objects of a host by a name, a reference, an ID or the start of one.

Every function returns a list, so that the caller sees whether the text means no object, one or
several. Exact matches come before looser ones: an object called ``cafe`` wins over an ID that
starts with it. Patterns and the ends of names count only if nothing else matches.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from typing import NamedTuple

from holystone.planner.builders import parted, records_of
from holystone.planner.glob import has_marks, of_text
from holystone.planner.inventory import Image, Inventory
from holystone.planner.names import repository
from holystone.planner.reference import (
    InvalidReference,
    Pattern,
    Reference,
    parse_pattern,
    parsed_or_none,
)
from holystone.planner.verdict import KINDS

SHORTEST_PREFIX = 4
"""How many characters of an ID it takes to mean it."""

_HEXADECIMAL = frozenset("0123456789abcdef")


class Found(NamedTuple):
    """An object that was meant, named as in its verdict."""

    kind: str
    id: str
    names: tuple[str, ...]


def find(inventory: Inventory, text: str, kinds: Collection[str] = KINDS) -> list[Found]:
    """The objects of these kinds that ``text`` means, exact matches before all others.

    A name can mean objects of several kinds (an image and a container called ``redis``): the
    answer then has all of them, in the order of ``KINDS``.
    """
    exact: list[Found] = []
    loose: list[Found] = []
    covered: list[Found] = []
    pattern = of_text(text) if has_marks(text) else None
    for kind in (each for each in KINDS if each in kinds):
        if kind == "image":
            exactly, nearly = _images(inventory.images, text)
            exact += map(_image, exactly)
            loose += map(_image, nearly)
            if not exact and not loose:
                covered += map(_image, meant_in_part(inventory.images, text))
            continue
        # BuildKit's IDs are base 36, not hexadecimal.
        of_buildkit = kind in ("cache", "builder") and len(text) >= SHORTEST_PREFIX
        short = text if of_buildkit else _prefix(text)
        for found, names, whole in _objects(inventory, kind):
            if text in names:
                exact.append(found)
            elif short and whole.startswith(short):
                loose.append(found)
            elif pattern and kind != "cache" and any(map(pattern.matches, _called(found))):
                covered.append(found)
    return exact or loose or covered


def _objects(inventory: Inventory, kind: str) -> Iterator[tuple[Found, tuple[str, ...], str]]:
    """The objects of a kind but images: the names of each in full, and what may be shortened."""
    if kind == "container":
        for c in inventory.containers:
            yield Found(kind, c.id, (c.name,)), (c.id, c.name, f"/{c.name}"), c.id
    elif kind == "cache":
        for r in inventory.cache:
            yield Found(kind, r.id, (r.description,)), (r.id,), r.id
    elif kind == "builder":
        for r in records_of(inventory).values():
            builder, own_id = parted(r.id)
            found = Found(kind, r.id, (r.description,))
            # A builder's name means all that it keeps.
            yield found, (r.id, own_id, builder), own_id
    elif kind == "volume":
        for v in inventory.volumes:
            yield Found(kind, v.name, (v.name,)), (v.name,), v.name if v.anonymous else ""
    elif kind == "network":
        for n in inventory.networks:
            yield Found(kind, n.id, (n.name,)), (n.id, n.name), n.id


def _called(found: Found) -> tuple[str, ...]:
    """What a pattern is held against: of a builder's record the ID, which begins with its name."""
    return (found.id,) if found.kind == "builder" else found.names


def _image(image: Image) -> Found:
    return Found("image", image.id, image.tags or image.digests)


def names_of(inventory: Inventory, kinds: Collection[str] = KINDS) -> list[str]:
    """What somebody can have meant by a wrong name: the names of the objects of these kinds."""
    names: list[str] = []
    names += (name for i in inventory.images for name in i.tags if "image" in kinds)
    names += (each.name for each in inventory.containers if "container" in kinds)
    names += (v.name for v in inventory.volumes if "volume" in kinds and not v.anonymous)
    names += (each.name for each in inventory.networks if "network" in kinds)
    return names


def find_images(images: Sequence[Image], text: str) -> list[Image]:
    """The images ``text`` means.

    First by reference with tag (``latest`` where none is given) or digest, or by whole ID; where
    that finds nothing, by the start of an ID, by a repository (``node`` for ``node:20-alpine``),
    or as Podman names what was built here (``app`` for ``localhost/app:latest``). Last come
    patterns (``team/*``) and the end of a name (``app:1`` for ``registry.example.com/app:1``).
    """
    exact, loose = _images(images, text)
    return exact or loose or meant_in_part(images, text)


def _images(images: Sequence[Image], text: str) -> tuple[list[Image], list[Image]]:
    prefix = _prefix(text.removeprefix("sha256:"))
    exact = [
        image
        for image in images
        if text in (image.id, image.id.removeprefix("sha256:"))
        or (text.startswith("sha256:") and any(d.endswith(f"@{text}") for d in image.digests))
    ]
    loose = [i for i in images if prefix and i.id.removeprefix("sha256:").startswith(prefix)]
    meant = None if text.startswith("sha256:") else parsed_or_none(text)
    if meant is None:
        return exact, loose
    for image in images:
        near = _nearness(image, meant)
        if near == 2 and image not in exact:
            exact.append(image)
        elif near == 1 and image not in loose:
            loose.append(image)
    return exact, loose


def _nearness(image: Image, meant: Reference) -> int:
    """2 where one of the image's references is the one meant, 1 where it comes near, else 0."""
    nearest = 0
    # A reference with both is resolved by its digest, as docker does.
    target = meant._replace(tag="") if meant.digest else meant.complete
    wanted = (str(target), target.familiar)
    familiar = meant.familiar_name
    repositories = (meant.name, familiar, f"localhost/{familiar}")
    for text in image.digests if meant.digest else image.tags + image.digests:
        if text in wanted:
            return 2
        if meant.digest:
            continue
        if text.startswith("localhost/") and text == f"localhost/{target.familiar}":
            nearest = 1
        if not meant.tag and repository(text) in repositories:
            nearest = 1
    return nearest


def _prefix(text: str) -> str:
    """The text where it can be the start of a hexadecimal ID, else nothing."""
    return text if len(text) >= SHORTEST_PREFIX and _HEXADECIMAL.issuperset(text) else ""


_CLOSE = 0.78
"""From this ratio on two names are close: one letter of five may be another one."""
_BEHIND = 0.15
"""What is less close than the best by so much is not what was meant."""
_LONGEST = 200
"""A longer word is not taken for a typing error."""


def meant_in_part(images: Sequence[Image], text: str) -> list[Image]:
    """The images of which ``text`` is a pattern, or else the end of a name.

    ``*node*`` covers every name whose last part contains ``node``. ``team/*`` covers all below
    ``docker.io/team``. Where nothing is there, it covers what is in a folder ``team`` of any
    registry; ``app:1.5`` then means ``registry.example.com/team/app:1.5``.
    """
    names = (name for image in images for name in image.tags + image.digests)
    covers = covering(names, text)
    return [image for image in images if any(map(covers, image.tags + image.digests))]


def covering(names: Iterable[str], text: str) -> Callable[[str], bool]:
    """What tells whether a reference is meant by ``text``, among these names.

    Either it covers some of the names as it stands, or what they end with counts. A pattern
    without a slash means the last part of a name, wherever that is.
    """
    whole, ending = _pattern(text), _pattern(f"**/{text}")
    anywhere = "/" not in text and has_marks(text)
    if whole is not None and anywhere:
        return reference_test(text)
    if whole is not None and has_marks(text) and any(_matches(whole, name) for name in names):
        return lambda name: _matches(whole, name)
    return lambda name: ending is not None and _matches(ending, name)


def reference_test(text: str) -> Callable[[str], bool]:
    """What tells whether ``text`` is a pattern of a reference, or covers the end of its name."""
    patterns = [each for each in (_pattern(text), _pattern(f"**/{text}")) if each is not None]
    return lambda name: any(_matches(pattern, name) for pattern in patterns)


def closest(names: Iterable[str], text: str, most: int = 3) -> list[str]:
    """The names closest to ``text``, closest first; none where nothing is close.

    First those whose last part is the same, then those that contain it, then similar ones.
    """
    wanted = text.lower()
    base, last = _ends(wanted)
    if not base or len(text) > _LONGEST:
        return []

    whole, end, short = (SequenceMatcher(b=each) for each in (wanted, last, base))
    ranked = []
    for name in dict.fromkeys(names):
        lower = name.lower()
        own_base, own_last = _ends(lower)
        by_end, by_whole = _ratio(end, own_last), _ratio(whole, lower)
        by_start = _ratio(short, own_base[: len(base)])
        alike = max(by_end, by_whole, _ratio(short, own_base), by_start)
        if own_base == base:
            rank = 0
        elif len(base) > 2 and (base in own_base or own_base in base) and len(own_base) > 2:
            rank = 1
        elif alike:
            rank = 2
        else:
            continue
        ranked.append((rank, -by_end, -by_whole, -alike, name))
    best = max((-alike for *_, alike, _ in ranked), default=0.0)
    kept = [each for each in sorted(ranked) if each[0] < 2 or -each[3] > best - _BEHIND]
    return [name for *_, name in kept[:most]]


def did_you_mean(names: Iterable[str], text: str) -> str:
    """The closest names as a question with a blank before it; empty where nothing is close."""
    found = closest(names, text)
    if not found:
        return ""
    *most, last = found
    return f" Did you mean {', '.join(most)} or {last}?" if most else f" Did you mean {last}?"


def _pattern(text: str) -> Pattern | None:
    try:
        return parse_pattern(text)
    except InvalidReference:
        return None


def _matches(pattern: Pattern, name: str) -> bool:
    reference = parsed_or_none(name)
    return reference is not None and pattern.matches(reference)


def _ends(name: str) -> tuple[str, str]:
    """The last part of a name, without tag and digest, and with them."""
    bare = name.partition("@")[0].rpartition("/")[2].partition(":")[0]
    return bare, name.rpartition("/")[2]


def _ratio(matcher: SequenceMatcher[str], name: str) -> float:
    """How close a name is; 0 where it is not close."""
    matcher.set_seq1(name)
    if matcher.real_quick_ratio() < _CLOSE or matcher.quick_ratio() < _CLOSE:
        return 0.0
    return matcher.ratio()
