"""What containerd's database says of its snapshots and blobs: who needs each of them.

``meta.db`` has the images, leases, containers, blobs and snapshots of each namespace, and a
snapshotter's ``metadata.db`` the folder of each snapshot. What containerd's own garbage collector
takes for needed counts as needed here (containerd ``core/metadata/gc.go``): what an image, a lease,
a container or the label ``gc.root`` names, and what these name in turn.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from holystone.engine.storage.bolt import Bucket, read_bolt

METADATA = "io.containerd.metadata.v1.bolt"
CONTENT = "io.containerd.content.v1.content"
SNAPSHOTTER = "io.containerd.snapshotter.v1."
_ROOT = "containerd.io/gc.root"
_CONTENT_REF = "containerd.io/gc.ref.content"
_SNAPSHOT_REF = "containerd.io/gc.ref.snapshot."
_UNPACKED = "containerd.io/uncompressed"


class Needs(NamedTuple):
    """Who needs a snapshot or a blob."""

    images: tuple[str, ...] = ()
    """Names of images."""
    leases: tuple[str, ...] = ()
    """IDs of leases; BuildKit's records and Docker's containers have one each."""
    others: tuple[str, ...] = ()
    """Containers of containerd, and labels."""

    def __bool__(self) -> bool:
        """Whether anybody does."""
        return any((self.images, self.leases, self.others))


class Snapshot(NamedTuple):
    """A snapshot as the database has it."""

    namespace: str
    key: str
    """Its name: the chain ID of a layer, the ID of a container or of a build cache record."""
    needs: Needs


class Stored(NamedTuple):
    """A blob as the database has it."""

    needs: Needs
    unpacked: bool
    """Whether it is the content of a layer that a snapshot has as well."""


class Records(NamedTuple):
    """What the databases name."""

    snapshots: dict[tuple[str, str], Snapshot]
    """By the name of the snapshotter and that of the folder."""
    blobs: dict[str, Stored]
    """By digest."""
    snapshotters: tuple[str, ...]
    """The snapshotters whose database was read."""


class _Space(NamedTuple):
    """A namespace: what names what. A node is ``("content", digest)`` or a snapshot's."""

    name: str
    refs: dict[tuple[str, ...], list[tuple[str, ...]]]
    roots: list[tuple[str, str, tuple[str, ...]]]
    """Kind and name of each root, with what it names."""
    snapshots: dict[tuple[str, str], str]
    """The name within the snapshotter, by snapshotter and key."""
    layers: set[str]
    """Digests of blobs that are layers."""


def read_records(root: str) -> Records:
    """The records below containerd's data folder. Raises OSError, NotBolt."""
    folders: dict[tuple[str, str], str] = {}
    read = []
    for name in sorted(os.listdir(root)):
        path = f"{root}/{name}/metadata.db"
        if name.startswith(SNAPSHOTTER) and os.path.isfile(path):
            snapshotter = name.removeprefix(SNAPSHOTTER)
            read.append(snapshotter)
            # Keys first: what is removed meanwhile is then still known.
            folders.update(((snapshotter, key), at) for key, at in _folders(path))
    snapshots: dict[tuple[str, str], Snapshot] = {}
    blobs: dict[str, Stored] = {}
    for space in _spaces(read_bolt(f"{root}/{METADATA}/meta.db")):
        needs = _reach(space)
        for (snapshotter, key), inner in space.snapshots.items():
            at = folders.get((snapshotter, inner))
            if at is not None:
                needed = needs.get(("snapshot", snapshotter, key), Needs())
                snapshots[snapshotter, at] = Snapshot(space.name, key, needed)
        unpacked = _unpacked(space)
        for node in [node for node in space.refs if node[0] == "content"]:
            digest = node[1]
            before = blobs.get(digest, Stored(Needs(), unpacked=False))
            needed = needs.get(node, Needs())
            merged = Needs(*(a + b for a, b in zip(before.needs, needed, strict=True)))
            blobs[digest] = Stored(merged, before.unpacked or digest in unpacked)
    return Records(snapshots, blobs, tuple(read))


def _folders(path: str) -> Iterator[tuple[str, str]]:
    """Name and folder of each snapshot of a snapshotter."""
    snapshots = read_bolt(path).bucket("v1", "snapshots")
    for key, bucket in snapshots.buckets() if snapshots else ():
        number = bucket.values().get("id")
        if number:
            yield key, str(_number(number))


def _number(data: bytes) -> int:
    """A number as Go's ``binary.PutUvarint`` writes it."""
    value = 0
    for place, byte in enumerate(data[:10]):
        value |= (byte & 0x7F) << (7 * place)
    return value


