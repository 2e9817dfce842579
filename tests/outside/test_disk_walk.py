"""A walk over a disk: bytes, links, holes, mounts, and files that harm or vanish."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Never

import pytest

from holystone.outside.disk_walk import DiskWalk, _Folder
from holystone.outside.heaps import Cut, Heap, Walked

HOSTILE = "a\x1b[31m\n::stop-commands::x \udcff"


def walk(top: Path, cut: Cut | None = None, **named: object) -> Walked:
    return DiskWalk(str(top), cut or Cut(), **named).run()  # type: ignore[arg-type]


def du(top: Path, *options: str) -> int:
    done = subprocess.run(["du", "-sx", *options, str(top)], capture_output=True, check=True)
    return int(done.stdout.split()[0])


def fill(folder: Path, count: int = 3, size: int = 5000) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        (folder / f"f{number}").write_bytes(b"x" * size)


def test_agrees_with_du(tmp_path: Path) -> None:
    for name in ("a", "a/b", "c/d/e"):
        fill(tmp_path / name)
    os.link(tmp_path / "a" / "f0", tmp_path / "c" / "linked")
    (tmp_path / "link").symlink_to("a")
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(50_000_000)
    whole = walk(tmp_path).heaps[""]
    assert whole.size == du(tmp_path, "--block-size=1")
    assert whole.files == du(tmp_path, "--inodes")


def test_a_cut_makes_heaps_that_add_up(tmp_path: Path) -> None:
    for name in ("store/x/in", "store/y", "other/z"):
        fill(tmp_path / name)
    (tmp_path / "store" / "own").write_bytes(b"1" * 10_000)
    (tmp_path / "named").write_bytes(b"1" * 9000)
    cut = Cut(names={"store": Cut(each=Cut(), files=True), "named": Cut()})
    heaps = walk(tmp_path, cut).heaps
    assert set(heaps) == {"", "store", "store/x", "store/y", "store/own", "named"}
    assert heaps["store/own"].apparent == 10_000
    assert heaps["store/x"].files == 5
    assert sum(heap.size for heap in heaps.values()) == walk(tmp_path).heaps[""].size


def test_a_file_with_several_names_counts_with_the_first_path(tmp_path: Path) -> None:
    for name in ("b", "a", "c"):
        (tmp_path / name).mkdir()
    (tmp_path / "c" / "1").write_bytes(b"x" * 100_000)
    os.link(tmp_path / "c" / "1", tmp_path / "a" / "2")
    os.link(tmp_path / "c" / "1", tmp_path / "b" / "3")
    for _ in range(5):
        heaps = walk(tmp_path, Cut(each=Cut())).heaps
        assert [heaps[name].apparent for name in "abc"] == [100_000, 0, 0]
        assert [heaps[name].files for name in "abc"] == [2, 1, 1]


def test_a_file_counts_with_the_folder_that_comes_first(tmp_path: Path) -> None:
    """As the engine's folders do, whatever other name the file has."""
    for name in ("backup", "store"):
        (tmp_path / name).mkdir()
    (tmp_path / "store" / "1").write_bytes(b"x" * 100_000)
    os.link(tmp_path / "store" / "1", tmp_path / "backup" / "2")
    (tmp_path / "store" / "3").write_bytes(b"x" * 50_000)
    os.link(tmp_path / "store" / "3", tmp_path / "store" / "4")
    heaps = walk(tmp_path, Cut(each=Cut()), first=["store"]).heaps
    assert [heaps[name].apparent for name in ("backup", "store")] == [0, 150_000]
    size = (tmp_path / "store" / "1").stat().st_blocks * 512
    assert [heaps[name].linked for name in ("backup", "store")] == [0, size]


def test_the_largest_and_the_sparsest_file_are_told(tmp_path: Path) -> None:
    fill(tmp_path / "a" / "deep", size=9000)
    fill(tmp_path / "a", size=20_000)
    (tmp_path / "a" / "deep" / "large").write_bytes(b"x" * 300_000)
    with (tmp_path / "a" / "sparse").open("wb") as file:
        file.truncate(50_000_000)
    heap = walk(tmp_path, Cut(each=Cut())).heaps["a"]
    assert (heap.largest.path, heap.largest.apparent) == ("a/deep/large", 300_000)
    assert (heap.sparsest.path, heap.sparsest.hole) == ("a/sparse", 50_000_000)
    assert heap.below("/top").largest.path == "/top/a/deep/large"


