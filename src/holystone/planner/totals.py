"""What uses the disk: objects the engine reports, its other files, and all the rest."""

from __future__ import annotations

from typing import NamedTuple

from holystone.planner.inventory import Disk


class Log(NamedTuple):
    """The log of a container, in one or several files. No figure of the engine has it."""

    container_id: str
    name: str
    path: str
    """Of the file that is written to now."""
    size: int
    """Bytes on the disk, all files together."""
    limited: bool | None
    """Whether the container has a limit on it; None where that is not known."""


class Orphan(NamedTuple):
    """A layer's folder that nothing of the engine refers to."""

    path: str
    size: int


class Beside(NamedTuple):
    """What is in the engine's data folder beside the objects that the engine lists.

    Known only where the folder is in sight and may be read.
    """

    read: bool = False
    """Whether it was read; else all of this is unknown."""
    logs: tuple[Log, ...] = ()
    """The largest first, empty ones left out."""
    orphans: tuple[Orphan, ...] = ()
    """The largest first."""
    own: int = 0
    """Bytes of the engine's own files: databases, downloads under way, plugins."""
    holes: int = 0
    """Bytes that the engine counts in writable layers and that the disk does not hold."""
    elsewhere: tuple[str, ...] = ()
    """Parts of the data that are on another disk: ``images``, ``volumes``, ``logs``."""


class Account(NamedTuple):
    """The used bytes of the engine's disk by what holds them. The parts add up to ``used``."""

    used: int
    images: int
    containers: int
    cache: int
    volumes: int
    logs: int
    orphans: int
    own: int
    other: int
    """Files of others, or not reported by the engine. Below 0: it reports more than is used."""


def account(
    disk: Disk, beside: Beside, *, images: int, containers: int, cache: int, volumes: int
) -> Account | None:
    """The account of a disk, given what the engine tells; None where it is not in sight."""
    if disk.total_bytes is None or disk.free_bytes is None:
        return None
    holding = {
        "images": images,
        "containers": max(0, containers - beside.holes),
        "cache": cache,
        "volumes": volumes,
        "logs": sum(log.size for log in beside.logs),
        "orphans": sum(orphan.size for orphan in beside.orphans),
        "own": beside.own,
    }
    for part, gone in _GO_WITH.items():
        if part in beside.elsewhere:
            holding.update(dict.fromkeys(gone, 0))
    used = disk.total_bytes - disk.free_bytes
    return Account(used=used, **holding, other=used - sum(holding.values()))


_GO_WITH = {
    "images": ("images", "cache", "containers"),
    "volumes": ("volumes",),
    "logs": ("logs", "own"),
}
"""What else is not on the engine's disk where a part of the data is on another one."""
