"""Which container a process runs in, by what the kernel and the container's keeper tell."""

from __future__ import annotations

import re
from collections.abc import Container
from contextlib import suppress

_ID = re.compile(r"(?<![0-9a-f])(?<!conmon-)[0-9a-f]{64}(?![0-9a-f])")
"""An ID in a control group: ``/docker/ID``, ``docker-ID.scope``, ``libpod-ID.scope``. Podman's
conmon, in ``libpod-conmon-ID.scope``, runs outside its container."""
_KEEPERS = ("containerd-shim", "conmon")
"""The processes above those of a container; their command line has its ID."""
_DEEPEST = 64
_LONGEST = 1 << 16


def container_of(process: int, known: Container[str]) -> str:
    """The ID of the container that a process runs in; empty where it is none of the known ones."""
    # A container in a container has the IDs of both, its own last.
    for each in reversed(_ID.findall(_read(process, "cgroup"))):
        if each in known:
            return str(each)
    above = _parent(process)
    for _ in range(_DEEPEST):
        if above <= 1:
            break
        if _read(above, "comm").startswith(_KEEPERS):
            ids = _ID.findall(_read(above, "cmdline"))
            return next((each for each in ids if each in known), "")
        above = _parent(above)
    return ""


def _parent(process: int) -> int:
    for line in _read(process, "status").splitlines():
        name, _, value = line.partition(":")
        if name == "PPid" and value.strip().isdecimal():
            return int(value)
    return 0


def _read(process: int, name: str) -> str:
    with (
        suppress(OSError),
        open(f"/proc/{process}/{name}", encoding="utf-8", errors="replace") as file,
    ):
        return file.read(_LONGEST)
    return ""
