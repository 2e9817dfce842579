"""The file systems that an engine's data is on, and where they can be walked from."""

from __future__ import annotations

import os
from typing import NamedTuple

from holystone.outside.mounts import Mount, is_below, mount_of, mounts

_PARTS = 2
"""How deep below the data folder a disk may be mounted that counts as one for the engine's data."""
_NOT_DISKS = ("overlay", "tmpfs", "proc", "sysfs", "nsfs", "devtmpfs", "mqueue", "cgroup2")
_CONTAINERS = ("overlay", "nsfs")
_SUBVOLUMES = ("btrfs", "bcachefs")


class Disk(NamedTuple):
    """One file system."""

    type: str
    tops: tuple[str, ...]
    """Folders from which all of it can be reached that can be seen from here."""
    folders: tuple[tuple[str, str], ...]
    """The engine's folders on it: the real path of each, and its path by way of one of the tops,
    which is another one where it lies on a bind mount."""
    whole: bool
    """Whether its topmost folder is mounted here, so that all files can be seen."""
    mounted: tuple[str, ...]
    """Every place where something is mounted."""
    covered: tuple[str, ...] = ()
    """Where something is mounted over a folder that can be reached from one of the tops, except
    the file systems of containers."""

    @property
    def subvolumes(self) -> bool:
        """Whether folders of it may have other device numbers."""
        return self.type in _SUBVOLUMES


def disks_of(folders: list[str]) -> list[Disk]:
    """The disks of these data folders and of what is mounted in them, that of the first one first.

    Raises OSError, ValueError where the mounts of this process cannot be read.
    """
    table = mounts()
    found: dict[str, list[str]] = {}
    kinds: dict[str, Mount] = {}
    for folder in map(os.path.realpath, folders):
        for path in (folder, *_inside(folder, table)):
            mount = mount_of(path, table)
            if mount is None:
                raise ValueError(f"no mount of this process has {path}")
            found.setdefault(mount.device, []).append(path)
            kinds.setdefault(mount.device, mount)
    return [_disk(kinds[device], paths, table) for device, paths in found.items()]


def _inside(folder: str, table: list[Mount]) -> list[str]:
    """Where a disk is mounted in a data folder, close to its top."""
    found = []
    for mount in table:
        if mount.at != folder and is_below(folder, mount.at) and mount.type not in _NOT_DISKS:
            depth = os.path.relpath(mount.at, folder).count("/") + 1
            if depth <= _PARTS and mount_of(mount.at, table) == mount:
                found.append(mount.at)
    return sorted(found)


def _disk(mount: Mount, folders: list[str], table: list[Mount]) -> Disk:
    """The disk of a mount, which the folders are on."""
    same = [each for each in table if each.device == mount.device]
    seen = [each for each in same if mount_of(each.at, table) == each and os.path.isdir(each.at)]
    tops: list[Mount] = []
    for each in sorted(seen, key=lambda each: (len(each.root), len(each.at))):
        if not any(is_below(top.root, each.root) for top in tops):
            tops.append(each)
    paths = tuple(each.at for each in tops)
    reached = tuple((folder, _as_reached(folder, mount, tops, table)) for folder in folders)
    whole = any(each.root == "/" for each in tops) or mount.type in _SUBVOLUMES
    mounted = tuple({each.at for each in table})
    inner = {each.id for each in tops}
    covered = {each.at for each in table if each.parent in inner and each.type not in _CONTAINERS}
    return Disk(mount.type, paths, reached, whole, mounted, tuple(sorted(covered - set(paths))))


def _as_reached(folder: str, mount: Mount, tops: list[Mount], table: list[Mount]) -> str:
    """The path of a folder by way of one of the tops: it may lie on a bind mount."""
    here = mount_of(folder, table) or mount
    inside = os.path.normpath(os.path.join(here.root, os.path.relpath(folder, here.at)))
    for top in tops:
        if is_below(top.root, inside):
            return os.path.normpath(os.path.join(top.at, os.path.relpath(inside, top.root)))
    return folder
