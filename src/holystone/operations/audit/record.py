"""The account of a disk: a tree of named entries whose bytes add up to what ``df`` calls used."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from holystone.outside.heaps import File
from holystone.planner.inventory import Disk, Engine


class Kind(StrEnum):
    """What holds bytes. ``operations.audit.kinds`` says of each what frees it, and how safely."""

    IMAGE = "image"
    """A layer of images, unpacked."""
    CONTENT = "content"
    """Compressed content of an image that nothing else of it repeats."""
    TWICE = "twice"
    """Compressed content whose unpacked layer is on the disk as well (containerd store)."""
    CACHE = "cache"
    CONTAINER = "container"
    """The writable layer of a container, and its configuration."""
    VOLUME = "volume"
    BUILDER = "builder"
    """Dark: the volume of a builder outside the engine (``buildx_buildkit_*_state``)."""
    LOG = "log"
    NETWORK = "network"
    PLUGIN = "plugin"
    ENGINE = "engine"
    """The engine's own databases and files."""
    ORPHAN = "orphan"
    """Dark: a layer's folder, a snapshot or a blob that no record refers to."""
    LEFTOVER = "leftover"
    """Dark: what an interrupted pull, build or removal has left."""
    LAZY = "lazy"
    """Dark: the cache of a snapshotter that pulls lazily (stargz, SOCI, nydus)."""
    UNKNOWN = "unknown"
    """In the engine's folder, and of no kind that holystone knows."""
    DELETED = "deleted"
    """Deleted files that a process still has open."""
    OTHER = "other"
    """The rest of the disk: a folder that is not the engine's."""
    FILE_SYSTEM = "file-system"
    """The difference to what ``df`` calls used: the file system's own metadata, and files that
    cannot be seen. Below 0 where files were removed while the disk was read."""


DARK = (Kind.BUILDER, Kind.ORPHAN, Kind.LEFTOVER, Kind.LAZY)
"""What ``docker system df`` never shows and no prune removes."""


class Safety(StrEnum):
    """How safe it is to free the bytes of an entry."""

    SAFE = "safe"
    """Nothing is lost: nothing uses it, or it comes back by itself."""
    COSTS = "costs"
    """It can be had again, at a price: a pull, a build."""
    LOSES = "loses"
    """Data may be lost for good."""
    NEVER = "never"
    """Not to be freed: the engine or the system needs it."""
    UNKNOWN = "unknown"
    """Nothing here can tell: a person has to look."""


class Part(NamedTuple):
    """A part of an entry, by somebody else's account: records of a builder in a volume."""

    name: str
    size: int
    """Bytes, as that account counts them."""
    detail: str = ""


class Entry(NamedTuple):
    """A named piece of the disk. Entries never overlap."""

    kind: Kind
    name: str
    """As a person would call it: an image, a volume, a container, a path. Not cleaned."""
    size: int
    """Bytes on the disk: allocated blocks. Each file counts once, however many names it has."""
    apparent: int = 0
    """Bytes by the lengths of the files."""
    files: int = 0
    """How many files and folders."""
    path: str = ""
    """Where it lies; empty where it is not in one place."""
    id: str = ""
    """The engine's ID of the object; empty where there is none."""
    holders: tuple[str, ...] = ()
    """The names of those that need it: images, containers, projects."""
    evidence: str = ""
    """How it is known what this is, in a few words; empty where the kind says it."""
    frees: str = ""
    """What frees it, where that is not what frees its kind in general."""
    safety: Safety | None = None
    """How safe that is; None: as of its kind."""
    limited: bool | None = None
    """Of a log: whether the container has a limit on it. None: not a log, or not known."""
    parts: tuple[Part, ...] = ()
    """What is in it by another account; these need not add up to ``size``."""
    project: str = ""
    """The project whose cache it is, of GitLab Runner; empty where it is none, or nothing tells."""
    largest: File = File()
    """Of the rest of the disk: the file that takes the most, by absolute path."""
    sparse: File = File()
    """The file whose length exceeds what it takes by the most, by absolute path."""
    used: float | None = None
    """When it was last used, of such a cache; UTC seconds, None where no use was seen."""


class Account(NamedTuple):
    """One file system, accounted for."""

    mount: str
    """Where it is mounted on this machine."""
    file_system: str
    """Its type: ``ext4``."""
    total: int
    """Bytes of the file system, those reserved for root included."""
    used: int
    """Bytes in use, as ``df`` counts."""
    free: int
    """Bytes that a user can still write."""
    entries: tuple[Entry, ...]
    """Everything on it, the largest first. The sizes add up to ``used``."""
    unreadable: tuple[str, ...] = ()
    """Folders that could not be read, with the reason."""
    unreadable_count: int = 0
    """How many there were in all."""

    @property
    def reserved(self) -> int:
        """Bytes that are not used and that only root can write."""
        return max(0, self.total - self.used - self.free)

    @property
    def named(self) -> int:
        """Bytes that are in files which were seen."""
        return total(each for each in self.entries if each.kind is not Kind.FILE_SYSTEM)

    @property
    def share_named(self) -> float:
        """The named share of what is used, 0 to 1."""
        return min(1.0, self.named / self.used) if self.used else 1.0


class Audit(NamedTuple):
    """What ``holystone audit`` found: an account for each disk that the engine's data is on."""

    engine: Engine
    root: str
    """The engine's data folder."""
    taken_at: float
    """UTC seconds."""
    seconds: float
    """How long it took; 0 where no disk was walked."""
    accounts: tuple[Account, ...]
    """The disk of the data folder first."""
    notes: tuple[str, ...] = ()
    """What could not be told, and why."""
    disk: Disk = Disk()
    """The disk as the engine's data folder shows it."""

    @property
    def dark(self) -> list[Entry]:
        """The dark entries of all disks, the largest first."""
        found = [each for account in self.accounts for each in account.entries]
        return sorted((each for each in found if each.kind in DARK), key=lambda each: -each.size)


def total(entries: Iterable[Entry]) -> int:
    """The bytes of these entries."""
    return sum(each.size for each in entries)


def by_kind(entries: Iterable[Entry]) -> dict[Kind, list[Entry]]:
    """The entries of each kind there are any of, in the order of ``Kind``."""
    entries = list(entries)
    found = {kind: [each for each in entries if each.kind is kind] for kind in Kind}
    return {kind: group for kind, group in found.items() if group}
