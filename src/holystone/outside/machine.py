"""What tells the machine that holystone runs on from others."""

from __future__ import annotations

import re
import time
from contextlib import suppress
from typing import NamedTuple
from zlib import crc32


class Machine(NamedTuple):
    """The machine that holystone runs on; empty or 0 where that cannot be told."""

    id: str = ""
    """From ``/etc/machine-id``, which machines made from one template may share too."""
    boot: str = ""
    """The ID that the kernel made up when it booted."""
    booted: float = 0.0
    """When that was, UTC seconds."""


def this_machine(now: float) -> Machine:
    """What tells this machine from others, as far as it can be read."""
    told = _first_line("/etc/machine-id")
    # Not the ID itself, which is to be kept confidential: machine-id(5).
    machine_id = f"{crc32(told.encode()):08x}" if re.fullmatch("[0-9a-f]{32}", told) else ""
    up = time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
    return Machine(machine_id, _first_line("/proc/sys/kernel/random/boot_id"), now - up)


def _first_line(path: str) -> str:
    with suppress(OSError, ValueError), open(path, encoding="ascii") as file:
        return file.readline(100).strip()
    return ""
