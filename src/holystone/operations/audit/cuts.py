"""Which folders of a disk the walk keeps apart: those of the engine's objects, and top folders."""

from __future__ import annotations

from collections.abc import Mapping

from holystone.engine.storage.containerd_records import CONTENT, SNAPSHOTTER
from holystone.outside.heaps import Cut
from holystone.planner.inventory import Engine

WHOLE = Cut()
EACH = Cut(each=WHOLE)
TOP = Cut(each=EACH)
"""Two levels of folders."""
_LOGS = Cut(files=True)
_SNAPSHOTTERS = (
    *("overlayfs", "native", "btrfs", "zfs", "blockfile", "erofs", "devmapper"),
    *("fuse-overlayfs", "stargz", "soci", "nydus"),
)
CONTAINERD = Cut(
    names={
        CONTENT: Cut(
            names={"blobs": Cut(each=Cut(files=True)), "ingest": EACH},
        ),
        **{f"{SNAPSHOTTER}{each}": Cut(names={"snapshots": EACH}) for each in _SNAPSHOTTERS},
    },
    each=WHOLE,
)


def layers_folder(engine: Engine) -> str:
    """The folder of the layers below the engine's data folder."""
    inside = {"vfs": "vfs/dir", "btrfs": "btrfs/subvolumes"}
    return inside.get(engine.storage_driver, engine.storage_driver)


def arriving_folder(engine: Engine) -> str:
    """The folder of the records of layers that a classic engine makes now, below its data folder.

    The engine never empties it: the record of a pull that was killed stays.
    """
    return f"image/{engine.storage_driver}/layerdb/tmp"


def of_engine(engine: Engine) -> Cut:
    """How an engine's data folder is cut."""
    if engine.store == "podman":
        driver = engine.storage_driver
        containers = Cut(each=Cut(names={"userdata": _LOGS}))
        names = {driver: EACH, f"{driver}-containers": containers, "volumes": EACH}
        return Cut(names=names, each=WHOLE, files=True)
    containers = Cut(each=Cut(names={"local-logs": _LOGS}, files=True))
    names = {
        "containers": containers,
        "volumes": EACH,
        "plugins": EACH,
        "containerd": Cut(names={"daemon": CONTAINERD}),
        "tmp": Cut(each=WHOLE, files=True),
    }
    if engine.store == "classic":
        names |= at(layers_folder(engine), EACH).names
        names |= at(arriving_folder(engine), EACH).names
    return Cut(names=names, each=WHOLE, files=True)


def at(path: str, cut: Cut, beside: Cut | None = None) -> Cut:
    """A cut in which the folder of this path is cut so, and what is beside it as told."""
    for name in reversed([name for name in path.split("/") if name]):
        cut = Cut(names={name: cut}, each=beside)
    return cut


def joined(*cuts: Cut) -> Cut:
    """One cut that keeps apart what any of these keeps apart."""
    names: dict[str, Cut] = {}
    for cut in cuts:
        for name, inner in cut.names.items():
            names[name] = joined(names[name], inner) if name in names else inner
    each = [cut.each for cut in cuts if cut.each is not None]
    return Cut(names, joined(*each) if each else None, any(cut.files for cut in cuts))


def of_disk(folders: Mapping[str, Cut]) -> Cut:
    """How a disk is cut with these folders on it, by their paths relative to its top."""
    return joined(TOP, *(at(path, cut, WHOLE) for path, cut in folders.items()))
