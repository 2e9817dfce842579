"""What a process has at a path, by the table of its mounts (``/proc/PID/mountinfo``)."""

from __future__ import annotations

import os
from typing import NamedTuple


def place(process: int | str, path: str) -> tuple[str, str] | None:
    """The file system's device number, and the path in it, of what a process has at a path.

    None where its mounts may not be read. Follows the tree of mounts as the kernel does: a later
    mount on a folder hides those that were below it.
    """
    try:
        with open(f"/proc/{process}/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
            mounts = [_Mount.read(line) for line in file]
    except (OSError, ValueError, IndexError):
        return None
    known = {mount.id for mount in mounts}
    below: dict[str, list[_Mount]] = {}
    for mount in mounts:
        below.setdefault(mount.parent, []).append(mount)
    tops = [mount for mount in mounts if mount.parent not in known and _holds_path("/", mount.at)]
    on_path = [mount for mount in tops if _holds_path(mount.at, path)]
    if not on_path:
        return None
    current = on_path[-1]
    while inner := [
        mount
        for mount in below.get(current.id, ())
        if mount.id != current.id and _holds_path(mount.at, path)
    ]:
        current = min(inner, key=lambda mount: len(mount.at))
    inside = os.path.relpath(path, current.at)
    return current.device, os.path.normpath(os.path.join(current.root, inside))


class _Mount(NamedTuple):
    """A line of ``/proc/PID/mountinfo`` (proc_pid_mountinfo(5))."""

    id: str
    parent: str
    device: str
    root: str
    at: str

    @staticmethod
    def read(line: str) -> _Mount:
        """The mount that a line tells. Raises ValueError."""
        number, parent, device, root, at, _ = line.split(" ", 5)
        return _Mount(number, parent, device, _unescaped(root), _unescaped(at))


def _unescaped(text: str) -> str:
    r"""A path of a mount table, where blanks and the like are written ``\040``."""
    head, *rest = text.split("\\")
    return head + "".join(chr(int(part[:3], 8)) + part[3:] for part in rest)


def _holds_path(folder: str, path: str) -> bool:
    return path == folder or path.startswith(f"{folder.rstrip('/')}/")
