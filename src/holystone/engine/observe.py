"""What is on an engine, asked with as few and as cheap calls as the plan needs.

One list per kind, all asked at the same time; one inspection of each image that has no tag, since
only that tells when it lost it; and, where images are to go, the layers of all images. What never
changes is remembered by image ID.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from itertools import chain
from typing import Any, TypeVar

from holystone.core.inventory import (
    CacheRecord,
    Container,
    Disk,
    Image,
    Inventory,
    Layer,
    Volume,
)
from holystone.core.layers import chain_ids
from holystone.core.memory import ImageFacts
from holystone.engine import parse, sight
from holystone.engine.api import Client
from holystone.engine.errors import EngineError, EngineRefused, ProtocolError
from holystone.engine.lists import DF_BY_TYPE, Answers, Lists, ask_buildkit
from holystone.engine.transport.http import Response
from holystone.engine.writable import weighed

T = TypeVar("T")

_PAUSES = (0.02, 0.1, 0.3, 0.9)
"""Seconds before each further try where a list stumbled over what just went away."""
NOT_FOUND = 404
FAULT = 500
_PODMAN_GONE = ("not known", "no such", "64-byte hexadecimal")
"""What Podman says in a 500 of an image that went a moment ago."""


def read_lists(lists: Lists, now: float) -> Inventory:
    """Every object the engine lists, without what takes an inspection. Raises EngineError."""
    attempts = chain([lists], (Lists(lists.client, sizes=lists.sizes) for _ in _PAUSES))

    def ask() -> tuple[Answers, list[CacheRecord] | None]:
        attempt = next(attempts)
        return attempt.answers(), attempt.cache

    answers, cache = _patiently(ask)
    version = lists.client.negotiate()
    read = partial(parse.engine, version=version.engine, api=version.api, podman=version.podman)
    (engine,) = _each(read, [_of(dict, answers.info, "/info")], "/info")
    listed = _of(dict, answers.volumes, "/volumes").get("Volumes")
    volumes = _each(parse.volume, listed or (), "/volumes")
    if answers.usage is not None:
        usage = _of(dict, answers.usage, "/system/df")
        if lists.sizes:
            measured = _each(parse.volume, parse.disk_usage(usage, "Volumes"), "/system/df")
            volumes = _with_sizes(volumes, measured)
        cache = _each(parse.cache_record, parse.disk_usage(usage, "BuildCache"), "/system/df")
    images = _each(parse.image, _of(list, answers.images, "/images/json"), "/images/json")
    if engine.store == "containerd":
        images = [parse.with_all_digests(image) for image in images]
    containers = _of(list, answers.containers, "/containers/json")
    networks = _of(list, answers.networks, "/networks")
    return Inventory(
        engine=engine,
        taken_at=now,
        images=tuple(images),
        containers=tuple(_each(parse.container, containers, "/containers/json")),
        cache=tuple(cache or ()),
        volumes=tuple(volumes),
        networks=tuple(_each(parse.network, networks, "/networks")),
        disk=disk(sight.find(lists.client, answers.info, containers, networks)),
    )


def _patiently(ask: Callable[[], T]) -> T:
    """What the engine answers, asked again where it stumbled. Raises EngineError.

    Right after a build the containerd store's ``/system/df`` answers 404, "snapshot … does not
    exist": something it was about to count went away.
    """
    for pause in _PAUSES:
        try:
            return ask()
        except EngineRefused as refusal:
            if refusal.status != NOT_FOUND:
                raise
        time.sleep(pause)
    return ask()


def list_images(client: Client, images: Iterable[Image]) -> dict[str, Image]:
    """These tagged images by ID, as the engine lists them; none where it cannot be asked."""
    from urllib.parse import quote

    tags = {image.id: image.tags[0] for image in images}
    filters = quote(json.dumps({"reference": list(tags.values())}))
    path = f"/images/json?filters={filters}"
    try:
        listed = _each(parse.image, _of(list, client.get(path), "/images/json"), "/images/json")
    except EngineError:
        return {}
    return {image.id: image for image in listed if image.id in tags}


def references(client: Client, image_id: str) -> set[str]:
    """The tags and digests of an image as they are now. Raises EngineError."""
    (answer,) = client.send([("GET", client.versioned(f"/images/{image_id}/json"))])
    return _read(dict, answer, parse.references)


def list_cache(client: Client) -> dict[str, CacheRecord]:
    """The build cache records as they are now, by ID. Raises EngineError."""
    records = None
    if client.negotiate().api < DF_BY_TYPE:
        records = ask_buildkit(client)
    if records is None:
        path = "/system/df?type=build-cache"
        usage = _of(dict, _patiently(partial(client.get, path)), "/system/df")
        entries = parse.disk_usage(usage, "BuildCache")
        records = _each(parse.cache_record, entries, "/system/df")
    return {record.id: record for record in records}


def _with_sizes(volumes: list[Volume], measured: Iterable[Volume]) -> list[Volume]:
    sizes = {volume.name: volume.size for volume in measured}
    return [volume._replace(size=sizes.get(volume.name)) for volume in volumes]


def disk(seen: sight.Sight) -> Disk:
    """The file system of the engine's data folder as it is now, where that is in sight."""
    if not seen.root:
        return Disk(unseen=seen.why)
    try:
        stat = os.statvfs(seen.root)
    except OSError as error:
        return Disk(unseen=f"{seen.root} cannot be read: {error.strerror}")
    # As df counts: what is reserved for root is neither used nor to be had.
    usable = stat.f_blocks - stat.f_bfree + stat.f_bavail
    return Disk(
        usable * stat.f_frsize,
        stat.f_bavail * stat.f_frsize,
        stat.f_files or None,
        stat.f_favail if stat.f_files else None,
        folder=seen.root,
    )


