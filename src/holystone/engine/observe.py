"""Read what is on an engine, with as few and as cheap calls as the plan needs.

One list per kind, all requested at the same time: the caller prepares other things while the engine
works. Facts that need an inspection are read elsewhere, and facts that never change are stored by
image ID.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Mapping
from functools import partial
from itertools import chain, repeat
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote

from holystone.engine import parse, sight
from holystone.engine.cache import (
    BY_TYPE,
    ask_cache,
    cache_record,
    cache_usage,
    disk_usage,
    doubted,
)
from holystone.engine.client import Client, abandon
from holystone.engine.errors import EngineError, EngineRefused, EngineUnreachable, SenselessAnswer
from holystone.engine.events import EventStream
from holystone.engine.reading import FAULT, PAUSES, of_kind, patiently, read_list, read_told
from holystone.planner.inventory import CacheRecord, Engine, Image, Inventory, Note, Volume
from holystone.planner.names import familiar

T = TypeVar("T")

_ALL = "/images/json?all=1"
_UNTAGGED = "/images/json?filters=%7B%22dangling%22%3A%5B%22true%22%5D%7D"
_OTHERS = "/images/json?filters=%7B%22dangling%22%3A%5B%22false%22%5D%7D"
_NAMELESS = "/images/json?all=1&filters=%7B%22dangling%22%3A%5B%22true%22%5D%7D"
_MANIFESTS = (1, 47)
"""The API version from which the list of images has sizes of content."""
_USAGE = "/system/df"


class Lists:
    """The lists of one engine, under way."""

    def __init__(self, client: Client, *, sizes: bool, untagged: bool = False) -> None:
        """Ask for them; does not wait. With ``sizes`` also for what takes a walk over files.

        ``untagged``: of the images list those alone that no image here has for a parent and that
        have no tag. A containerd store weighs each image that it lists, which takes it about 8 ms.
        Raises EngineError where the engine cannot be asked.
        """
        self.begun = time.time()
        """When they were requested, by the clock of this machine."""
        self.client = client
        self.sizes = sizes
        self.untagged = untagged
        self.no_sizes = ""
        """Why the containers come without their sizes, though these were requested."""
        version = client.negotiate()
        # What /info tells is read first: how many images there are says how long their list takes.
        paths = {
            "info": "/info",
            "images": _images(client, _UNTAGGED if untagged else _ALL),
            "networks": "/networks",
            "volumes": "/volumes",
            "containers": "/containers/json?all=1" + ("&size=1" if sizes else ""),
        }
        if version.podman and client.info is not None:
            # It takes Podman 60 ms, and tells nothing that changes.
            del paths["info"]
        self._listed = list(paths)
        self._usage = _USAGE if sizes else ""
        """The request for sizes and the build cache; empty if not needed."""
        if not version.podman:
            self._usage = cache_usage(client)
            if sizes and version.api >= BY_TYPE:
                self._usage += "&type=volume"
        asked = [*paths.values(), *([self._usage] if self._usage else [])]
        self._pending = client.begin([("GET", client.versioned(path)) for path in asked])
        self._answers = client.answers(self._pending)

    def answers(self) -> dict[str, Any]:
        """Wait for the engine and read what it says, by kind. Raises EngineError."""
        told: dict[str, Any] = {"info": self.client.info}
        try:
            for name in self._listed:
                answer = next(self._answers)
                if name == "containers" and self.sizes and answer.status >= FAULT:
                    # One whose files are lost cannot be measured.
                    self.no_sizes = f"{answer.status}: {answer.words()}"
                    told[name] = self.client.get("/containers/json?all=1")
                else:
                    told[name] = answer.checked().json()
                if name == "info":
                    self.client.told_time(told[name])
        except BaseException:
            self.close()
            raise
        self.client.info = told["info"] if isinstance(told["info"], dict) else None
        return told

    def usage(self) -> Any:
        """The answer of ``/system/df``; empty if it was not needed. Raises EngineError."""
        return next(self._answers).checked().json() if self._usage else {}

    def ask_usage(self) -> Any:
        """Ask for ``/system/df`` once more. Raises EngineError."""
        return self.client.get(self._usage or _USAGE)

    def ask_cache(self) -> Any:
        """Ask for the build cache alone, if there is such a thing. Raises EngineError."""
        podman = self.client.negotiate().podman
        return {} if podman else self.client.get(cache_usage(self.client))

    def close(self) -> None:
        """Give up on answers that were not read."""
        abandon(self._pending)


class Begun(NamedTuple):
    """What an engine was asked for in advance, and sends before it is read."""

    at: float
    """Since when, UTC seconds on this machine's clock."""
    stream: EventStream | None
    lists: Lists

    def close(self) -> None:
        """Give up on answers that were not read."""
        self.lists.close()
        if self.stream is not None:
            self.stream.close()


