"""Which folders of layers the files of a classic engine name (moby ``layer/filestore.go``).

``layerdb/sha256`` has a folder for each layer of an image, ``layerdb/mounts`` one for each
container and ``layerdb/tmp`` one for each layer that is being made: a pull that was killed leaves
it behind. A layer whose removal was interrupted is called ``CHAIN-RANDOM-removing``. BuildKit's
records are in databases of its own.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from typing import NamedTuple

from holystone.engine.storage import text_of
from holystone.engine.storage.bolt import Bucket, NotBolt, read_bolt

_INIT = "-init"
_LARGEST_TEXT = 1 << 28


class Folders(NamedTuple):
    """Who has which folder, by the folder's name without ``-init``."""

    layers: dict[str, str]
    """The chain ID of the layer of images that is unpacked there."""
    containers: dict[str, str]
    """The ID of the container that writes there."""
    removing: dict[str, str]
    """The path of the record of a layer whose removal was interrupted."""
    arriving: dict[str, str]
    """The path of the record of a layer that is being made, or was when the engine was killed."""

    def knows(self, folder: str) -> bool:
        """Whether one of them names the folder."""
        name = folder.removesuffix(_INIT)
        return any(name in each for each in self)


def read_folders(root: str, driver: str) -> Folders:
    """What the files of the engine with this data folder name. Raises OSError."""
    layers = f"{root}/image/{driver}/layerdb"
    found = Folders({}, {}, {}, {})
    os.listdir(layers)  # Must be there; what is in it comes with the first image.
    for name in _listed(f"{layers}/sha256"):
        record = f"{layers}/sha256/{name}"
        folder = text_of(f"{record}/cache-id")
        if folder and name.endswith("-removing"):
            found.removing[folder] = record
        elif folder:
            found.layers[folder] = f"sha256:{name}"
    for name in _listed(f"{layers}/mounts"):
        for each in ("mount-id", "init-id"):
            folder = text_of(f"{layers}/mounts/{name}/{each}").removesuffix(_INIT)
            if folder:
                found.containers[folder] = name
    pending = os.path.join(layers, "tmp")
    for name in _listed(pending):
        with suppress(OSError):
            folder = text_of(f"{pending}/{name}/cache-id")
            if folder:
                found.arriving[folder] = f"{pending}/{name}"
    for folder in found.layers:
        # A record that is on its way out may name the same folder as one that stays.
        found.removing.pop(folder, None)
    return found


def named_by_buildkit(root: str, folders: Iterable[str]) -> dict[str, str]:
    """Those of these folders that BuildKit's databases name, each with the database's name.

    Only living records count. A database that cannot be read as one is searched as text, where a
    name that was removed may still stand. Raises OSError.
    """
    wanted = {folder.removesuffix(_INIT) for folder in folders}
    found: dict[str, str] = {}
    for name in sorted(_listed(f"{root}/buildkit")) if wanted else ():
        if name.endswith(".db"):
            for folder in _named(f"{root}/buildkit/{name}", wanted):
                found.setdefault(folder, name)
    return found


def _named(database: str, wanted: set[str]) -> set[str]:
    try:
        text = _text(read_bolt(database))
    except NotBolt:
        with open(database, "rb") as file:
            text = file.read(_LARGEST_TEXT)
    return {name for name in wanted if name.encode() in text}


def _text(bucket: Bucket) -> bytes:
    """All names and values in a bucket and those in it, a line each. Raises NotBolt."""
    parts: list[bytes] = []
    todo = [bucket]
    while todo:
        for name, value in todo.pop().items():
            parts.append(name)
            if isinstance(value, Bucket):
                todo.append(value)
            else:
                parts.append(value)
    return b"\n".join(parts)


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []
