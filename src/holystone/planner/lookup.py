"""Which objects of a host a user means by a name, a reference, an ID or the start of one.

Every function answers a list, so that the caller can tell none from one from ambiguous. Exact
matches come before looser ones: an object called ``cafe`` wins over an ID that starts with it.
Patterns and the ends of names count where nothing else does.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple, TypeVar

from holystone.planner.inventory import CacheRecord, Container, Image, Inventory, Network, Volume
from holystone.planner.reference import InvalidReference, Reference, parse
from holystone.planner.verdict import KINDS

SHORTEST_PREFIX = 4
"""How many characters of an ID it takes to mean it."""

_HEXADECIMAL = frozenset("0123456789abcdef")
_Object = TypeVar("_Object", Container, Image, CacheRecord, Volume, Network)
_Hits = tuple[list[_Object], list[_Object]]
"""What matches exactly, and what matches loosely."""


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

    def note(kind: str, hits: tuple[Iterable[Found], Iterable[Found]]) -> None:
        if kind in kinds:
            exact.extend(hits[0])
            loose.extend(hits[1])

    note("container", _found("container", _containers(inventory.containers, text)))
    note("image", _found("image", _images(inventory.images, text)))
    note("cache", _found("cache", _cache(inventory.cache, text)))
    note("volume", _found("volume", _volumes(inventory.volumes, text)))
    note("network", _found("network", _networks(inventory.networks, text)))
    return exact or loose or _in_part(inventory, text, kinds)


def _in_part(inventory: Inventory, text: str, kinds: Collection[str]) -> list[Found]:
    """What a pattern covers, and images whose names end so."""
    from holystone.planner.glob import has_marks, of_text
    from holystone.planner.partial_names import meant_in_part

    found: list[Found] = []
    if has_marks(text):
        covers = of_text(text)
        others: list[Container | Volume | Network] = []
        others += inventory.containers if "container" in kinds else ()
        others += inventory.volumes if "volume" in kinds else ()
        others += inventory.networks if "network" in kinds else ()
        kind: dict[type, str] = {Container: "container", Volume: "volume", Network: "network"}
        named = (_name(kind[type(each)], each) for each in others)
        found = [each for each in named if any(map(covers.matches, each.names))]
    if "image" in kinds:
        found += [_name("image", image) for image in meant_in_part(inventory.images, text)]
    return sorted(found, key=lambda each: KINDS.index(each.kind))


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
    if exact or loose:
        return exact or loose
    from holystone.planner.partial_names import meant_in_part

    return meant_in_part(images, text)


def _images(images: Sequence[Image], text: str) -> _Hits[Image]:
    prefix = _prefix(text.removeprefix("sha256:"))
    exact = [
        image
        for image in images
        if text in (image.id, image.id.removeprefix("sha256:"))
        or (text.startswith("sha256:") and any(d.endswith(f"@{text}") for d in image.digests))
    ]
    loose = [i for i in images if prefix and i.id.removeprefix("sha256:").startswith(prefix)]
    meant = None if text.startswith("sha256:") else _parsed(text)
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
        name = text.partition("@")[0]
        if ":" in name.rpartition("/")[2]:
            name = name.rpartition(":")[0]
        if not meant.tag and name in repositories:
            nearest = 1
    return nearest


def _containers(containers: Sequence[Container], text: str) -> _Hits[Container]:
    prefix = _prefix(text)
    name = text.removeprefix("/")
    return (
        [c for c in containers if c.id == text or c.name == name],
        [c for c in containers if prefix and c.id.startswith(prefix)],
    )


def _volumes(volumes: Sequence[Volume], text: str) -> _Hits[Volume]:
    prefix = _prefix(text)
    return (
        [v for v in volumes if v.name == text],
        [v for v in volumes if prefix and v.anonymous and v.name.startswith(prefix)],
    )


def _networks(networks: Sequence[Network], text: str) -> _Hits[Network]:
    prefix = _prefix(text)
    return (
        [n for n in networks if text in (n.id, n.name)],
        [n for n in networks if prefix and n.id.startswith(prefix)],
    )


def _cache(records: Sequence[CacheRecord], text: str) -> _Hits[CacheRecord]:
    # BuildKit's IDs are base 36, not hexadecimal.
    long_enough = len(text) >= SHORTEST_PREFIX
    return (
        [r for r in records if r.id == text],
        [r for r in records if long_enough and r.id.startswith(text)],
    )


def _found(kind: str, hits: _Hits[_Object]) -> tuple[list[Found], list[Found]]:
    exact, loose = hits
    return [_name(kind, each) for each in exact], [_name(kind, each) for each in loose]


def _name(kind: str, each: Container | Image | CacheRecord | Volume | Network) -> Found:
    if isinstance(each, Image):
        return Found(kind, each.id, each.tags or each.digests)
    if isinstance(each, CacheRecord):
        return Found(kind, each.id, (each.description,))
    return Found(kind, each.name if isinstance(each, Volume) else each.id, (each.name,))


def _parsed(text: str) -> Reference | None:
    try:
        return parse(text)
    except InvalidReference:
        return None


def _prefix(text: str) -> str:
    """The text where it can be the start of a hexadecimal ID, else nothing."""
    return text if len(text) >= SHORTEST_PREFIX and _HEXADECIMAL.issuperset(text) else ""
