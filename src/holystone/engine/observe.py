"""What is on an engine, asked with as few and as cheap calls as the plan needs.

One list per kind, all asked at the same time; one inspection of each image that has no tag, since
only that tells when it lost it; and, where images are to go, the layers of all images. What never
changes is remembered by image ID.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from itertools import chain, repeat
from typing import Any, TypeVar

from holystone.core.inventory import CacheRecord, Container, Disk, Image, Inventory, Note, Volume
from holystone.engine import parse, sight
from holystone.engine.api import Client
from holystone.engine.errors import EngineError, EngineRefused, EngineUnreachable, SenselessAnswer
from holystone.engine.lists import DF_BY_TYPE, Answers, Lists, ask_buildkit
from holystone.engine.reading import (
    NOT_FOUND,
    is_gone,
    of_kind,
    read_all,
    read_list,
    read_one,
    trouble,
)
from holystone.engine.writable import weighed

T = TypeVar("T")

_PAUSES = (0.02, 0.1, 0.3, 0.9)
"""Seconds before each further try where a list stumbled over what just went away."""


def read_lists(lists: Lists, now: float) -> Inventory:
    """Every object the engine lists, without what takes an inspection. Raises EngineError.

    An entry that makes no sense, or a ``/system/df`` that fails, is noted, and the rest goes on.
    """
    attempts = chain([lists], (Lists(lists.client, sizes=lists.sizes) for _ in _PAUSES))

    def ask() -> tuple[Answers, Lists]:
        attempt = next(attempts)
        return attempt.answers(), attempt

    answers, lists = _patiently(ask)
    version = lists.client.negotiate()
    read = partial(parse.engine, version=version.engine, api=version.api, podman=version.podman)
    (engine,) = read_all(read, [of_kind(dict, answers.info, "/info")], "/info")
    volumes, notes = read_list(parse.volume, _volumes(answers), "/volumes", "volume")
    images, odd = read_list(
        parse.image, answers.images, "/images/json", "image", left=parse.odd_image
    )
    notes += odd
    if engine.store == "containerd":
        images = [parse.with_all_digests(image) for image in images]
    containers, odd = read_list(
        parse.container,
        answers.containers,
        "/containers/json",
        "container",
        left=parse.odd_container,
    )
    notes += odd
    if lists.no_sizes:
        notes.append(Note("usage", "container", said=lists.no_sizes))
    networks, odd = read_list(parse.network, answers.networks, "/networks", "network")
    notes += odd
    cache, volumes, odd = _read_usage(lists, volumes)
    return Inventory(
        engine=engine,
        taken_at=now,
        images=tuple(images),
        containers=tuple(containers),
        cache=tuple(cache),
        volumes=tuple(volumes),
        networks=tuple(networks),
        disk=disk(sight.find(lists.client, answers.info, answers.containers, answers.networks)),
        notes=(*notes, *odd),
    )


def _volumes(answers: Answers) -> Any:
    listed = of_kind(dict, answers.volumes, "/volumes").get("Volumes")
    return [] if listed is None else listed


def _read_usage(
    lists: Lists, volumes: list[Volume]
) -> tuple[list[CacheRecord], list[Volume], list[Note]]:
    """The build cache, the volumes with their sizes where those were asked for, and notes.

    Raises EngineUnreachable where the engine is gone.
    """
    usage, said = _ask_usage(lists.usage, lists.ask_usage)
    notes: list[Note] = []
    records = lists.cache or []
    if said and lists.sizes:
        notes.append(Note("usage", "volume", said=said))
        # A volume that cannot be measured says nothing of the build cache.
        usage, said = _ask_usage(lists.ask_cache, lists.ask_cache)
    elif usage and lists.sizes:
        entries = parse.disk_usage(usage, "Volumes")
        measured, odd = read_list(parse.volume, entries, "/system/df", "volume")
        volumes = _with_sizes(volumes, measured)
        known = {note.id for note in odd}
        notes += [note for note in odd if note.id in known.intersection(v.name for v in volumes)]
    if usage:
        entries = parse.disk_usage(usage, "BuildCache")
        records, odd = read_list(parse.cache_record, entries, "/system/df", "cache")
        notes += odd
    elif said:
        notes.append(Note("usage", "cache", said=said))
    return records, volumes, notes


def _ask_usage(first: Callable[[], Any], again: Callable[[], Any]) -> tuple[dict[str, Any], str]:
    """What ``/system/df`` answers; or nothing, and why. Raises EngineUnreachable."""
    asks = chain([first], repeat(again))
    try:
        usage = _patiently(lambda: next(asks)())  # noqa: PLW0108 - each try is another one
        return of_kind(dict, usage, "/system/df"), ""
    except EngineUnreachable:
        raise
    except EngineRefused as refusal:
        return {}, f"{refusal.status}: {refusal.words}"
    except EngineError as error:
        return {}, str(error)


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
        told = of_kind(list, client.get(path), "/images/json")
        listed = read_all(parse.image, told, "/images/json")
    except EngineError:
        return {}
    return {image.id: image for image in listed if image.id in tags}


def references(client: Client, image_id: str) -> set[str]:
    """The tags and digests of an image as they are now. Raises EngineError."""
    (answer,) = client.send([("GET", client.versioned(f"/images/{image_id}/json"))])
    return read_one(dict, answer, parse.references)


def list_cache(client: Client) -> dict[str, CacheRecord]:
    """The build cache records as they are now, by ID. Raises EngineError."""
    records = None
    if client.negotiate().api < DF_BY_TYPE:
        records = ask_buildkit(client)
    if records is None:
        path = "/system/df?type=build-cache"
        usage = of_kind(dict, _patiently(partial(client.get, path)), "/system/df")
        entries = parse.disk_usage(usage, "BuildCache")
        records, _ = read_list(parse.cache_record, entries, "/system/df", "cache")
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


def inspect_stopped(
    client: Client, containers: Iterable[Container], root: str = "", store: str = "classic"
) -> tuple[tuple[Container, ...], list[Note]]:
    """The containers, those that stopped with when and how, and the bytes they wrote.

    ``root`` is the engine's data folder where that is in sight; there the bytes are measured.

    One that was removed in the meantime is left out; one that the engine fails to inspect (dead,
    its files lost) stays as it was listed, with a note.
    """
    stopped = [container for container in containers if container.stopped]
    notes: list[Note] = []
    if not stopped:
        return tuple(containers), notes
    requests = [("GET", client.versioned(f"/containers/{c.id}/json?size=1")) for c in stopped]
    details: dict[str, Container | None] = {}
    for container, answer in zip(stopped, client.send(requests), strict=True):
        if is_gone(answer):
            details[container.id] = None
            continue
        try:
            learn = partial(_stopped_container, container, root, store)
            details[container.id] = read_one(dict, answer, learn)
        except (EngineRefused, SenselessAnswer) as error:
            said = trouble(answer, error)
            notes.append(Note("inspection", "container", container.id, container.name, said))
    found = (details.get(container.id, container) for container in containers)
    return tuple(container for container in found if container is not None), notes


def _stopped_container(
    listed: Container, root: str, store: str, told: Mapping[str, Any]
) -> Container:
    return weighed(parse.inspected_container(listed, told), told, root, store)
