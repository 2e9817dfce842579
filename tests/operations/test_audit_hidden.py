"""Files below a mount point: found where the kernel lets us look, suspected where it does not."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from holystone.operations.audit import hidden as module
from holystone.operations.audit.disks import Disk, disks_of
from holystone.operations.audit.hidden import doubt, hidden
from holystone.operations.audit.record import Account, Entry, Kind
from tests.users import needs_root

MB = 1_000_000


@contextmanager
def mounted(at: Path) -> Iterator[None]:
    at.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(at)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(at)], check=True)


@needs_root
def test_files_below_a_mount_point_are_found_and_no_mount_changes(tmp_path: Path) -> None:
    top, at = tmp_path / "disk", tmp_path / "disk" / "in" / "cache"
    with mounted(top):
        (at / "deep").mkdir(parents=True)
        (at / "deep" / "file").write_bytes(b"x" * MB)
        (top / "empty").mkdir()
        with mounted(at), mounted(top / "empty"):
            (at / "over").write_bytes(b"x" * 5 * MB)
            before = Path("/proc/self/mountinfo").read_text()
            (disk,) = disks_of([str(top)])
            found = hidden(disk)
            assert Path("/proc/self/mountinfo").read_text() == before
    assert disk.covered == (str(top / "empty"), str(at))
    assert found.unseen == ()
    (entry,) = found.entries
    assert entry.name == f"hidden below the mount point {at}"
    assert MB <= entry.size < MB + 10_000
    assert entry.files == 3
    assert "/mnt/in/cache" in entry.frees


def test_where_nobody_may_look_the_mount_points_are_suspected(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refused(_: str) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(module, "uncovered", refused)
    at = str(tmp_path / "over")
    disk = Disk("ext4", (str(tmp_path),), (), whole=True, mounted=(), covered=(at,))
    found = hidden(disk)
    assert found.unseen == (at,)

    told = os.statvfs(tmp_path)
    plenty = 100 * MB + 512 * (told.f_files - told.f_ffree)

    def notes(rest: int, before: int) -> list[str]:
        used = 10 * plenty
        entries = (Entry(Kind.FILE_SYSTEM, "ext4", rest), Entry(Kind.OTHER, "/x", used - rest))
        account = Account(str(tmp_path), "ext4", 2 * used, used, used, entries)
        return doubt(disk, account, used - before, found.unseen)

    (note,) = notes(plenty, 0)
    assert at in note
    assert f"mount --bind {tmp_path} /mnt" in note
    assert notes(MB, 0) == []
    (note,) = notes(plenty, plenty)
    assert f"the disk at {tmp_path} changed while it was read" in note
    assert "more is used" in note