def is_gone(answer: Response) -> bool:
    """Whether an inspection says that the object is not there; Podman answers 500 in a race."""
    return answer.status == NOT_FOUND or (
        answer.status >= FAULT and any(words in answer.words() for words in _PODMAN_GONE)
    )


def inspect_stopped(
    client: Client, containers: Iterable[Container], root: str = "", store: str = "classic"
) -> tuple[Container, ...]:
    """The containers, those that stopped with when and how, and the bytes they wrote.

    ``root`` is the engine's data folder where that is in sight; there the bytes are measured.

    One that was removed in the meantime is left out; one that the engine fails to inspect (dead,
    its files lost) stays as it was listed.
    """
    stopped = [container for container in containers if container.stopped]
    if not stopped:
        return tuple(containers)
    requests = [("GET", client.versioned(f"/containers/{c.id}/json?size=1")) for c in stopped]
    details: dict[str, Container | None] = {}
    for container, answer in zip(stopped, client.send(requests), strict=True):
        if is_gone(answer):
            details[container.id] = None
        elif answer.status < FAULT:
            learn = partial(_stopped_container, container, root, store)
            details[container.id] = _read(dict, answer, learn)
    found = (details.get(container.id, container) for container in containers)
    return tuple(container for container in found if container is not None)


def _stopped_container(
    listed: Container, root: str, store: str, told: Mapping[str, Any]
) -> Container:
    return weighed(parse.inspected_container(listed, told), told, root, store)


def inspect_images(
    client: Client, ids: Iterable[str], known: Mapping[str, ImageFacts]
) -> dict[str, ImageFacts]:
    """The facts of these images, freshly inspected; one that is gone by now is left out."""
    ids = list(ids)
    answers = client.send(("GET", client.versioned(f"/images/{image}/json")) for image in ids)
    facts = {}
    for image_id, answer in zip(ids, answers, strict=True):
        if not is_gone(answer):
            learn = partial(parse.inspected_image, known[image_id])
            facts[image_id] = _read(dict, answer, learn)
    return facts


