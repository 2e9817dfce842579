"""Where engines live on the machine: the cache of root file systems, data folders, records."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
"""The repository's own folder; keepers run from it so that ``-m tests.engines`` is found."""

CLEAN_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""The search path engines and clients run with: the system's programs and nobody's shims."""

DOCKER = "/usr/bin/docker"
"""Debian's docker client; a newer one elsewhere on the machine knows other commands."""


def cache_folder() -> Path:
    """The folder of root file systems and records, outside the repository."""
    chosen = os.environ.get("HOLYSTONE_ENGINES")
    if chosen:
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "holystone" / "engines"


def records_folder() -> Path:
    """The folder with one JSON record per running engine."""
    return cache_folder() / "running"


def new_data_folder(kind: str) -> Path:
    """A new folder for an engine's data, in ``HOLYSTONE_ENGINES_DATA`` or the temp folder."""
    base = os.environ.get("HOLYSTONE_ENGINES_DATA") or tempfile.gettempdir()
    return Path(tempfile.mkdtemp(prefix=f"hs-{kind}-", dir=base))


def file_system_of(path: Path) -> str:
    """The type of the file system that holds ``path`` (``ext4``, ``overlay``, ...)."""
    best, kind = "", "unknown"
    target = os.fspath(path.resolve())
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        mount = re.sub(r"\\([0-7]{3})", lambda m: chr(int(m[1], 8)), before.split()[4])
        inside = target == mount or target.startswith(mount.rstrip("/") + "/")
        if inside and len(mount) >= len(best):
            best, kind = mount, after.split()[0]
    return kind
