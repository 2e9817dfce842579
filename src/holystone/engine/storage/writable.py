"""What a container's writable layer, or a volume, takes on the disk, where it may be read.

An engine with overlay adds up the lengths of files (``SizeRw``). A file with holes in it, such as a
``lastlog`` or an image of a disk, takes less, and a file that has links elsewhere frees nothing.
The containerd store counts blocks itself.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from holystone.planner.inventory import Container, Volume

_FOLDERS = 1 << 16
"""Bytes by which Podman may count more than the files have: it counts folders as well."""
_MOST_FILES = 200_000
"""Files looked at in one layer; of what is beyond them nothing is promised."""
_BLOCK = 512
"""Bytes in the unit of ``st_blocks``."""


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
