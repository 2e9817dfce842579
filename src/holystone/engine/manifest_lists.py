"""Which images Podman's manifest lists here are made of.

``podman build --manifest`` gives the images of a list no name of their own, and Podman shows lists
in its own interface alone. An image that a list names cannot be pushed with it once it is gone.
"""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import quote

from holystone.engine.client import Client
from holystone.engine.errors import EngineRefused, SenselessAnswer
from holystone.engine.parse import full_id
from holystone.engine.reading import of_kind, read_one
from holystone.planner.inventory import Image, Inventory

_LIBPOD = "/v4.0.0/libpod"


class _List(NamedTuple):
    names: tuple[str, ...]
    digests: frozenset[str]
    refers_to: frozenset[str] | None
    """None where Podman does not tell."""


def with_lists(client: Client, inventory: Inventory) -> Inventory:
    """The inventory, its images with the manifest lists that they are in. Raises EngineError.

    A list without a name holds nothing. One that Podman cannot read may hold any image that has no
    name of its own.
    """
    lists = _read_lists(client, inventory.images)
    held: dict[str, set[str]] = {}
    unread: set[str] = set()
    waiting = [(each.names[0], each) for each in lists if each.names]
    seen: set[tuple[str, ...]] = set()
    while waiting:
        name, each = waiting.pop()
        if (name, *each.digests) in seen:
            continue
        seen.add((name, *each.digests))
        if each.refers_to is None:
            unread.add(name)
            continue
        for digest in each.refers_to:
            held.setdefault(digest, set()).add(name)
        waiting += [(name, other) for other in lists if other.digests & each.refers_to]
    images = []
    for image in inventory.images:
        own = {image.manifest, *(name.partition("@")[2] for name in image.digests)}
        by = {name for digest in own for name in held.get(digest, ())}
        if not image.tags and not image.digests:
            by |= unread
        images.append(image._replace(in_lists=tuple(sorted(by))) if by else image)
    return inventory._replace(images=tuple(images))


def _read_lists(client: Client, images: tuple[Image, ...]) -> list[_List]:
    filters = quote('{"manifest":["true"]}')
    try:
        listed = client.request("GET", f"{_LIBPOD}/images/json?filters={filters}")
    except EngineRefused:
        # An older Podman lists no lists but among all images, as those that it has nowhere else.
        listed = client.request("GET", f"{_LIBPOD}/images/json")
    entries = of_kind(list, listed, "/libpod/images/json")
    known = {image.id for image in images}
    found = [
        entry
        for entry in entries
        if isinstance(entry, dict) and entry.get("Id") and full_id(entry["Id"]) not in known
    ]
    answers = client.send(("GET", f"{_LIBPOD}/manifests/{each['Id']}/json") for each in found)
    lists = []
    for entry, answer in zip(found, answers, strict=True):
        try:
            refers_to = read_one(
                dict,
                answer,
                lambda told: frozenset(str(each["digest"]) for each in told.get("manifests") or ()),
            )
        except (EngineRefused, SenselessAnswer):
            refers_to = None
        names, digests = _strings(entry.get("Names")), _strings(entry.get("RepoDigests"))
        own = (*(name.partition("@")[2] for name in digests), str(entry.get("Digest") or ""))
        lists.append(_List(names, frozenset(filter(None, own)), refers_to))
    return lists


def _strings(value: object) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, list) else ()
