"""The rest of a disk: folders that are not the engine's."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from holystone.operations.audit.pile import Pile
from holystone.operations.audit.record import Entry, Kind
from holystone.outside.mounts import is_below

_SHARE = 200
"""A folder of the second level is named by itself from this part of the used bytes on."""
_LAZY = {
    "containerd-stargz-grpc": "stargz",
    "soci-snapshotter-grpc": "soci",
    "containerd-nydus": "nydus",
    "containerd-nydus-grpc": "nydus",
    "nydus-snapshotter": "nydus",
}
"""Folders of lazy-pulling snapshotters that run beside containerd."""


def folders(pile: Pile, tops: Sequence[str], used: int) -> Iterator[Entry]:
    """An entry for each folder that is left, small ones together with the folder they are in.

    ``tops``: where the disk was walked from; ``used``: its used bytes.
    """
    together: dict[str, list[str]] = {}
    for path in pile.rest():
        lazy = next((_LAZY[part] for part in path.split("/") if part in _LAZY), "")
        if lazy:
            yield _entry(Kind.LAZY, f"{lazy} snapshotter", pile, [path])
        else:
            together.setdefault(_second(path, tops), []).append(path)
    small: dict[str, list[str]] = {}
    for folder, paths in together.items():
        if sum(pile.size(path) for path in paths) * _SHARE >= used:
            yield _entry(Kind.OTHER, _called(folder, paths, tops), pile, paths)
        else:
            small.setdefault(_second(folder, tops, 1), []).extend(paths)
    for folder, paths in small.items():
        one = len(paths) == 1 and f"/{paths[0]}" == folder
        name = _called(folder, paths, tops) if one else f"{folder}/*".replace("//", "/")
        yield _entry(Kind.OTHER, name, pile, paths)


def _called(folder: str, paths: Sequence[str], tops: Sequence[str]) -> str:
    """What the heaps of a folder are called: above the second level each folder in it is another's.

    A folder of the second level counts with everything in it.
    """
    above = folder in tops or os.path.dirname(folder) in tops
    alone = [f"/{path}" for path in paths] == [folder]
    return f"files directly in {folder}" if above and alone else folder


def _second(path: str, tops: Sequence[str], levels: int = 2) -> str:
    """The folder of the second level below the top that a path lies in."""
    full = f"/{path.strip('/')}"
    top = max((top for top in tops if is_below(top, full)), key=len, default="/")
    parts = full.removeprefix(top.rstrip("/")).strip("/").split("/")[:levels]
    return os.path.normpath(os.path.join(top, *parts))


def _entry(kind: Kind, name: str, pile: Pile, paths: list[str]) -> Entry:
    where = os.path.commonpath([f"/{path}" for path in paths])
    heap = pile.take(*paths)
    return Entry(
        kind,
        name,
        heap.size,
        heap.apparent,
        heap.files,
        where,
        largest=heap.largest,
        sparse=heap.sparsest,
    )
