"""Walk a file system once, in several threads, and add up the bytes in heaps.

Nothing is kept of a single file, so that a million files take little memory. A ``Cut`` says which
folders are heaps of their own. Files and folders may be made, moved and removed meanwhile, by
somebody who means harm as well: each folder is opened without following links, and is counted only
if it is the one that was listed. No path is too long and no tree too deep.
"""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterable
from typing import NamedTuple

from holystone.outside.heaps import BLOCK, Cut, File, Heap, Walked, remarkable
from holystone.outside.text import words_of

THREADS = 4
_LONG = 2000
"""Characters of a path from which on folders are opened from a folder below the top."""
_SAID = 100
"""Folders that could not be read which are named."""
_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_QUIET = getattr(os, "O_NOATIME", 0)
_GONE = (FileNotFoundError, NotADirectoryError)


class _Held:
    """A folder that stays open while something below it is still to be walked."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def __del__(self) -> None:
        os.close(self.descriptor)


class _Folder(NamedTuple):
    """A folder that is still to be walked."""

    held: _Held | None
    """What ``path`` starts at; None: at the top."""
    path: str
    shown: str
    """The path as it is told, relative to the top; cut where it is long."""
    identity: tuple[int, int]
    """Device and inode."""
    heap: int
    cut: Cut | None
    mounts: frozenset[str]
    """Names in it on which something is mounted."""


class DiskWalk:
    """One walk. ``files`` may be read from another thread while it is under way."""

    def __init__(
        self,
        top: str,
        cut: Cut,
        mounted: Iterable[str] = (),
        *,
        subvolumes: bool = False,
        first: Iterable[str] = (),
    ) -> None:
        """``top``: an absolute path. ``mounted``: absolute paths of mounts, which are left out.

        ``first``: folders, relative to the top, with which a file counts that has other names too.

        ``subvolumes``: a folder with another device number is of the same file system where nothing
        is mounted there (btrfs).
        """
        self._top = top
        self._subvolumes = subvolumes
        self._cut = cut
        self._device = 0
        self._mounted: dict[str, set[str]] = {}
        prefix = f"{top.rstrip('/')}/"
        for path in mounted:
            if path.startswith(prefix):
                folder, _, name = path[len(prefix) :].rpartition("/")
                self._mounted.setdefault(folder, set()).add(name)
        self._first = tuple(f"{folder}/" for folder in first)
        self._paths: list[str] = []
        self._modified: list[float] = []
        self._links: dict[tuple[int, int], int] = {}
        """The heap that a file with several names counts with: see ``_takes``."""
        self._apart: dict[tuple[int, int], int] = {}
        """Bytes of such files that have a name in a heap that comes first, and one in another."""
        self._todo: list[_Folder] = []
        self._busy = 0
        self._changed = threading.Condition()
        self._ended: BaseException | None = None
        self._tallies: list[dict[int, list[int]]] = []
        self._remarkable: list[dict[int, tuple[File, File]]] = []
        """The largest and the sparsest file of each heap, by what one thread has seen."""
        self._unreadable: list[str] = []
        self._unreadable_count = 0
        self._skipped: list[str] = []
        self.files = 0
        """Files and folders seen so far."""
        told = os.statvfs(top)
        self.expected = max(0, told.f_files - told.f_ffree)
        """How many its file system has; 0 where it does not count them."""

    def run(self, threads: int = THREADS) -> Walked:
        """Walk it all. Raises OSError where the top cannot be read."""
        told = os.stat(self._top)
        self._device = told.st_dev
        heap = self._new_heap("", told.st_mtime)
        tally: dict[int, list[int]] = {heap: [told.st_blocks, 0, 1]}
        self._tallies.append(tally)
        os.close(self._opened(self._folder(None, "", "", told, heap, self._cut)))
        self._todo.append(self._folder(None, "", "", told, heap, self._cut))
        workers = [threading.Thread(target=self._work, daemon=True) for _ in range(threads)]
        for worker in workers:
            worker.start()
        try:
            for worker in workers:
                worker.join()
        except BaseException as error:
            self._end(error)
            raise
        if self._ended is not None:
            raise self._ended
        return self._result()

    def _result(self) -> Walked:
        sums = [[0, 0, 0] for _ in self._paths]
        for tally in self._tallies:
            for heap, parts in tally.items():
                sums[heap] = [a + b for a, b in zip(sums[heap], parts, strict=True)]
        linked: dict[int, int] = {}
        for key, size in self._apart.items():
            heap = self._links[key]
            linked[heap] = linked.get(heap, 0) + size
        heaps = {
            path: Heap(
                blocks * BLOCK,
                apparent,
                files,
                modified,
                *remarkable(seen[number] for seen in self._remarkable if number in seen),
                linked.get(number, 0),
            )
            for number, (path, (blocks, apparent, files), modified) in enumerate(
                zip(self._paths, sums, self._modified, strict=True)
            )
        }
        return Walked(
            heaps, tuple(self._unreadable), self._unreadable_count, tuple(sorted(self._skipped))
        )

    def _work(self) -> None:
        tally: dict[int, list[int]] = {}
        seen: dict[int, tuple[File, File]] = {}
        try:
            while (folder := self._next()) is not None:
                found = self._walk(folder, tally, seen)
                del folder  # With it goes what holds a folder open.
                with self._changed:
                    self._todo += found
                    self._busy -= 1
                    if found or not self._busy:
                        self._changed.notify_all()
                del found
        except BaseException as error:  # noqa: BLE001 - raised by ``run``
            self._end(error)
        with self._changed:
            self._tallies.append(tally)
            self._remarkable.append(seen)

    def _next(self) -> _Folder | None:
        with self._changed:
            while not self._todo and self._busy and self._ended is None:
                self._changed.wait()
            if not self._todo or self._ended is not None:
                return None
            self._busy += 1
            return self._todo.pop()

    def _end(self, error: BaseException) -> None:
        with self._changed:
            self._ended = self._ended or error
            self._todo.clear()
            self._changed.notify_all()

    def _new_heap(self, path: str, modified: float) -> int:
        with self._changed:
            self._paths.append(path)
            self._modified.append(modified)
            return len(self._paths) - 1

    def _folder(
        self,
        held: _Held | None,
        path: str,
        shown: str,
        told: os.stat_result,
        heap: int,
        cut: Cut | None,
    ) -> _Folder:
        mounts = frozenset(self._mounted.get(shown, ())) if self._mounted else frozenset()
        return _Folder(held, path, shown, (told.st_dev, told.st_ino), heap, cut, mounts)

    def _opened(self, folder: _Folder) -> int:
        """A descriptor of the folder, which is the one that was listed. Raises OSError."""
        if folder.held is None:
            where, start = os.path.join(self._top, folder.path), None
        else:
            where, start = folder.path or ".", folder.held.descriptor
        try:
            descriptor = os.open(where, _OPEN | _QUIET, dir_fd=start)
        except PermissionError:
            # Only the owner and root may leave the time of the last access as it is.
            descriptor = os.open(where, _OPEN, dir_fd=start)
        told = os.fstat(descriptor)
        if (told.st_dev, told.st_ino) != folder.identity:
            os.close(descriptor)
            raise FileNotFoundError(folder.shown)
        return descriptor

    def _walk(
        self,
        folder: _Folder,
        tally: dict[int, list[int]],
        seen: dict[int, tuple[File, File]],
    ) -> list[_Folder]:
        """Count what is in a folder, and return the folders in it."""
        try:
            descriptor = self._opened(folder)
        except _GONE:
            return []  # It went, or another thing is there now.
        except OSError as error:
            self._note_unreadable(folder.shown, error)
            return []
        keep = len(folder.path) > _LONG
        held: _Held | None = None
        try:
            with os.scandir(descriptor) as entries:
                found = self._count(folder, entries, tally, seen)
            if keep and found:
                held = _Held(descriptor)
        except OSError as error:
            self._note_unreadable(folder.shown, error)
            return []
        finally:
            if held is None:
                os.close(descriptor)
        path, shown = folder.path, folder.shown
        start = folder.held
        if held is not None:
            path, start = "", held
            shown = shown if len(shown) <= _LONG else f"{shown[: _LONG // 2]}/..."
        return [
            self._folder(
                start,
                f"{path}/{name}" if path else name,
                f"{shown}/{name}" if shown else name,
                told,
                heap,
                cut,
            )
            for name, told, heap, cut in found
        ]

    def _count(
        self,
        folder: _Folder,
        entries: Iterable[os.DirEntry[str]],
        tally: dict[int, list[int]],
        seen: dict[int, tuple[File, File]],
    ) -> list[tuple[str, os.stat_result, int, Cut | None]]:
        """Count the entries of a folder; the folders among them, with their heap and cut."""
        found: list[tuple[str, os.stat_result, int, Cut | None]] = []
        blocks = apparent = files = 0
        extremes = _Extremes()
        heap, cut = folder.heap, folder.cut
        for entry in entries:
            try:
                told = entry.stat(follow_symlinks=False)
            except OSError:
                continue  # It went.
            files += 1
            is_folder = stat.S_ISDIR(told.st_mode)
            elsewhere = is_folder and told.st_dev != self._device and not self._subvolumes
            if elsewhere or entry.name in folder.mounts:
                self._skip(folder, entry.name)
                continue
            own, inner = heap, None
            if cut is not None:
                own, inner = self._place(folder, cut, entry.name, told, heap, is_folder=is_folder)
            if is_folder:
                found.append((entry.name, told, own, inner))
            elif told.st_nlink > 1 and not self._takes(told, own, tally):
                files -= 1
                continue
            if own == heap:
                if not is_folder:
                    extremes.note(entry.name, told)
                blocks += told.st_blocks
                apparent += 0 if is_folder else told.st_size
            else:
                files -= 1
                _add(tally, own, told.st_blocks, 0 if is_folder else told.st_size, 1)
                if not is_folder:
                    file = _file(folder, entry.name, told)
                    seen[own] = (file, file)
        seen[heap] = remarkable((extremes.files(folder), seen.get(heap, (File(), File()))))
        _add(tally, heap, blocks, apparent, files)
        self.files += files + len(found)
        return found

    def _skip(self, folder: _Folder, name: str) -> None:
        with self._changed:
            self._skipped.append(f"{folder.shown}/{name}".lstrip("/"))

    def _place(
        self,
        folder: _Folder,
        cut: Cut,
        name: str,
        told: os.stat_result,
        heap: int,
        *,
        is_folder: bool,
    ) -> tuple[int, Cut | None]:
        """The heap that an entry counts with, and how it is cut."""
        inner = cut.names.get(name)
        if inner is None and is_folder:
            inner = cut.each
        if inner is None and (is_folder or not cut.files):
            return heap, None
        path = f"{folder.shown}/{name}" if folder.shown else name
        return self._new_heap(path, told.st_mtime), inner

    def _takes(self, told: os.stat_result, heap: int, tally: dict[int, list[int]]) -> bool:
        """Whether a file with several names counts with this heap.

        It counts once: with a heap in a folder that comes first, and among several with the one
        whose path comes first, so that the order in which the threads come by does not matter.
        """
        key = (told.st_dev, told.st_ino)
        with self._changed:
            before = self._links.get(key)
            if before is not None:
                old, new = self._rank(before), self._rank(heap)
                if old[0] != new[0]:
                    self._apart[key] = told.st_blocks * BLOCK
                if old <= new:
                    return False
            self._links[key] = heap
        if before is not None:
            _add(tally, before, -told.st_blocks, -told.st_size, -1)
        return True

    def _rank(self, heap: int) -> tuple[bool, str]:
        """What comes first has the lowest rank."""
        path = self._paths[heap]
        return not f"{path}/".startswith(self._first), path

    def _note_unreadable(self, path: str, error: OSError) -> None:
        with self._changed:
            self._unreadable_count += 1
            if len(self._unreadable) < _SAID:
                self._unreadable.append(f"{path or '.'}: {words_of(error)}")


class _Extremes:
    """The largest and the sparsest of the files that are noted, all in one folder."""

    def __init__(self) -> None:
        self._most = self._hole = 0
        self._largest: tuple[str, os.stat_result] | None = None
        self._sparsest: tuple[str, os.stat_result] | None = None

    def note(self, name: str, told: os.stat_result) -> None:
        """Take a file into account."""
        size = told.st_blocks * BLOCK
        if size > self._most:
            self._most, self._largest = size, (name, told)
        if told.st_size - size > self._hole:
            self._hole, self._sparsest = told.st_size - size, (name, told)

    def files(self, folder: _Folder) -> tuple[File, File]:
        """The two files; an empty one where there is none."""
        large, sparse = self._largest, self._sparsest
        return (
            _file(folder, *large) if large else File(),
            _file(folder, *sparse) if sparse else File(),
        )


def _file(folder: _Folder, name: str, told: os.stat_result) -> File:
    path = f"{folder.shown}/{name}" if folder.shown else name
    return File(told.st_blocks * BLOCK, told.st_size, path)


def _add(tally: dict[int, list[int]], heap: int, blocks: int, apparent: int, files: int) -> None:
    parts = tally.get(heap)
    if parts is None:
        tally[heap] = [blocks, apparent, files]
    else:
        parts[0] += blocks
        parts[1] += apparent
        parts[2] += files
