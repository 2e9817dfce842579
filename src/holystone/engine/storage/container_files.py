"""What the files of containers and volumes take on the disk, where they may be read.

No figure of an engine has the logs. An engine with overlay adds up the lengths of files
(``SizeRw``), but a file with holes in it, such as a ``lastlog`` or an image of a disk, takes less,
and a file that has links elsewhere frees nothing. The containerd store counts blocks itself.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from holystone.planner.inventory import Container, Engine, Volume

LEAST = 1_000_000
"""Bytes of a container's log from which on they count as bytes that come free with it."""
_BLOCK = 512
"""Bytes in the unit of ``st_blocks``."""
_LOG = re.compile(r"-json\.log(\.|$)|^container\.log(\.|$)|^ctr\.log(\.|$)")
"""Files of the drivers ``json-file`` and ``local``, and of Podman's ``k8s-file``."""
_FOLDERS = 1 << 16
"""Bytes by which Podman may count more than the files have: it counts folders as well."""
_MOST_FILES = 200_000
"""Files looked at in one layer; of what is beyond them nothing is promised."""


class File(NamedTuple):
    """A log file."""

    path: str
    size: int
    """Bytes on the disk."""
    linked: bool
    """Whether it has another name too, so that its bytes stay with that."""


def log_files(root: str, engine: Engine, container: str) -> Iterator[list[File]]:
    """The log files of a container, rotated ones too: a list for each folder that has any.

    The file that is written to comes first. ``root`` is the engine's data folder.
    """
    for folder in _folders(root, engine, container):
        if files := sorted(_matching(folder), key=lambda file: (len(file.path), file.path)):
            yield files


def with_log(container: Container, root: str, engine: Engine) -> Container:
    """The container with the bytes of its log, where they come free with it and are not few.

    ``root`` is the engine's data folder, empty where it is not on the disk that is measured.
    """
    if not root or not container.idle:
        return container
    found = [file for files in log_files(root, engine, container.id) for file in files]
    size = sum(file.size for file in found if not file.linked)
    return container._replace(log_size=size) if size >= LEAST else container


def _folders(root: str, engine: Engine, container: str) -> Iterator[str]:
    if engine.store == "podman":
        yield f"{root}/{engine.storage_driver}-containers/{container}/userdata"
        return
    yield f"{root}/containers/{container}"
    yield f"{root}/containers/{container}/local-logs"


def _matching(folder: str) -> Iterator[File]:
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if _LOG.search(entry.name) and entry.is_file(follow_symlinks=False):
                told = entry.stat(follow_symlinks=False)
                yield File(entry.path, told.st_blocks * _BLOCK, told.st_nlink > 1)


def weighed(container: Container, told: Mapping[str, Any], root: str, store: str) -> Container:
    """The container with what its writable layer frees, or with bounds where that is unknown.

    ``told`` is its inspection, ``root`` the engine's data folder, empty where not in sight.
    """
    if store == "containerd" or not container.writable_size:
        return container
    layer = str(((told.get("GraphDriver") or {}).get("Data") or {}).get("UpperDir") or "")
    found = None
    if root and layer.startswith(f"{root.rstrip('/')}/"):
        found = measure(layer)
    if found is None:
        return container._replace(writable_at_least=0)
    size, whole = found
    if not whole:
        return container._replace(writable_at_least=min(size, container.writable_size))
    folders = _FOLDERS if store == "podman" else 0
    if size >= container.writable_size - folders:
        return container
    return container._replace(writable_size=size, writable_claimed=container.writable_size)


def weighed_volume(volume: Volume, root: str, store: str) -> Volume:
    """A volume whose size was asked for, with what it frees; bounded where that is unknown."""
    if not volume.size or volume.driver != "local":
        return volume
    folder = f"{root}/volumes/{volume.name}/_data"
    found = measure(folder) if root and store != "podman" and "/" not in volume.name else None
    if found is None:
        return volume._replace(at_least=0)
    size, whole = found
    if not whole:
        return volume._replace(at_least=min(size, volume.size))
    return volume._replace(size=min(size, volume.size))


def measure(folder: str) -> tuple[int, bool] | None:
    """Bytes that the files below a folder free, and whether all were seen; None if unreadable."""
    linked: dict[tuple[int, int], int] = {}
    total = 0
    try:
        for number, told in enumerate(_files(folder)):
            if number >= _MOST_FILES:
                return total, False
            size = min(told.st_size, told.st_blocks * _BLOCK)
            if told.st_nlink > 1:
                key = (told.st_dev, told.st_ino)
                linked[key] = linked.get(key, 0) + 1
                if linked[key] < told.st_nlink:
                    continue
            total += size
    except OSError:
        return None
    return total, True


def _files(folder: str) -> Iterator[os.stat_result]:
    """What ``lstat`` says of each file below a folder. Raises OSError."""
    folders = [folder]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                else:
                    yield entry.stat(follow_symlinks=False)