def weigh_images(
    client: Client, facts: Mapping[str, ImageFacts], images: Iterable[Image], store: str
) -> tuple[dict[str, ImageFacts], dict[str, ImageFacts]]:
    """The facts of these images, whose diff IDs are known, with the sizes of their layers.

    The first are to be remembered; the second hold for this inventory only (see ``deduction``).
    ``facts`` are those of every image known, whose layers help to read the histories of the new.
    """
    from holystone.engine.deduction import deduce, representatives
    from holystone.engine.history import EMPTY_LAYER

    stacks = {i: fact.diff_ids for i, fact in facts.items() if fact.diff_ids is not None}
    light = [apply_facts(image, facts[image.id], store) for image in images if image.id in stacks]
    if not light:
        return {}, {}
    # To the other stores a folder, or a tar, with nothing in it has a size as well.
    sizes = {EMPTY_LAYER: 0} if store == "classic" else {}
    _add_sizes(sizes, facts.values())
    asked = {image.id for image in light}
    if store == "containerd":
        asked = representatives(light, stacks, sizes)
    weighed = _ask_histories(client, facts, asked, stacks, sizes)
    if len(asked) == len(light):
        return weighed, {}
    _add_sizes(sizes, weighed.values())
    rest = [image for image in light if image.id not in asked]
    deduced = deduce(rest, stacks, sizes)
    left = {image.id for image in rest}.difference(deduced)
    weighed |= _ask_histories(client, facts, left, stacks, sizes)
    return weighed, {
        image_id: facts[image_id]._replace(
            layers=tuple(map(Layer, chain_ids(stacks[image_id]), told)), exact=True
        )
        for image_id, told in deduced.items()
    }


def _add_sizes(sizes: dict[str, int], facts: Iterable[ImageFacts]) -> None:
    """Add the sizes of layers that are certain, by diff ID."""
    sizes.update(
        (diff_id, layer.size)
        for fact in facts
        if fact.layers is not None and fact.exact
        for diff_id, layer in zip(fact.diff_ids or (), fact.layers, strict=True)
    )


def _ask_histories(
    client: Client,
    facts: Mapping[str, ImageFacts],
    ids: Collection[str],
    stacks: Mapping[str, tuple[str, ...]],
    sizes: Mapping[str, int],
) -> dict[str, ImageFacts]:
    """The facts of these images with the layer sizes that their histories tell."""
    from holystone.engine.history import read_history, weigh

    answers = client.send(("GET", client.versioned(f"/images/{image}/history")) for image in ids)
    histories = {
        image_id: _read(list, answer, read_history)
        for image_id, answer in zip(ids, answers, strict=True)
        if not is_gone(answer)
    }
    weighed = {}
    for image_id, weighing in weigh(stacks, histories, sizes).items():
        layers = tuple(map(Layer, chain_ids(stacks[image_id]), weighing.sizes))
        weighed[image_id] = facts[image_id]._replace(layers=layers, exact=weighing.exact)
    return weighed


def apply_facts(image: Image, facts: ImageFacts, store: str) -> Image:
    """The image with what is known of it."""
    if not facts.inspected and facts.layers is None and facts.blobs is None:
        return image
    metadata = 0
    if store == "podman" and facts.layers is not None:
        metadata = max(0, image.size - sum(layer.size for layer in facts.layers))
    return image._replace(
        layers=facts.layers,
        blobs=facts.blobs,
        exact=facts.exact,
        metadata_size=metadata,
        last_tagged=facts.last_tagged,
        made_by_buildkit=facts.made_by_buildkit,
    )


def _of(kind: type[T], answer: Any, path: str) -> T:
    """The answer, where it is of the kind the API promises. Raises ProtocolError."""
    if not isinstance(answer, kind):
        raise ProtocolError(
            f"GET {path} answers {str(answer)[:60]!r}, which is not what the Docker Engine API "
            "promises. Is this an engine?"
        )
    return answer


def _read(kind: type[Any], answer: Response, read: Callable[[Any], T]) -> T:
    """What an answer of this kind tells. Raises EngineRefused or ProtocolError."""
    path = answer.request.partition(" ")[2]
    return _each(read, [_of(kind, answer.checked().json(), path)], path)[0]


def _each(read: Callable[[Any], T], entries: Iterable[Any], path: str) -> list[T]:
    """The entries read one by one. Raises ProtocolError for one that makes no sense."""
    try:
        return [read(entry) for entry in entries]
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise ProtocolError(
            f"an entry of GET {path} makes no sense ({type(error).__name__}: {error}). "
            "Is this a Docker Engine API?"
        ) from None
