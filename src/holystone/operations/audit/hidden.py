"""Files that no walk of a disk can see, since something else is mounted over their folder."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from typing import NamedTuple

from holystone.operations.audit.disks import Disk
from holystone.operations.audit.record import Account, Entry, Kind, total
from holystone.outside.disk_walk import DiskWalk
from holystone.outside.heaps import Cut
from holystone.outside.mounts import is_below
from holystone.outside.uncovered import folder_in, uncovered
from holystone.planner.units import format_size

_GONE = (FileNotFoundError, NotADirectoryError)
_SHARE = 200
"""What the file system itself takes is remarkable from this part of the used bytes on."""
_METADATA = 8 << 20
_INODE = 512
"""Bytes of metadata for each file that raise no question."""
_COPIES = {"btrfs": 20, "bcachefs": 20, "zfs": 20}
"""File systems whose metadata may take this part of the used bytes."""
_SAID = 5


class Hidden(NamedTuple):
    """What lies below the mount points of a disk."""

    entries: tuple[Entry, ...] = ()
    unseen: tuple[str, ...] = ()
    """Mount points below which this process may not look."""


def hidden(disk: Disk) -> Hidden:
    """The files below the mount points of a disk, without a change to any mount."""
    entries: list[Entry] = []
    unseen: list[str] = []
    for top in disk.tops:
        covered = [at for at in disk.covered if at != top and is_below(top, at)]
        if not covered:
            continue
        try:
            with uncovered(top) as descriptor:
                for at in covered:
                    entries += _below(descriptor, top, at)
        except OSError:
            unseen += covered
    return Hidden(tuple(entries), tuple(sorted(unseen)))


def _below(descriptor: int, top: str, at: str) -> list[Entry]:
    """An entry for what lies in the folder that this mount point hides, if anything does."""
    inside = os.path.relpath(at, top)
    try:
        with folder_in(descriptor, inside) as folder:
            heap = DiskWalk(folder, Cut()).run().heaps[""]
    except _GONE:
        return []  # Something is mounted on a file, or the folder has gone.
    if heap.files < 2:
        return []
    found = Entry(
        Kind.OTHER,
        f"hidden below the mount point {at}",
        heap.size,
        heap.apparent,
        heap.files,
        at,
        evidence="files in a folder that something else is mounted over",
        frees=f"{_look(top)}, then look into {os.path.join('/mnt', inside)}",
    )
    return [found]


def _look(top: str) -> str:
    return f"mount --bind {shlex.quote(top)} /mnt"


def doubt(disk: Disk, account: Account, before: int, unseen: Sequence[str]) -> list[str]:
    """What is to be said of the bytes that are in no file that was seen.

    ``before``: bytes that were used when the walk began; ``unseen``: see ``Hidden``.
    """
    grown = account.used - before
    rest = total(each for each in account.entries if each.kind is Kind.FILE_SYSTEM)
    notes = []
    if abs(grown) > max(1_000_000, account.used // 1000):
        change = f"{format_size(abs(grown))} {'more' if grown > 0 else 'less'}"
        notes.append(
            f"the disk at {account.mount} changed while it was read: {change} is used than when "
            "the walk began"
        )
    told = os.statvfs(account.mount)
    metadata = _METADATA + _INODE * max(0, told.f_files - told.f_ffree)
    if disk.type in _COPIES:
        metadata = max(metadata, account.used // _COPIES[disk.type])
    if unseen and rest - max(0, grown) > max(metadata, account.used // _SHARE):
        some = ", ".join(unseen[:_SAID])
        more = f" and {len(unseen) - _SAID} more" if len(unseen) > _SAID else ""
        notes.append(
            f"{format_size(rest)} at {account.mount} is in no file that can be seen: "
            f"files may be hidden below mount points ({some}{more}). "
            f"To look: {_look(account.mount)}"
        )
    return notes
