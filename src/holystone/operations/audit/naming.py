"""Give names to the heaps of a disk: by the engine's own records, by its lists, by folders."""

from __future__ import annotations

import os
from collections.abc import Iterator

from holystone.engine.storage.bolt import NotBolt
from holystone.engine.storage.containerd_records import Records, read_records
from holystone.engine.storage.podman_records import Layers, read_layers
from holystone.operations.audit import classic, containerd, objects, podman
from holystone.operations.audit.cuts import CONTAINERD, EACH, of_disk, of_engine
from holystone.operations.audit.disks import Disk
from holystone.operations.audit.facts import Facts
from holystone.operations.audit.ground import Ground
from holystone.operations.audit.pile import Pile
from holystone.operations.audit.record import Entry
from holystone.outside.heaps import Cut, Heap
from holystone.outside.mounts import is_below
from holystone.outside.text import words_of
from holystone.planner.inventory import Engine


class Naming:
    """What the files of an engine name, read before the walk of its disk and after it."""

    def __init__(self, engine: Engine, root: str, volumes: str, images: str = "") -> None:
        """``root`` is the data folder, and ``volumes`` that of the volumes.

        ``images`` is containerd's folder where that is another one.
        """
        self.engine = engine
        self.root = os.path.realpath(root)
        self.containerd = os.path.realpath(images or f"{root}/containerd/daemon")
        self.volumes = os.path.realpath(volumes)
        self.notes: list[str] = []
        """What could not be read, and what follows from that."""
        self._classic: list[classic.Names] = []
        self._containerd: list[Records] = []
        self._podman: list[Layers] = []

    @property
    def folders(self) -> list[str]:
        """The data folders."""
        more = [self.volumes]
        if self.engine.store == "containerd":
            more.append(self.containerd)
        return [self.root, *(each for each in more if not is_below(self.root, each))]

    def look(self) -> None:
        """Read what the files name now. What cannot be read is noted."""
        driver = self.engine.storage_driver
        try:
            if self.engine.store == "classic":
                self._classic.append(classic.read_names(self.root, driver))
            elif self.engine.store == "containerd":
                self._containerd.append(read_records(self.containerd))
            else:
                self._podman.append(read_layers(self.root, driver))
        except (OSError, NotBolt, ValueError) as error:
            note = f"the engine's records of its layers cannot be read: {words_of(error)}"
            if note not in self.notes:
                self.notes.append(note)

    def cut(self, disk: Disk, top: str) -> Cut:
        """How a disk is cut from one of its tops."""
        cuts = {}
        for folder, reached in disk.folders:
            if is_below(top, reached):
                cuts[_relative(reached, top)] = self._cut_of(folder)
        return of_disk(cuts)

    def inside(self, disk: Disk, top: str) -> list[str]:
        """The engine's folders on a disk that are below one of its tops, relative to that.

        None where the top itself is one: then all that can be seen is the engine's.
        """
        found = [_relative(reached, top) for _, reached in disk.folders if is_below(top, reached)]
        return found if all(found) else []

    def _cut_of(self, folder: str) -> Cut:
        """The cut of a data folder, or of a folder in it on which a disk is mounted."""
        if folder == self.containerd:
            return CONTAINERD
        if folder == self.volumes:
            return EACH
        cut = of_engine(self.engine)
        for name in _relative(folder, self.root).split("/"):
            cut = cut.names.get(name) or (cut.each or Cut()) if name else cut
        return cut

    def entries(self, heaps: dict[str, Heap], disk: Disk, facts: Facts) -> tuple[list[Entry], Pile]:
        """The entries of the engine's objects on a disk, and what is left of its heaps.

        ``heaps`` have absolute paths.
        """
        moved = {}
        for path, heap in heaps.items():
            for folder, reached in disk.folders:
                if folder != reached and is_below(reached, path):
                    inside = _relative(path, reached)
                    moved[os.path.join(folder, inside).strip("/")] = heap
                    break
            else:
                moved[path.strip("/")] = heap
        pile = Pile(moved)
        ground = Ground(pile, "/", self.root.strip("/"), facts)
        found = [each for each in self._named(ground) if each.size or each.files]
        return found, pile

    def _named(self, ground: Ground) -> Iterator[Entry]:
        yield from objects.volumes(ground, self.volumes.strip("/"))
        if self.engine.store == "classic":
            yield from classic.entries(ground, self._classic)
        elif self.engine.store == "podman":
            yield from podman.entries(ground, self._podman)
        else:
            inner = ground._replace(base=self.containerd.strip("/"))
            yield from containerd.entries(inner, self._containerd, ground)
            yield from containerd.docker(ground)


def _relative(path: str, folder: str) -> str:
    """A path below a folder, relative to it; empty for the folder itself."""
    return "" if path == folder else os.path.relpath(path, folder)