def begin(client: Client, *, sizes: bool, untagged: bool, watch: bool) -> Begun:
    """Ask for the lists ahead; see ``Lists``. With ``watch`` events are followed from before it."""
    at = time.time()
    stream = EventStream(client) if watch else None
    return Begun(at, stream, Lists(client, sizes=sizes, untagged=untagged))


def read_lists(lists: Lists, now: float) -> Inventory:
    """Every object the engine lists, without what takes an inspection. Raises EngineError.

    An entry that makes no sense, or a ``/system/df`` that fails, is noted, and the rest goes on.
    """
    client, sizes, untagged = lists.client, lists.sizes, lists.untagged
    # Where an engine stumbled the answers are those to later lists.
    again = (Lists(client, sizes=sizes, untagged=untagged) for _ in PAUSES)
    attempts = chain([lists], again)

    def ask() -> tuple[dict[str, Any], Lists]:
        attempt = next(attempts)
        return attempt.answers(), attempt

    answers, answered = patiently(ask)
    try:
        return _read(answers, answered, now)
    finally:
        answered.close()


def _read(answers: Mapping[str, Any], lists: Lists, now: float) -> Inventory:
    version, info = lists.client.negotiate(), answers["info"]
    notes: list[Note] = []

    def listed(
        read: Callable[[Any], T],
        entries: Any,
        path: str,
        kind: str,
        left: Callable[[Any], T | None] = lambda _: None,
    ) -> list[T]:
        found, odd = read_list(read, entries, path, kind, left)
        notes.extend(odd)
        return found

    read = partial(parse.engine, version=version.engine, api=version.api, podman=version.podman)
    engine = read_told(dict, info, "/info", read)
    entries = of_kind(dict, answers["volumes"], "/volumes").get("Volumes")
    volumes = listed(parse.volume, [] if entries is None else entries, "/volumes", "volume")
    images, odd = _read_images(answers["images"], engine.store)
    notes += odd
    containers = listed(
        parse.container,
        answers["containers"],
        "/containers/json",
        "container",
        parse.odd_container,
    )
    if lists.no_sizes:
        notes.append(Note("usage", "container", said=lists.no_sizes))
    networks = listed(parse.network, answers["networks"], "/networks", "network")
    cache, volumes = _read_usage(lists, volumes, notes)
    cache = doubted(partial(ask_cache, lists.client), cache)
    folder = sight.find(lists.client, info, answers["containers"], answers["networks"])
    return Inventory(
        engine=engine,
        taken_at=now,
        images=tuple(images),
        containers=tuple(containers),
        cache=tuple(cache),
        # Docker lists these in an order of chance; a plan is the same each time.
        volumes=tuple(sorted(volumes, key=lambda volume: volume.name)),
        networks=tuple(sorted(networks, key=lambda network: (network.name, network.id))),
        disk=sight.disk(folder),
        notes=tuple(notes),
        partial=lists.untagged,
        image_count=_image_count(info, engine, folder.root) if lists.untagged else None,
    )


def _image_count(info: Mapping[str, Any], engine: Engine, root: str) -> int | None:
    """How many images the engine counts; None where it counts something else, or does not.

    On the containerd store it counts their names. Podman is counted by its files, for ``/info``
    takes it long.
    """
    if engine.store == "classic":
        count = info.get("Images")
        return count if isinstance(count, int) else None
    if engine.store == "containerd" or not root or "/" in engine.storage_driver:
        return None
    try:
        with open(f"{root}/{engine.storage_driver}-images/images.json", "rb") as file:
            return len(of_kind(list, json.loads(file.read()), "/info"))
    except (OSError, ValueError, EngineError):
        return None


