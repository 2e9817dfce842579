"""Whether the engine's data folder is in sight: an equal path is not enough, a proof is needed.

Holystone in a container with the host's socket has another file system at the path that the engine
names; a socket that ssh forwards leads to an engine whose path exists here as well. So the folder
counts only where one of these proves it:

- The engine's process has this very folder at that path. ``SO_PEERCRED`` tells who listens on the
  socket; ``/proc/PID/mountinfo``, which all users may read, shows which file system it sees there.
- The folder holds what only this engine can have: the IDs of its networks and containers, which
  are random. Image IDs prove nothing: two engines that pulled the same image have the same ID.
  Engine IDs prove nothing either: copies of a virtual machine share them.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from typing import Any, NamedTuple

from holystone.engine.client import Client
from holystone.engine.errors import EngineError
from holystone.outside.mounts import mount_of, mounts
from holystone.planner.inventory import Disk

_ENGINES = ("dockerd", "podman")
"""Names of engines' processes (``/proc/PID/comm``)."""
_SYSTEMD = "systemd"
"""Where a socket unit starts the engine, systemd is who listens (``SO_PEERCRED`` of ``listen``)."""
_ASKED_AGAIN = 4
"""Objects without a file that the engine is asked about again: they may have gone meanwhile."""
_SYSTEM_SOCKET = "/run/containerd/containerd.sock"
_SYSTEM_ROOT = "/var/lib/containerd"
"""Where the system's containerd keeps its data, unless its configuration says otherwise."""
_LARGEST_NETWORKS = 64 << 20
_UNPROVED = (EngineError, OSError, ValueError, struct.error)
NOT_FOUND = 404


class Sight(NamedTuple):
    """Where the engine's data folder is on this machine."""

    root: str = ""
    """Its path here; empty where it is not in sight."""
    why: str = ""
    """Why it is not in sight, in words; empty where it is."""
    images: str = ""
    """The folder of the images where that is another one: that of the system's containerd."""


class _Unreadable(Exception):
    """The folder may not be read."""


def find(
    client: Client,
    info: Mapping[str, Any],
    containers: Sequence[Mapping[str, Any]],
    networks: Sequence[Mapping[str, Any]],
) -> Sight:
    """Where the data folder of this engine is, given what it says of itself and its lists.

    Never raises: what cannot be proved is not in sight.
    """
    if client.endpoint.scheme != "unix":
        return Sight(why=f"the engine is reached by {client.endpoint.scheme}")
    root = info.get("DockerRootDir")
    if not isinstance(root, str) or not os.path.isabs(root) or "\0" in root:
        return Sight(why="the engine does not say where its data is")
    if not os.path.isdir(root):
        return Sight(why=f"there is no folder {root} here")
    name = str(info.get("Name") or "")
    same = None
    with suppress(*_UNPROVED):
        same = _by_process(client, root, name)
    if same is False:
        return Sight(why=f"another file system is at {root} here")
    try:
        if same or _by_files(client, root, containers, networks):
            return _with_images(client, info, root, name)
    except _Unreadable:
        return Sight(why=f"only root can tell whether {root} is this engine's")
    except (*_UNPROVED, TypeError, KeyError):
        pass
    return Sight(why=f"nothing shows that {root} is this engine's")


def disk(seen: Sight) -> Disk:
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


def _with_images(client: Client, info: Mapping[str, Any], root: str, name: str) -> Sight:
    """The sight of a folder that is the engine's, where the images are on that disk or in sight.

    An engine with the containerd store either starts its own containerd, with its data in the
    engine's folder, or uses the system's. Then the images are in a folder of that.
    """
    containerd = info.get("Containerd")
    address = containerd.get("Address") if isinstance(containerd, dict) else None
    status = info.get("DriverStatus") or ()
    of_containerd = ["driver-type", "io.containerd.snapshotter.v1"] in status
    if not of_containerd or str(address).removeprefix("/var") != _SYSTEM_SOCKET:
        return Sight(root)
    with suppress(*_UNPROVED):
        if os.stat(_SYSTEM_ROOT).st_dev == os.stat(root).st_dev:
            return Sight(root)
        if _by_process(client, _SYSTEM_ROOT, name):
            return Sight(root, images=_SYSTEM_ROOT)
    return Sight(why=f"the images are in containerd's folder, and {_SYSTEM_ROOT} may not be it")


def _by_process(client: Client, root: str, name: str) -> bool | None:
    """Whether the engine's process has this folder at that path; None where that is unknown."""
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return None
    with closing(client.open()) as connection:
        told = connection.sock.getsockopt(socket.SOL_SOCKET, option, struct.calcsize("3i"))
    peer = int(struct.unpack("3i", told)[0])
    path = os.path.realpath(root)
    here = place("self", path)
    if not peer or here is None:
        return None
    for process in _engine_processes(peer, client.endpoint.address, name):
        there = place(process, path)
        if there is not None:
            return there == here and _same_folder(process, path)
    return None


