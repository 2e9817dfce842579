"""The log files of containers, which no figure of an engine has, and what they take on the disk."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from holystone.planner.inventory import Container, Engine

LEAST = 1_000_000
"""Bytes of a container's log from which on they count as bytes that come free with it."""
_BLOCK = 512
"""Bytes in the unit of ``st_blocks``."""
_LOG = re.compile(r"-json\.log(\.|$)|^container\.log(\.|$)|^ctr\.log(\.|$)")
"""Files of the drivers ``json-file`` and ``local``, and of Podman's ``k8s-file``."""


class File(NamedTuple):
    """A log file."""

    path: str
    size: int
    """Bytes on the disk."""
    linked: bool
    """Whether it has another name too, so that its bytes stay with that."""


def log_files(root: str, engine: Engine, container: str) -> Iterator[list[File]]:
    """The log files of a container, rotated ones too: a list for each folder that has any.

    The file that is written to comes first. ``root`` is the engine's data folder.
    """
    for folder in _folders(root, engine, container):
        if files := sorted(_matching(folder), key=lambda file: (len(file.path), file.path)):
            yield files


def with_log(container: Container, root: str, engine: Engine) -> Container:
    """The container with the bytes of its log, where they come free with it and are not few.

    ``root`` is the engine's data folder, empty where it is not on the disk that is measured.
    """
    if not root or not container.idle:
        return container
    found = [file for files in log_files(root, engine, container.id) for file in files]
    size = sum(file.size for file in found if not file.linked)
    return container._replace(log_size=size) if size >= LEAST else container


def _folders(root: str, engine: Engine, container: str) -> Iterator[str]:
    if engine.store == "podman":
        yield f"{root}/{engine.storage_driver}-containers/{container}/userdata"
        return
    yield f"{root}/containers/{container}"
    yield f"{root}/containers/{container}/local-logs"


def _matching(folder: str) -> Iterator[File]:
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if _LOG.search(entry.name) and entry.is_file(follow_symlinks=False):
                told = entry.stat(follow_symlinks=False)
                yield File(entry.path, told.st_blocks * _BLOCK, told.st_nlink > 1)
