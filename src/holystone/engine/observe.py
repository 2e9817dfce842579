"""What is on an engine, asked with as few and as cheap calls as the plan needs.

One list per kind, all asked at the same time: whoever needs them does its own preparations while
the engine works. What only an inspection tells is asked for elsewhere, and what never changes is
remembered by image ID.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from itertools import chain, repeat
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote

from holystone.engine import parse, sight
from holystone.engine.buildkit.records import (
    BY_TYPE,
    cache_record,
    cache_usage,
    disk_usage,
    doubted,
)
from holystone.engine.client import Client, Pending, abandon
from holystone.engine.errors import EngineError, EngineRefused, EngineUnreachable, SenselessAnswer
from holystone.engine.reading import FAULT, PAUSES, of_kind, patiently, read_all, read_list
from holystone.planner.inventory import CacheRecord, Engine, Image, Inventory, Note, Volume

T = TypeVar("T")

_UNTAGGED = "/images/json?filters=%7B%22dangling%22%3A%5B%22true%22%5D%7D"
_MANIFESTS = (1, 47)
"""The API version from which the list of images tells sizes of content."""


class Answers(NamedTuple):
    """What the engine answered, as JSON."""

    info: Any
    images: Any
    networks: Any
    volumes: Any
    containers: Any


class Lists:
    """The lists of one engine, under way."""

    def __init__(self, client: Client, *, sizes: bool, untagged: bool = False) -> None:
        """Ask for them; does not wait. With ``sizes`` also for what takes a walk over files.

        ``untagged``: of the images list those alone that no image here has for a parent and that
        have no tag. A containerd store weighs each image that it lists, which takes it about 8 ms.
        Raises EngineError where the engine cannot be asked.
        """
        self.begun = time.time()
        """When they were asked for, by the clock of this machine."""
        self.client = client
        self.sizes = sizes
        self.untagged = untagged
        self.no_sizes = ""
        """Why the containers come without their sizes, though these were asked for."""
        version = client.negotiate()
        paths = {
            "info": "/info",
            "images": _UNTAGGED if untagged else "/images/json?all=1",
            "networks": "/networks",
            "volumes": "/volumes",
            "containers": "/containers/json?all=1",
        }
        if sizes:
            paths["containers"] += "&size=1"
        if not version.podman and version.api >= _MANIFESTS:
            paths["images"] += "&manifests=1"
        self._usage = "/system/df" if sizes else ""
        """What to ask for sizes and the build cache; empty where that is not needed."""
        if not version.podman:
            self._usage = cache_usage(client)
            if sizes and version.api >= BY_TYPE:
                self._usage += "&type=volume"
        self._told: dict[str, Any] = {}
        if version.podman and client.info is not None:
            # It takes Podman 60 ms, and tells nothing that changes.
            self._told["info"] = client.info
            del paths["info"]
        self._pending: list[tuple[tuple[str, ...], Pending]] = []
        if "info" in paths:
            # It is read first: how many images there are says how long their list may take.
            self._ask({"info": paths.pop("info")})
        self._ask(paths)
        self._measuring = self._begin([self._usage] if self._usage else [])

    def answers(self) -> Answers:
        """Wait for the engine and read what it says. Raises EngineError."""
        try:
            while self._pending:
                self._read_next()
        except BaseException:
            self.close()
            raise
        info = self._told["info"]
        self.client.info = info if isinstance(info, dict) else None
        return Answers(**self._told)

    def usage(self) -> Any:
        """What ``/system/df`` says; nothing where it was not needed. Raises EngineError."""
        answers = self.client.finish(self._measuring)
        return answers[0].checked().json() if answers else {}

    def ask_usage(self) -> Any:
        """Ask for ``/system/df`` once more. Raises EngineError."""
        return self.client.get(self._usage or "/system/df")

    def ask_cache(self) -> Any:
        """Ask for the build cache alone, if there is such a thing. Raises EngineError."""
        podman = self.client.negotiate().podman
        return {} if podman else self.client.get(cache_usage(self.client))

    def close(self) -> None:
        """Give up on answers that nobody has read."""
        for _, pending in self._pending:
            abandon(pending)
        self._pending.clear()
        abandon(self._measuring)

    def _ask(self, paths: Mapping[str, str]) -> None:
        """Send the requests for these, by their name among the answers."""
        self._pending.append((tuple(paths), self._begin(paths.values())))

    def _begin(self, paths: Iterable[str]) -> Pending:
        return self.client.begin([("GET", self.client.versioned(path)) for path in paths])

    def _read_next(self) -> None:
        """Read the answers to what was asked first."""
        names, pending = self._pending.pop(0)
        for name, answer in zip(names, self.client.finish(pending), strict=True):
            if name == "containers" and self.sizes and answer.status >= FAULT:
                # One whose files are lost cannot be measured.
                self.no_sizes = f"{answer.status}: {answer.words()}"
                self._told[name] = self.client.get("/containers/json?all=1")
            else:
                self._told[name] = answer.checked().json()
            if name == "info":
                self.client.told_time(self._told[name])


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
    again = (Lists(client, sizes=sizes, untagged=untagged) for _ in PAUSES)
    attempts = chain([lists], again)

    def ask() -> tuple[Answers, Lists]:
        attempt = next(attempts)
        return attempt.answers(), attempt

    return patiently(ask)


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
    cache = doubted(lists.client, cache)
    folder = sight.find(lists.client, answers.info, answers.containers, answers.networks)
    return Inventory(
        engine=engine,
        taken_at=now,
        images=tuple(images),
        containers=tuple(containers),
        cache=tuple(cache),
        volumes=tuple(volumes),
        networks=tuple(networks),
        disk=sight.disk(folder),
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
        records, odd = _measured(cache_record, usage, "BuildCache", "cache")
        notes += odd
    elif said:
        notes.append(Note("usage", "cache", said=said))
    return records, volumes, notes


def _measured(
    read: Callable[[Any], T], usage: Mapping[str, Any], listed: str, kind: str
) -> tuple[list[T], list[Note]]:
    """The objects of one kind in ``/system/df``; none, with a note, where that makes no sense."""
    try:
        return read_list(read, disk_usage(usage, listed), "/system/df", kind)
    except SenselessAnswer as error:
        return [], [Note("usage", kind, said=str(error)[:120])]


def _ask_usage(first: Callable[[], Any], again: Callable[[], Any]) -> tuple[dict[str, Any], str]:
    """What ``/system/df`` answers; or nothing, and why. Raises EngineUnreachable."""
    asks = chain([first], repeat(again))
    try:
        usage = patiently(lambda: next(asks)())  # noqa: PLW0108 - each try is another one
        return of_kind(dict, usage, "/system/df"), ""
    except EngineUnreachable:
        raise
    except EngineRefused as refusal:
        return {}, f"{refusal.status}: {refusal.words}"
    except EngineError as error:
        return {}, str(error)


def _with_sizes(volumes: list[Volume], measured: Iterable[Volume]) -> list[Volume]:
    sizes = {volume.name: volume.size for volume in measured}
    return [volume._replace(size=sizes.get(volume.name)) for volume in volumes]


def list_named(client: Client, references: Collection[str], store: str) -> list[Image]:
    """The images that have one of these references. Raises EngineError."""
    if not references:
        return []
    filters = quote(json.dumps({"reference": sorted(references)}))
    path = f"/images/json?filters={filters}"
    told = of_kind(list, client.get(path), "/images/json")
    images, _ = read_list(parse.image, told, "/images/json", "image")
    return [parse.with_all_digests(i) for i in images] if store == "containerd" else images
