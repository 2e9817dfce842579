"""Inspect containers one by one, and measure the space of their files on the disk.

No figure of an engine has the logs. An engine with overlay adds up the lengths of files
(``SizeRw``), but a file with holes in it, such as a ``lastlog`` or an image of a disk, takes less,
and a file that has links elsewhere frees nothing. The containerd store counts blocks itself.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

from holystone.engine import parse
from holystone.engine.client import Client, Version
from holystone.engine.errors import EngineRefused, SenselessAnswer
from holystone.engine.reading import NOT_FOUND, is_gone, read_one, trouble
from holystone.engine.transport.http import Response
from holystone.planner.inventory import Container, Engine, Note, Volume

LEAST = 1_000_000
"""Bytes of a container's log from which on they count as bytes that come free with it."""
BLOCK = 512
"""Bytes in the unit of ``st_blocks``."""
_LOG = re.compile(r"-json\.log(\.|$)|^container\.log(\.|$)|^ctr\.log(\.|$)")
"""Files of the drivers ``json-file`` and ``local``, and of Podman's ``k8s-file``."""
_FOLDERS = 1 << 16
"""Bytes by which Podman may count more than the files have: it counts folders as well."""
_MOST_FILES = 200_000
"""Files looked at in one layer; of what is beyond them nothing is promised."""
_OK = 200


def inspect_containers(
    client: Client, containers: Iterable[Container], root: str = "", store: str = "classic"
) -> tuple[tuple[Container, ...], list[Note]]:
    """The containers with when and how they ended, what they wrote, and what they need.

    The others are inspected only if one is idle, since any of them may need it; none is asked for
    the bytes that a running one wrote, which costs the engine a walk over its files. One that was
    removed in the meantime is left out; one that the engine fails to inspect (dead, its files lost)
    stays as it was listed, with a note. Where the engine's data folder, ``root``, is in sight, what
    an idle one wrote is measured there.
    """
    listed = list(containers)
    notes: list[Note] = []
    if not any(container.idle for container in listed):
        return tuple(listed), notes
    found = []

    def learn(container: Container, told: Mapping[str, Any]) -> Container:
        now = parse.inspected_container(container, told)
        return weighed(now, told, root, store) if container.idle else now

    for container, answer in zip(listed, _ask(client, listed), strict=True):
        if is_gone(answer):
            continue
        try:
            found.append(read_one(dict, answer, partial(learn, container)))
        except (EngineRefused, SenselessAnswer) as error:
            said = trouble(answer, error)
            notes.append(Note("inspection", "container", container.id, container.name, said))
            found.append(container)
    if any(container.pod for container in found):
        (answer,) = client.send([("GET", f"{libpod(client.negotiate())}/pods/json")])
        # A proxy may not pass it on; the ID names a pod as well.
        with suppress(EngineRefused, SenselessAnswer):
            names = read_one(
                list, answer, lambda pods: {str(p["Id"]): str(p["Name"]) for p in pods}
            )
            found = [each._replace(pod_name=names.get(each.pod, "")) for each in found]
    return tuple(found), notes


def _ask(client: Client, containers: Sequence[Container]) -> list[Response]:
    version = client.negotiate()

    def path(container: Container, yes: str) -> str:
        return f"/containers/{container.id}/json" + (f"?size={yes}" if container.idle else "")

    if not version.podman:
        return client.send(("GET", client.versioned(path(each, "1"))) for each in containers)
    # Podman tells pods and dependencies in its own interface alone, which a proxy may not pass on.
    own = libpod(version)
    answers = client.send(("GET", f"{own}{path(each, 'true')}") for each in containers)
    refused = [at for at, answer in enumerate(answers) if _OK < answer.status < NOT_FOUND]
    again = client.send(("GET", client.versioned(path(containers[at], "1"))) for at in refused)
    for at, answer in zip(refused, again, strict=True):
        answers[at] = answer
    return answers


def libpod(version: Version) -> str:
    """Where Podman's own interface begins: it takes its own version, and some older ones."""
    number = "".join(c if c in "0123456789." else " " for c in version.engine).split(" ")[0]
    return f"/v{number or '4.0.0'}/libpod"


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
    folders = [f"{root}/containers/{container}", f"{root}/containers/{container}/local-logs"]
    if engine.store == "podman":
        folders = [f"{root}/{engine.storage_driver}-containers/{container}/userdata"]
    for folder in folders:
        files = []
        with suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                if _LOG.search(entry.name) and entry.is_file(follow_symlinks=False):
                    told = entry.stat(follow_symlinks=False)
                    files.append(File(entry.path, told.st_blocks * BLOCK, told.st_nlink > 1))
        if files:
            yield sorted(files, key=lambda file: (len(file.path), file.path))


def with_log(container: Container, root: str, engine: Engine) -> Container:
    """The container with the bytes of its log, where they come free with it and are not few.

    ``root`` is the engine's data folder, empty where it is not on the disk that is measured.
    """
    if not root or not container.idle:
        return container
    found = [file for files in log_files(root, engine, container.id) for file in files]
    size = sum(file.size for file in found if not file.linked)
    return container._replace(log_size=size) if size >= LEAST else container


def weighed(container: Container, told: Mapping[str, Any], root: str, store: str) -> Container:
    """The container with what its writable layer frees, or with bounds where that is unknown.

    ``told`` is its inspection, ``root`` the engine's data folder, empty where not in sight.
    """
    if store == "containerd" or not container.writable_size:
        return container
    layer = str(((told.get("GraphDriver") or {}).get("Data") or {}).get("UpperDir") or "")
    found = measure(layer) if root and layer.startswith(f"{root.rstrip('/')}/") else None
    size, whole = found or (0, False)
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
    size, whole = found or (0, False)
    least = min(size, volume.size)
    return volume._replace(size=least) if whole else volume._replace(at_least=least)


def measure(folder: str) -> tuple[int, bool] | None:
    """Bytes that the files below a folder free, and whether all were seen; None if unreadable."""
    linked: dict[tuple[int, int], int] = {}
    total = 0
    try:
        for number, told in enumerate(walk(folder)):
            if number >= _MOST_FILES:
                return total, False
            if told.st_nlink > 1:
                key = (told.st_dev, told.st_ino)
                linked[key] = linked.get(key, 0) + 1
                if linked[key] < told.st_nlink:
                    continue
            total += min(told.st_size, told.st_blocks * BLOCK)
    except OSError:
        return None
    return total, True


def walk(folder: str, *, every: bool = False) -> Iterator[os.stat_result]:
    """What ``lstat`` says of each file below a folder. Raises OSError.

    ``every``: of folders too; then what cannot be read, or is another disk, is passed over.
    """
    device = os.stat(folder).st_dev
    folders = [folder]
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    told = entry.stat(follow_symlinks=False)
                    is_folder = stat.S_ISDIR(told.st_mode)
                    if every and told.st_dev != device:
                        continue
                    if is_folder:
                        folders.append(entry.path)
                    if every or not is_folder:
                        yield told
        except OSError:
            if not every:
                raise
