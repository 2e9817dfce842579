"""The heaps of a walk, taken one after another until none is left, so that none counts twice."""

from __future__ import annotations

from collections.abc import Mapping

from holystone.outside.heaps import Heap, remarkable


class Pile:
    """The heaps below a folder that are not accounted for yet. Paths are relative to the walk."""

    def __init__(self, heaps: Mapping[str, Heap]) -> None:
        self._left = dict(heaps)
        self._below: dict[str, dict[str, None]] = {}
        for path in heaps:
            folder = path
            while folder:
                folder, _, name = folder.rpartition("/")
                names = self._below.setdefault(folder, {})
                if name in names:
                    break
                names[name] = None

    def names(self, folder: str) -> list[str]:
        """The names of the heaps in a folder, and of the folders in it that have any."""
        return sorted(self._below.get(folder, ()))

    def take(self, *paths: str) -> Heap:
        """These heaps as one, without those below them; what was taken before is empty."""
        taken = [self._left.pop(path) for path in paths if path in self._left]
        return Heap(
            sum(each.size for each in taken),
            sum(each.apparent for each in taken),
            sum(each.files for each in taken),
            max((each.modified for each in taken), default=0.0),
            *remarkable((each.largest, each.sparsest) for each in taken),
            sum(each.linked for each in taken),
        )

    def take_all(self, *folders: str) -> Heap:
        """The heaps of these folders and all below them, as one."""
        paths: list[str] = []
        todo = list(folders)
        while todo:
            folder = todo.pop()
            paths.append(folder)
            todo += [join(folder, name) for name in self._below.get(folder, ())]
        return self.take(*dict.fromkeys(paths))

    def size(self, path: str) -> int:
        """Bytes on the disk of a heap that was not taken."""
        return self._left[path].size if path in self._left else 0

    def has(self, path: str) -> bool:
        """Whether there is a heap of this path that was not taken."""
        return path in self._left

    def rest(self) -> list[str]:
        """The paths of what was not taken."""
        return sorted(self._left)


def join(folder: str, name: str) -> str:
    """A path in a folder; the top is the empty one."""
    return f"{folder}/{name}" if folder else name
