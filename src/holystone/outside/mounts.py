"""The table of mounts, as a process sees it (proc_pid_mountinfo(5))."""

from __future__ import annotations

from typing import NamedTuple


class Mount(NamedTuple):
    """A line of ``/proc/PID/mountinfo``."""

    id: str
    parent: str
    device: str
    """``major:minor`` of the file system."""
    root: str
    """The folder of the file system that is mounted."""
    at: str
    """Where it is mounted."""
    type: str = ""
    """The type of the file system: ``ext4``."""
    options: str = ""
    """Options of the file system, separated by commas."""


def mounts(process: int | str = "self") -> list[Mount]:
    """The mounts of a process, in the order they were made; none where they may not be read.

    Raises ValueError for a table of another shape.
    """
    return [_read(line) for line in _table(process)]


def _table(process: int | str) -> list[str]:
    try:
        path = f"/proc/{process}/mountinfo"
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return [line for line in file.read().split("\n") if line]
    except OSError:
        return []


def _read(line: str) -> Mount:
    number, parent, device, root, at, rest = line.split(" ", 5)
    kind, _, more = rest.partition(" - ")[2].partition(" ")
    options = more.partition(" ")[2]
    return Mount(number, parent, device, unescaped(root), unescaped(at), kind, unescaped(options))


def unescaped(text: str) -> str:
    r"""A path of a mount table, where blanks and the like are written ``\040``."""
    head, *rest = text.split("\\")
    return head + "".join(chr(int(part[:3], 8)) + part[3:] for part in rest)


def is_below(folder: str, path: str) -> bool:
    """Whether a path is this folder, or in it."""
    return path == folder or path.startswith(f"{folder.rstrip('/')}/")


def mount_of(path: str, table: list[Mount]) -> Mount | None:
    """The mount that a real path lies in; None where the table has none.

    Follows the tree of mounts as the kernel does: a later mount on a folder hides those that were
    below it.
    """
    known = {mount.id for mount in table}
    on_path = [m for m in table if m.parent not in known and is_below(m.at, path)]
    if not on_path:
        return None
    current = on_path[-1]
    while inner := [m for m in table if m.parent == current.id != m.id and is_below(m.at, path)]:
        current = min(inner, key=lambda mount: len(mount.at))
    return current
