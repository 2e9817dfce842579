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
from itertools import chain, repeat
from typing import Any, TypeVar
from urllib.parse import quote

from holystone.engine import parse, sight
from holystone.engine.client import Client
from holystone.engine.errors import EngineError, EngineRefused, EngineUnreachable, SenselessAnswer
from holystone.engine.lists import Answers, Lists, cache_usage
from holystone.engine.reading import (
    NOT_FOUND,
    of_kind,
    read_all,
    read_list,
    read_one,
)
from holystone.planner.inventory import CacheRecord, Disk, Engine, Image, Inventory, Note, Volume

T = TypeVar("T")

_PAUSES = (0.02, 0.1, 0.3, 0.9)
"""Seconds before each further try where a list stumbled over what just went away."""
_DOUBTS = (0.0, 0.1, 0.3, 0.9)
"""Seconds before each further look where much of the build cache claims to be in use."""
_MUCH = 4
"""One record in so many that claims to be in use is much."""


def read_lists(lists: Lists, now: float) -> Inventory:
    """Every object the engine lists, without what takes an inspection. Raises EngineError.

    An entry that makes no sense, or a ``/system/df`` that fails, is noted, and the rest goes on.
    """
    answers, lists = _ask(lists)
    try:
        return _read(answers, lists, now)
    finally:
        lists.close()


def _ask(lists: Lists) -> tuple[Answers, Lists]:
    """The answers, and the lists they are of: those after the first where an engine stumbled."""
    client, sizes, untagged = lists.client, lists.sizes, lists.untagged
    again = (Lists(client, sizes=sizes, untagged=untagged) for _ in _PAUSES)
    attempts = chain([lists], again)

    def ask() -> tuple[Answers, Lists]:
        attempt = next(attempts)
        return attempt.answers(), attempt

    return _patiently(ask)


def _read(answers: Answers, lists: Lists, now: float) -> Inventory:
    untagged = lists.untagged
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
    cache = _doubted(lists.client, cache)
    folder = sight.find(lists.client, answers.info, answers.containers, answers.networks)
    return Inventory(
        engine=engine,
        taken_at=now,
        images=tuple(images),
        containers=tuple(containers),
        cache=tuple(cache),
        volumes=tuple(volumes),
        networks=tuple(networks),
        disk=disk(folder),
        notes=(*notes, *odd),
        partial=untagged,
        image_count=_image_count(answers.info, engine, folder.root) if untagged else None,
    )


def _image_count(info: Mapping[str, Any], engine: Engine, root: str) -> int | None:
    """How many images the engine counts; None where it counts something else, or does not.

    On the containerd store it counts their names. Podman is counted by its files, for ``/info``
    takes it long.
    """
    if engine.store == "containerd":
        return None
    if engine.store != "podman":
        count = info.get("Images")
        return count if isinstance(count, int) else None
    if not root or "/" in engine.storage_driver:
        return None
    try:
        with open(f"{root}/{engine.storage_driver}-images/images.json", "rb") as file:
            return len(of_kind(list, json.loads(file.read()), "/info"))
    except (OSError, ValueError, EngineError):
        return None


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
    records: list[CacheRecord] = []
    if said and lists.sizes:
        notes.append(Note("usage", "volume", said=said))
        # A volume that cannot be measured says nothing of the build cache.
        usage, said = _ask_usage(lists.ask_cache, lists.ask_cache)
    elif usage and lists.sizes:
        measured, odd = _measured(parse.volume, usage, "Volumes", "volume")
        volumes = _with_sizes(volumes, measured)
        # An entry that makes no sense is noted already, unless the list of volumes has it whole.
        names = {volume.name for volume in volumes}
        notes += [note for note in odd if note.problem == "usage" or note.id in names]
    if usage:
        records, odd = _measured(parse.cache_record, usage, "BuildCache", "cache")
        notes += odd
    elif said:
        notes.append(Note("usage", "cache", said=said))
    return records, volumes, notes


def _measured(
    read: Callable[[Any], T], usage: Mapping[str, Any], listed: str, kind: str
) -> tuple[list[T], list[Note]]:
    """The objects of one kind in ``/system/df``; none, with a note, where that makes no sense."""
    try:
        return read_list(read, parse.disk_usage(usage, listed), "/system/df", kind)
    except SenselessAnswer as error:
        return [], [Note("usage", kind, said=str(error)[:120])]


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


def list_named(client: Client, references: Collection[str], store: str) -> list[Image]:
    """The images that have one of these references. Raises EngineError."""
    if not references:
        return []
    filters = quote(json.dumps({"reference": sorted(references)}))
    path = f"/images/json?filters={filters}"
    told = of_kind(list, client.get(path), "/images/json")
    images, _ = read_list(parse.image, told, "/images/json", "image")
    return [parse.with_all_digests(i) for i in images] if store == "containerd" else images


def references(client: Client, image_id: str) -> set[str]:
    """The tags and digests of an image as they are now. Raises EngineError."""
    (answer,) = client.send([("GET", client.versioned(f"/images/{image_id}/json"))])
    return read_one(dict, answer, parse.references)


def list_cache(client: Client) -> dict[str, CacheRecord]:
    """The build cache records as they are now, by ID. Raises EngineError."""
    return {record.id: record for record in _doubted(client, _ask_cache(client))}


def _ask_cache(client: Client) -> list[CacheRecord]:
    ask = partial(client.get, cache_usage(client))
    entries = parse.disk_usage(of_kind(dict, _patiently(ask), "/system/df"), "BuildCache")
    records, _ = read_list(parse.cache_record, entries, "/system/df", "cache")
    return records


def _doubted(client: Client, records: list[CacheRecord]) -> list[CacheRecord]:
    """The records, asked for again while many of them claim to be in use.

    BuildKit holds a record while it measures it, for whoever asked first, and says to others that
    it is in use: after a restart, or after large builds, that can be nearly all of them. What it
    says twice, with a moment in between, is believed.
    Raises EngineUnreachable, ProtocolError.
    """
    for pause in _DOUBTS:
        busy = {record.id for record in records if record.in_use}
        if len(busy) * _MUCH < len(records) or not busy:
            break
        time.sleep(pause)
        try:
            records = _ask_cache(client)
        except EngineRefused:
            break  # What it said before is all there is.
        if pause and busy == {record.id for record in records if record.in_use}:
            break
    return records


def _with_sizes(volumes: list[Volume], measured: Iterable[Volume]) -> list[Volume]:
    sizes = {volume.name: volume.size for volume in measured}
    return [volume._replace(size=sizes.get(volume.name)) for volume in volumes]


def disk(seen: sight.Sight) -> Disk:
    """The file system of the engine's data folder as it is now, where that is in sight."""
    if not seen.root:
        return Disk(unseen=seen.why)
    try:
        stat = os.statvfs(seen.images or seen.root)
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
        images=seen.images,
    )
