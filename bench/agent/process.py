"""Memory and CPU time of processes, from /proc."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")
_KB = 1024


def resident(processes: Sequence[int]) -> int:
    """Bytes of memory that they hold, each for itself: a page that two share counts twice."""
    return sum(_resident(each) for each in processes)


def _resident(process: int) -> int:
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * _KB
    raise RuntimeError(f"process {process} has ended")


def cpu_seconds(processes: Sequence[int]) -> float:
    """Seconds of CPU time that they have used, in user and system mode."""
    ticks = 0
    for each in processes:
        words = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        ticks += int(words[11]) + int(words[12])
    return ticks / _TICK
