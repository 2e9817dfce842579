"""The walk of ``holystone audit`` over a million files, against ``du -x``."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.measure import Result, in_turn, run

FILES = 1_000_000
_EACH = 200
"""Files in a folder."""
_WALK = """
import resource, sys
from holystone.outside.disk_walk import DiskWalk
from holystone.outside.heaps import Cut
heaps = DiskWalk(sys.argv[1], Cut(each=Cut(each=Cut()))).run().heaps
print(sum(heap.size for heap in heaps.values()), sum(heap.files for heap in heaps.values()))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, "MiB", file=sys.stderr)
"""


def million(files: int = FILES, runs: int = 3) -> Iterator[Result]:
    """Both count the same bytes and files. The aim for a million is 30 s; ``du`` stands beside."""
    with tempfile.TemporaryDirectory() as folder:
        _make(Path(folder), files)
        environment = dict(os.environ)
        ours = [sys.executable, "-c", _WALK, folder]
        theirs = ["du", "-sx", "--block-size=1", folder]
        counted = subprocess.run(ours, check=True, stdout=subprocess.PIPE).stdout.split()
        told = subprocess.run(theirs, check=True, stdout=subprocess.PIPE).stdout.split()
        if counted[0] != told[0]:
            raise AssertionError(f"the walk counts {counted[0]!r} bytes, du {told[0]!r}")
        walk, du = in_turn(lambda: run(ours, environment), lambda: run(theirs, environment), runs)
    yield Result(f"walk of {files:,} files", "audit", "`du -sx`", walk, du, round(30 / du, 1), runs)


def _make(folder: Path, files: int) -> None:
    """So many files, in folders of three levels."""
    for number in range(files // _EACH):
        inner = folder / str(number // 500) / str(number // 50) / str(number)
        inner.mkdir(parents=True)
        at = os.open(inner, os.O_RDONLY | os.O_DIRECTORY)
        for name in range(_EACH):
            os.close(os.open(f"{name}", os.O_CREAT | os.O_WRONLY, dir_fd=at))
        os.close(at)
