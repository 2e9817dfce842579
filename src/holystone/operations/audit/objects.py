"""Entries that engines of every store have: containers' folders and logs, volumes, plugins."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence

from holystone.operations.audit.builders import of_builder
from holystone.operations.audit.facts import IDLE
from holystone.operations.audit.ground import LOST, Ground
from holystone.operations.audit.pile import join
from holystone.operations.audit.record import Entry, Kind
from holystone.outside.heaps import Heap
from holystone.planner.builders import builder_of_volume

OWN = {
    "network": "networks",
    "networks": "networks",
    "image": "image database",
    "buildkit": "BuildKit's databases",
    "containerd": "containerd's own files",
    "overlay-images": "image database",
    "overlay-layers": "layer database",
    "libpod": "Podman's own files",
    "cache": "cache of image sources",
    "volumes": "volume database",
    "containers": "containers' own files",
    "swarm": "swarm state",
    "runtimes": "runtimes",
    "trust": "trust keys",
    "rootfs": "mount points",
    "engine-id": "engine ID",
    "db.sql": "Podman's database",
    "plugins": "plugin storage",
    "tmp": "temporary files",
    "tmp-old": "temporary files",
}
"""What folders and files of an engine are called that hold no objects of a user."""
_LARGEST = 1 << 20


def containers(ground: Ground, folder: str, written: dict[str, list[str]]) -> Iterator[Entry]:
    """An entry for each container, and one for each of its logs.

    ``folder`` has a folder for each container. ``written``: the heaps of the writable layers, by
    the ID of the container.
    """
    facts, pile = ground.facts, ground.pile
    podman = facts.engine.store == "podman"
    for identifier in sorted({*ground.names(folder), *written}):
        own = ground.at(folder, identifier)
        layers = written.get(identifier, [])
        if not (layers or pile.has(own)):
            continue
        if identifier in facts.containers or layers:
            yield from logs(ground, own, identifier)
        heap = pile.take_all(own, *layers)
        name = facts.container(identifier)
        if identifier in facts.containers or layers:
            kept = layers[0] if layers else own
            known = facts.containers.get(identifier)
            evidence = known.state if known else "a record of the engine's files has it"
            yield ground.entry(
                Kind.CONTAINER, name, heap, kept, identifier=identifier, evidence=evidence
            )
        elif podman and not heap.size:
            yield ground.entry(Kind.ENGINE, "containers' own files", heap, own)
        else:
            yield ground.stray(name, heap, own, "the engine lists no container with this ID")


def logs(ground: Ground, own: str, identifier: str) -> Iterator[Entry]:
    """The logs of a container, whose folder is this one, each with its rotated files."""
    facts, pile = ground.facts, ground.pile
    for inside in ("", "/local-logs", "/userdata"):
        folder = own + inside
        files = [
            f"{folder}/{name}"
            for name in pile.names(folder)
            if _is_log(name, identifier, inside) and not pile.names(f"{folder}/{name}")
        ]
        if not files:
            continue
        files.sort(key=lambda path: (len(path), path))
        heap = pile.take(*files)
        yield ground.entry(
            Kind.LOG,
            facts.container(identifier),
            heap,
            files[0],
            identifier=identifier,
            limited=facts.limits.get(identifier),
            evidence=f"{len(files)} files" if len(files) > 1 else "",
        )


def _is_log(name: str, identifier: str, inside: str) -> bool:
    if inside == "/userdata":
        return name.startswith("ctr.log")
    return name.startswith(("container.log", f"{identifier}-json.log"))


def volumes(ground: Ground, folder: str) -> Iterator[Entry]:
    """An entry for each volume that the engine keeps itself. ``folder``: the path of their heap."""
    users: dict[str, list[str]] = {}
    for container in ground.facts.containers.values():
        for volume in container.volumes:
            users.setdefault(volume, []).append(container.name)
    for name in ground.pile.names(folder):
        if name == LOST:
            continue
        path = join(folder, name)
        heap = ground.pile.take_all(path)
        if name in ground.facts.volumes:
            holders = tuple(users.get(name, ()))
            builder = ground.facts.builders.get(name)
            kind = Kind.BUILDER if builder_of_volume(name) else Kind.VOLUME
            entry = ground.entry(kind, name, heap, path, identifier=name, holders=holders)
            yield of_builder(entry, builder, ground.facts.now) if builder else entry
        elif heap.files == 1 and not os.path.isdir(ground.path(path)):
            yield ground.entry(Kind.ENGINE, OWN["volumes"], heap, path)
        else:
            yield ground.stray(name, heap, path, "the engine lists no volume of this name")
    yield ground.entry(Kind.ENGINE, OWN["volumes"], ground.pile.take(folder), folder)


def plugins(ground: Ground) -> Iterator[Entry]:
    """An entry for each plugin of Docker's, and one for what they share."""
    for name in ground.names("plugins"):
        path = ground.at("plugins", name)
        heap = ground.pile.take_all(path)
        called = _plugin(ground.path(path))
        yield ground.entry(
            Kind.PLUGIN if called else Kind.ENGINE, called or "plugin storage", heap, path
        )


def _plugin(folder: str) -> str:
    try:
        with open(f"{folder}/config.json", "rb") as file:
            return str(json.loads(file.read(_LARGEST))["plugin"]["Name"])
    except (OSError, ValueError, LookupError, TypeError):
        return ""


def temporary(ground: Ground, folder: str) -> Iterator[Entry]:
    """What lies in a folder for temporary files: under way, or left over."""
    for name in ground.names(folder):
        path = ground.at(folder, name)
        heap = ground.pile.take_all(path)
        yield passing(ground, name, heap, path)


def passing(ground: Ground, name: str, heap: Heap, path: str, modified: float = 0.0) -> Entry:
    """What an engine writes for a while: left over where it was not changed for long."""
    age = ground.facts.age(max(heap.modified, modified))
    if age < IDLE:
        why = "changed within the last hour: may be under way"
        return ground.entry(Kind.ENGINE, name, heap, path, evidence=why)
    why = f"temporary, and not changed for {int(age / 3600)} h"
    frees, safety = ground.facts.by_restart()
    return ground.entry(Kind.LEFTOVER, name, heap, path, evidence=why, frees=frees, safety=safety)


def own_files(ground: Ground, folders: Sequence[str] = ()) -> Iterator[Entry]:
    """The engine's own files: what is left in these folders, and what has a known name."""
    for name in (*OWN, *folders):
        path = ground.at(name)
        heap = ground.pile.take_all(path)
        if heap.files or heap.size:
            kind = Kind.NETWORK if name in ("network", "networks") else Kind.ENGINE
            yield ground.entry(kind, OWN.get(name, name), heap, path)
    heap = ground.pile.take(ground.base)
    yield ground.entry(Kind.ENGINE, "data folder", heap, ground.base)
    for name in ground.names():
        path = ground.at(name)
        heap = ground.pile.take_all(path)
        if name.endswith((".lock", "FileID", "NetworkBackend")) or not heap.size:
            yield ground.entry(Kind.ENGINE, name, heap, path)
        else:
            why = "in the engine's data folder, and not of a kind that holystone knows"
            yield ground.entry(Kind.UNKNOWN, name, heap, path, evidence=why)
