"""Read the files in the engine's data folder that the engine does not list.

Logs of containers, folders of layers that nothing refers to, and the engine's own files. holystone
removes none of them. It shows them, so that the parts of the disk add up.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import islice

from holystone.engine.containers import BLOCK, log_files, measure, walk
from holystone.engine.storage import text_of
from holystone.engine.storage.layer_folders import named_by_buildkit, read_folders
from holystone.planner.inventory import Container, Engine
from holystone.planner.totals import Beside, Log, Orphan

_MOST_FILES = 200_000
"""Files counted below one folder."""
_YOUNG = 60.0
"""Seconds: a folder as new as that may be of a layer that is being made."""
_PAUSE = 0.3
_NOTICED = 16 << 20
"""Bytes of a running container's writable layer from which on it is measured."""
_COUNTED = (
    "containers",
    "volumes",
    "overlay2",
    "vfs",
    "btrfs",
    "zfs",
    "fuse-overlayfs",
    "devicemapper",
)
"""Folders whose bytes are counted otherwise: those of logs, volumes and layers."""


def look(root: str, engine: Engine, containers: Sequence[Container], *, images: str = "") -> Beside:
    """What is beside the listed objects; unread where the folder may not be read.

    ``root`` is the engine's data folder as it was proved to be in sight, ``images`` that of the
    images where they are on another disk, which is the one that is measured.
    """
    if not root or not os.access(root, os.R_OK | os.X_OK):
        return Beside()
    logs = _logs(root, engine, containers)
    if engine.store == "podman":
        return Beside(read=True, logs=logs)
    orphans = _orphans(root, engine.storage_driver) if engine.store == "classic" else []
    counted = {*_COUNTED, engine.storage_driver}
    if engine.store == "containerd":
        counted.add("containerd")
    with os.scandir(root) as entries:
        own = [entry.path for entry in entries if entry.is_dir() and entry.name not in counted]
    return Beside(
        read=True,
        logs=logs,
        orphans=tuple(sorted(orphans, key=lambda orphan: (-orphan.size, orphan.path))),
        own=sum(map(_size, own)),
        holes=_holes(root, engine.storage_driver, containers),
        elsewhere=("volumes", "logs") if images else _elsewhere(root, engine),
    )


def _logs(root: str, engine: Engine, containers: Iterable[Container]) -> tuple[Log, ...]:
    found = []
    for container in containers:
        for files in log_files(root, engine, container.id):
            size = sum(file.size for file in files)
            if size:
                limited = _limited(f"{root}/containers/{container.id}")
                found.append(Log(container.id, container.name, files[0].path, size, limited))
    return tuple(sorted(found, key=lambda log: (-log.size, log.name)))


def _limited(folder: str) -> bool | None:
    """Whether the container's log has a limit: ``max-size``, or a driver that always has one."""
    try:
        with open(f"{folder}/hostconfig.json", "rb") as file:
            config = json.loads(file.read())["LogConfig"]
        return config["Type"] == "local" or "max-size" in (config.get("Config") or {})
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None


def _orphans(root: str, driver: str) -> list[Orphan]:
    """The folders of layers that no layer, container or cache record refers to.

    Only of overlay2, whose folders have the names that the engine's files hold. The folders are
    listed before the names are read, so that what is made meanwhile is known.
    """
    store = f"{root}/{driver}"
    if driver != "overlay2":
        return []
    try:
        folders = [
            entry.name for entry in os.scandir(store) if entry.is_dir() and entry.name != "l"
        ]
        strays = _unknown(folders, root, driver)
        young = [name for name in strays if _age(f"{store}/{name}") < _YOUNG]
        if young:
            # A layer being made is in the engine's files in a moment, or is in a transaction.
            time.sleep(_PAUSE)
            strays = _unknown(strays, root, driver)
            if os.listdir(f"{root}/image/{driver}/layerdb/tmp"):
                strays = [name for name in strays if name not in young]
    except OSError:
        return []
    return [Orphan(f"{store}/{name}", _size(f"{store}/{name}")) for name in strays]


def _unknown(folders: Iterable[str], root: str, driver: str) -> list[str]:
    """Those of these folders that the engine's files do not name. Raises OSError."""
    known = read_folders(root, driver)
    strays = [name for name in folders if not known.knows(name)]
    by_buildkit = named_by_buildkit(root, strays)
    return [name for name in strays if name.removesuffix("-init") not in by_buildkit]


def _holes(root: str, driver: str, containers: Iterable[Container]) -> int:
    """Bytes that running containers have in files with holes; of stopped ones it is known."""
    holes = 0
    for container in containers:
        if container.idle or container.writable_size < _NOTICED:
            continue
        with suppress(OSError):
            mount = text_of(f"{root}/image/{driver}/layerdb/mounts/{container.id}/mount-id")
            measured = measure(f"{root}/{driver}/{mount}/diff") if mount else None
            if measured is not None and measured[1]:
                holes += max(0, container.writable_size - measured[0])
    return holes


def _age(folder: str) -> float:
    try:
        return time.time() - os.stat(folder).st_mtime
    except OSError:
        return 0.0


def _elsewhere(root: str, engine: Engine) -> tuple[str, ...]:
    """Which parts of the data are on another disk than the folder itself."""
    images = "containerd/daemon" if engine.store == "containerd" else engine.storage_driver
    found = []
    for part, folder in (("images", images), ("volumes", "volumes")):
        path = f"{root}/{folder}"
        if os.path.isdir(path) and os.stat(path).st_dev != os.stat(root).st_dev:
            found.append(part)
    return tuple(found)


def _size(folder: str) -> int:
    """Bytes on the disk of what is below a folder, links once, up to so many files."""
    total = 0
    seen: set[int] = set()
    with suppress(OSError):
        for told in islice(walk(folder, every=True), _MOST_FILES):
            if told.st_nlink == 1 or told.st_ino not in seen:
                seen.add(told.st_ino)
                total += told.st_blocks * BLOCK
    return total
