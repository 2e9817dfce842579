"""Deleted files that a process still has open or mapped: their bytes are used, and have no name."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from contextlib import suppress
from typing import NamedTuple

from holystone.outside.heaps import BLOCK
from holystone.outside.mounts import is_below, mounts

_MARK = " (deleted)"
_MAPPED = re.compile(r"^([0-9a-f]+-[0-9a-f]+) \S+ \S+ ([0-9a-f]+):([0-9a-f]+) (\d+) +(/.*)$")


class Deleted(NamedTuple):
    """One such file."""

    process: int
    program: str
    """The name of the process."""
    path: str
    """What the file was called."""
    size: int
    """Bytes on the disk."""
    apparent: int


def deleted_files(device: int, upper: str = "") -> list[Deleted]:
    """Those on the file system with this device number, each once.

    ``upper``: a folder on it. What is deleted in an overlay whose writable layer is below that
    folder counts too. Files of processes that may not be looked into are left out.
    """
    found: dict[tuple[int, int], Deleted] = {}
    overlays: dict[str, set[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdecimal():
            wanted = {device, *_overlays(name, device, upper, overlays)}
            with suppress(OSError):
                for key, each in _of(int(name), wanted):
                    found.setdefault(key, each)
    return sorted(found.values(), key=lambda each: (-each.size, each.process, each.path))


def _overlays(process: str, device: int, upper: str, known: dict[str, set[int]]) -> set[int]:
    """The device numbers of overlays of a process that write to this device, below a folder."""
    if not upper:
        return set()
    try:
        space = os.readlink(f"/proc/{process}/ns/mnt")
    except OSError:
        return set()
    if space not in known:
        devices = set()
        with suppress(ValueError):
            for mount in mounts(process):
                folders = mount.options.split(",") if mount.type == "overlay" else []
                writes = [f.removeprefix("upperdir=") for f in folders if f.startswith("upperdir=")]
                if any(is_below(upper, each) and _on(each, device) for each in writes):
                    major, _, minor = mount.device.partition(":")
                    devices.add(os.makedev(int(major), int(minor)))
        known[space] = devices
    return known[space]


def _on(folder: str, device: int) -> bool:
    try:
        return os.stat(folder).st_dev == device
    except OSError:
        return False


def _of(process: int, devices: Collection[int]) -> Iterator[tuple[tuple[int, int], Deleted]]:
    """The deleted files of one process. Raises OSError."""
    program = ""
    for link, path in (*_open(process), *_mapped(process)):
        try:
            told = os.stat(link)
        except OSError:
            continue
        if told.st_nlink == 0 and told.st_dev in devices:
            program = program or _program(process)
            key = (told.st_dev, told.st_ino)
            size = told.st_blocks * BLOCK
            yield key, Deleted(process, program, path, size, told.st_size)


def _open(process: int) -> Iterator[tuple[str, str]]:
    for number in os.listdir(f"/proc/{process}/fd"):
        link = f"/proc/{process}/fd/{number}"
        with suppress(OSError):
            path = os.readlink(link)
            if path.endswith(_MARK):
                yield link, path.removesuffix(_MARK)


def _mapped(process: int) -> Iterator[tuple[str, str]]:
    seen = set()
    with open(f"/proc/{process}/maps", encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            text = line.rstrip("\n")
            match = _MAPPED.match(text) if text.endswith(_MARK) else None
            if match and match[4] not in seen:
                seen.add(match[4])
                # The kernel writes the addresses of map_files without leading zeros.
                start, end = (f"{int(part, 16):x}" for part in match[1].split("-"))
                link = f"/proc/{process}/map_files/{start}-{end}"
                yield link, match[5].removesuffix(_MARK)


def _program(process: int) -> str:
    with (
        suppress(OSError),
        open(f"/proc/{process}/comm", encoding="utf-8", errors="replace") as file,
    ):
        return file.read().rstrip("\n")
    return ""