def test_holes_take_nothing(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(1 << 30)
    heap = walk(tmp_path).heaps[""]
    assert heap.apparent == 1 << 30
    assert heap.size < 1 << 20


def test_hostile_names_are_kept_as_they_are(tmp_path: Path) -> None:
    fill(tmp_path / HOSTILE / HOSTILE)
    heaps = walk(tmp_path, Cut(each=Cut(each=Cut()))).heaps
    assert heaps[f"{HOSTILE}/{HOSTILE}"].files == 4


def test_a_path_may_be_longer_than_the_kernel_takes(tmp_path: Path) -> None:
    name, depth = "n" * 200, 120
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir(name, dir_fd=here)
        inner = os.open(name, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    leaf = os.open("leaf", os.O_CREAT | os.O_WRONLY, dir_fd=here)
    os.write(leaf, b"x" * 7)
    os.close(leaf)
    os.close(here)
    before = len(os.listdir("/proc/self/fd"))
    found = walk(tmp_path)
    assert found.heaps[""].files == depth + 2
    assert found.heaps[""].apparent == 7
    assert not found.unreadable
    assert len(os.listdir("/proc/self/fd")) == before
    subprocess.run(["rm", "-rf", str(tmp_path / name)], check=True)


def test_a_tree_may_be_deeper_than_python_recurses(tmp_path: Path) -> None:
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d", dir_fd=here)
        inner = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)
    assert walk(tmp_path).heaps[""].files == 1501
    subprocess.run(["rm", "-rf", str(tmp_path / "d")], check=True)


class _Meddled(DiskWalk):
    """A walk in which something happens before a folder is opened."""

    happens: Callable[[str], None]

    def _opened(self, folder: _Folder) -> int:
        self.happens(folder.shown)
        return super()._opened(folder)


def test_what_vanishes_meanwhile_is_passed_over(tmp_path: Path) -> None:
    fill(tmp_path / "goes")
    fill(tmp_path / "stays")
    lock = threading.Lock()

    def remove(shown: str) -> None:
        with lock:
            if shown == "goes" and (tmp_path / "goes").exists():
                subprocess.run(["rm", "-r", str(tmp_path / "goes")], check=True)

    meddled = _Meddled(str(tmp_path), Cut(each=Cut()))
    meddled.happens = remove
    found = meddled.run()
    assert found.heaps["stays"].files == 4
    assert found.heaps["goes"].files == 1, "the folder itself was there"
    assert not found.unreadable


@pytest.mark.parametrize("as_link", [True, False])
def test_a_folder_that_is_exchanged_is_not_entered(tmp_path: Path, *, as_link: bool) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    fill(inside / "folder", 1)
    fill(outside / "secret", 20)

    def exchange(shown: str) -> None:
        folder = inside / "folder"
        if shown == "folder" and (folder / "f0").exists():
            folder.rename(tmp_path / "aside")
            if as_link:
                folder.symlink_to(outside)
            else:
                outside.rename(folder)

    meddled = _Meddled(str(inside), Cut())
    meddled.happens = exchange
    assert meddled.run(1).heaps[""].files == 2


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_mounts_are_left_out(tmp_path: Path) -> None:
    top, aside = tmp_path / "top", tmp_path / "aside"
    fill(top / "here")
    fill(aside, 9)
    for name in ("bound", "own"):
        (top / name).mkdir()
    (top / "file").touch()
    (tmp_path / "source").write_bytes(b"x" * 50_000)
    subprocess.run(["mount", "--bind", str(aside), str(top / "bound")], check=True)
    subprocess.run(["mount", "--bind", str(tmp_path / "source"), str(top / "file")], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(top / "own")], check=True)
    try:
        fill(top / "own", 9)
        places = [str(top / name) for name in ("bound", "file", "own")]
        found = walk(top, mounted=places)
        assert found.mounts == ("bound", "file", "own")
        assert found.heaps[""].apparent == 15_000
        # Another file system is left out even where the table of mounts is older than the mount.
        assert walk(top, mounted=places[:2]).mounts == ("bound", "file", "own")
    finally:
        for name in ("bound", "file", "own"):
            subprocess.run(["umount", str(top / name)], check=True)


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    fill(tmp_path / "open")
    fill(tmp_path / "closed")

    class Refused(DiskWalk):
        def _opened(self, folder: _Folder) -> int:
            if folder.shown == "closed":
                raise PermissionError(13, "Permission denied")
            return super()._opened(folder)

    found = Refused(str(tmp_path), Cut(each=Cut())).run()
    assert found.unreadable == ("closed: Permission denied",)
    assert found.unreadable_count == 1
    assert found.heaps["open"].files == 4


def test_an_error_in_a_thread_ends_the_walk(tmp_path: Path) -> None:
    fill(tmp_path / "a")

    class Broken(DiskWalk):
        def _count(self, *_: object) -> Never:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Broken(str(tmp_path), Cut()).run()


def test_a_top_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        walk(tmp_path / "no")


def test_an_empty_folder(tmp_path: Path) -> None:
    assert walk(tmp_path).heaps[""] == Heap(
        os.stat(tmp_path).st_blocks * 512, 0, 1, os.stat(tmp_path).st_mtime
    )