def _read_usage(
    lists: Lists, volumes: list[Volume], notes: list[Note]
) -> tuple[list[CacheRecord], list[Volume]]:
    """The build cache, and the volumes with their sizes where those were asked for; adds notes.

    Raises EngineUnreachable where the engine is gone.
    """

    def measured(read: Callable[[Any], T], listed: str, kind: str) -> tuple[list[T], list[Note]]:
        """The objects of one kind; none, with a note, where that makes no sense."""
        try:
            return read_list(read, disk_usage(usage, listed), _USAGE, kind)
        except SenselessAnswer as error:
            return [], [Note("usage", kind, said=str(error)[:120])]

    usage, said = _ask_usage(lists.usage, lists.ask_usage)
    if said and lists.sizes:
        notes.append(Note("usage", "volume", said=said))
        # A volume that cannot be measured says nothing of the build cache.
        usage, said = _ask_usage(lists.ask_cache, lists.ask_cache)
    elif usage and lists.sizes:
        found, odd = measured(parse.volume, "Volumes", "volume")
        sizes = {volume.name: volume.size for volume in found}
        volumes = [volume._replace(size=sizes.get(volume.name)) for volume in volumes]
        # An entry that makes no sense is noted already, unless the list of volumes has it whole.
        names = {volume.name for volume in volumes}
        notes += [note for note in odd if note.problem == "usage" or note.id in names]
    records: list[CacheRecord] = []
    if usage:
        records, odd = measured(cache_record, "BuildCache", "cache")
        notes += odd
    elif said:
        notes.append(Note("usage", "cache", said=said))
    return records, volumes


def _ask_usage(first: Callable[[], Any], again: Callable[[], Any]) -> tuple[dict[str, Any], str]:
    """The answer of ``/system/df``; or nothing, and why. Raises EngineUnreachable."""
    asks = chain([first], repeat(again))
    try:
        usage = patiently(lambda: next(asks)())  # noqa: PLW0108 - each try is another one
        return of_kind(dict, usage, _USAGE), ""
    except EngineUnreachable:
        raise
    except EngineRefused as refusal:
        return {}, f"{refusal.status}: {refusal.words}"
    except EngineError as error:
        return {}, str(error)


def with_all_images(client: Client, inventory: Inventory) -> Inventory:
    """An inventory that has the untagged images alone, completed. Raises EngineError.

    A containerd store is asked for the others alone: it weighs each image anew. Of those without a
    name it lists the steps of classic builds only together with all of them. A classic store lists
    its intermediate images together with all others.
    """
    store = inventory.engine.store
    path = _images(client, _OTHERS if store == "containerd" else _ALL)
    images, odd = _read_images(patiently(partial(client.get, path)), store)
    here = {image.id for image in images}
    if store == "containerd":
        images += [image for image in inventory.images if image.id not in here]
        if _steps_may_be_missing(images):
            here = {image.id for image in images}
            images += [image for image in list_nameless(client) if image.id not in here]
        images.sort(key=lambda image: image.created, reverse=True)
    notes = (*inventory.notes, *(note for note in odd if note not in inventory.notes))
    return inventory._replace(images=tuple(images), notes=notes, partial=False, image_count=None)


def _images(client: Client, path: str) -> str:
    """What to ask for a list of images: with the sizes of their content where it can have them."""
    version = client.negotiate()
    return path if version.podman or version.api < _MANIFESTS else f"{path}&manifests=1"


def _read_images(answer: Any, store: str) -> tuple[list[Image], list[Note]]:
    images, odd = read_list(parse.image, answer, "/images/json", "image", parse.odd_image)
    if store == "containerd":
        images = [parse.with_all_digests(image) for image in images]
    return images, odd


def _steps_may_be_missing(images: Collection[Image]) -> bool:
    """Whether a containerd store may hide steps of classic builds on which these are built.

    The parent is a label of each name of an image, and a name from an archive has none. The list
    tells that of one name.
    """
    here = {image.id for image in images}
    return any(i.parent not in here if i.parent else len(i.tags) > 1 for i in images)


def list_nameless(client: Client) -> list[Image]:
    """A containerd store's images without a name, with the steps of classic builds. EngineError."""
    return _read_images(patiently(partial(client.get, _images(client, _NAMELESS))), "containerd")[0]


def list_named(client: Client, references: Collection[str], store: str) -> list[Image]:
    """The images that have one of these complete references. Raises EngineError.

    On the containerd store they come with these references alone, and only where these are written
    as people write them.
    """
    if not references:
        return []
    written = {*references, *map(familiar, references)}
    filters = quote(json.dumps({"reference": sorted(written)}))
    told = client.get(_images(client, f"/images/json?filters={filters}"))
    return _read_images(told, store)[0]