def _spaces(database: Bucket) -> Iterator[_Space]:
    top = database.bucket("v1")
    for name, bucket in top.buckets() if top else ():
        yield _read_space(name, dict(bucket.buckets()))


def _read_space(name: str, parts: dict[str, Bucket]) -> _Space:
    space = _Space(name, {}, [], {}, set())
    content = parts["content"].bucket("blob") if "content" in parts else None
    for digest, bucket in content.buckets() if content else ():
        labels = _labels(bucket)
        blob = ("content", digest)
        space.refs[blob] = list(_label_refs(labels))
        if _UNPACKED in labels:
            space.layers.add(digest)
        if _ROOT in labels:
            space.roots.append(("label", f"label of {digest}", blob))
    snapshotters = parts["snapshots"].buckets() if "snapshots" in parts else ()
    for snapshotter, snapshots in snapshotters:
        for key, bucket in snapshots.buckets():
            values, labels = bucket.values(), _labels(bucket)
            node = ("snapshot", snapshotter, key)
            space.refs[node] = list(_label_refs(labels))
            if values.get("parent"):
                space.refs[node].append(("snapshot", snapshotter, _text(values["parent"])))
            space.snapshots[snapshotter, key] = _text(values.get("name", b""))
            if _ROOT in labels:
                space.roots.append(("label", f"label of {key}", node))
    space.roots.extend(_roots(parts))
    return space


def _roots(parts: dict[str, Bucket]) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """What images, leases and containers name."""
    for name, bucket in parts["images"].buckets() if "images" in parts else ():
        target = bucket.bucket("target")
        if target is not None:
            yield "image", name, ("content", _text(target.values().get("digest", b"")))
        for node in _label_refs(_labels(bucket)):
            yield "image", name, node
    for name, bucket in parts["leases"].buckets() if "leases" in parts else ():
        inner = dict(bucket.buckets())
        for digest in inner["content"].values() if "content" in inner else ():
            yield "lease", name, ("content", digest)
        for snapshotter, keys in inner["snapshots"].buckets() if "snapshots" in inner else ():
            for key in keys.values():
                yield "lease", name, ("snapshot", snapshotter, key)
    for name, bucket in parts["containers"].buckets() if "containers" in parts else ():
        values = bucket.values()
        snapshotter, key = (_text(values.get(each, b"")) for each in ("snapshotter", "snapshotKey"))
        if key:
            yield "container", name, ("snapshot", snapshotter, key)


def _labels(bucket: Bucket) -> dict[str, str]:
    labels = bucket.bucket("labels")
    return {name: _text(value) for name, value in labels.values().items()} if labels else {}


def _label_refs(labels: dict[str, str]) -> Iterator[tuple[str, ...]]:
    for name, value in labels.items():
        if name.startswith(_CONTENT_REF):
            yield ("content", value)
        elif name.startswith(_SNAPSHOT_REF):
            snapshotter = name.removeprefix(_SNAPSHOT_REF).partition("/")[0]
            yield ("snapshot", snapshotter, value)


def _reach(space: _Space) -> dict[tuple[str, ...], Needs]:
    """Who needs each blob and snapshot that is needed."""
    found: dict[tuple[str, ...], dict[str, set[str]]] = {}
    for kind, name, node in space.roots:
        for each in _from(node, space):
            found.setdefault(each, {}).setdefault(kind, set()).add(name)
    return {
        node: Needs(
            tuple(sorted(kinds.get("image", ()))),
            tuple(sorted(kinds.get("lease", ()))),
            tuple(sorted(kinds.get("container", set()) | kinds.get("label", set()))),
        )
        for node, kinds in found.items()
    }


def _from(start: tuple[str, ...], space: _Space) -> Iterable[tuple[str, ...]]:
    seen = {start}
    todo = [start]
    while todo:
        for node in space.refs.get(todo.pop(), ()):
            if node not in seen:
                seen.add(node)
                todo.append(node)
    return seen


def _unpacked(space: _Space) -> set[str]:
    """The blobs of layers whose image is unpacked: its config names a snapshot that is here."""
    found: set[str] = set()
    for refs in space.refs.values():
        blobs = [node[1] for node in refs if node[0] == "content"]
        configs = (space.refs.get(("content", digest), ()) for digest in blobs)
        if any(
            node[0] == "snapshot" and (node[1], node[2]) in space.snapshots
            for config in configs
            for node in config
        ):
            found.update(digest for digest in blobs if digest in space.layers)
    return found


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")