def _engine_processes(peer: int, address: str, name: str) -> Iterator[int]:
    """The process that answers on the socket, where that is certain.

    That is the listener itself, or an engine that has the socket from systemd. Whose sockets may
    not be read here is taken for that engine where systemd, on a host of the engine's name,
    started it.
    """
    listener = _told(f"{peer}/comm")
    if listener in _ENGINES:
        yield peer
    if listener != _SYSTEMD:
        return
    path = os.path.realpath(address)
    # The sockets bound to this path, as the links of file descriptors name them.
    bound = (line.split(maxsplit=7) for line in _told("net/unix").split("\n"))
    sockets = {f"socket:[{f[6]}]" for f in bound if len(f) > 7 and os.path.realpath(f[7]) == path}
    for folder in os.listdir("/proc"):
        if not folder.isdecimal() or _told(f"{folder}/comm") not in _ENGINES:
            continue
        holds = _holds(folder, sockets)
        if holds is None:
            parent = _told(f"{folder}/stat").rpartition(")")[2].split()[1:2]
            holds = parent == [str(peer)] and name == os.uname().nodename
        if holds:
            yield int(folder)


def _told(name: str) -> str:
    """A file of ``/proc``; empty where it may not be read."""
    try:
        with open(f"/proc/{name}", encoding="utf-8", errors="surrogateescape") as file:
            return file.read().rstrip("\n")
    except OSError:
        return ""


def _holds(process: str, sockets: set[str]) -> bool | None:
    """Whether a process has one of these sockets open; None where its files may not be seen."""
    try:
        for descriptor in os.listdir(f"/proc/{process}/fd"):
            with suppress(FileNotFoundError):
                if os.readlink(f"/proc/{process}/fd/{descriptor}") in sockets:
                    return True
    except OSError:
        return None
    return False


def _same_folder(process: int, path: str) -> bool:
    """Whether a process has the same folder there, as far as root may look: others may not."""
    try:
        there = os.stat(f"/proc/{process}/root{path}")
    except OSError:
        return True
    here = os.stat(path)
    return (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino)


def place(process: int | str, path: str) -> tuple[str, str] | None:
    """The file system's device number, and the path in it, of what a process has at a path.

    None where its mounts may not be read.
    """
    try:
        current = mount_of(path, mounts(process))
    except ValueError:
        return None
    if current is None:
        return None
    inside = os.path.relpath(path, current.at)
    return current.device, os.path.normpath(os.path.join(current.root, inside))


def _by_files(
    client: Client,
    root: str,
    containers: Iterable[Mapping[str, Any]],
    networks: Iterable[Mapping[str, Any]],
) -> bool:
    """Whether the folder holds what only this engine has, and misses nothing that it has.

    Raises _Unreadable, EngineError.
    """
    if not os.access(root, os.R_OK | os.X_OK):
        raise _Unreadable
    podman = client.negotiate().podman
    found = 0
    missing = []
    folders = [f"{root}/containers"]
    if podman:
        # It has a folder of containers for each driver.
        folders = [f"{root}/{each}" for each in os.listdir(root) if each.endswith("-containers")]
    for container in _ids(containers):
        if any(os.path.isdir(f"{folder}/{container}") for folder in folders):
            found += 1
        else:
            missing.append(f"/containers/{container}/json")
    if not podman:
        # Every engine has networks, "none" at least. Podman makes up their IDs from their names.
        # Its database of them has the IDs as text in its keys (moby ``datastore``).
        stored = b""
        try:
            with open(f"{root}/network/files/local-kv.db", "rb") as file:
                stored = file.read(_LARGEST_NETWORKS)
        except PermissionError:
            raise _Unreadable from None
        except OSError:
            pass
        for network in _ids(networks, Scope="local"):
            if network.encode() in stored:
                found += 1
            else:
                missing.append(f"/networks/{network}")
    if not found or len(missing) > _ASKED_AGAIN:
        return False
    requests = [("GET", client.versioned(path)) for path in missing]
    return all(answer.status == NOT_FOUND for answer in client.send(requests))


def _ids(listed: Iterable[Any], **wanted: str) -> Iterator[str]:
    """The IDs of the entries of a list that have one, as all have that an engine means."""
    for each in listed:
        named = isinstance(each, dict) and isinstance(each.get("Id"), str)
        if named and all(each.get(key) == value for key, value in wanted.items()):
            yield each["Id"]
