"""The images of a store on this machine by its own files, where all of them have tags.

A clean that takes no tagged image needs of them no more than what they are called, and engines
take long to tell it: a containerd store weighs each image for its list, which takes it about 8 ms,
and there is no call that does without. In the files it takes 10 microseconds. Where one image has
no tag, or anything is not as it should be, nothing is told, and the engine is asked.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

_IMAGE_TYPES = frozenset(
    {
        b"application/vnd.docker.distribution.manifest.v2+json",
        b"application/vnd.docker.distribution.manifest.list.v2+json",
        b"application/vnd.oci.image.manifest.v1+json",
        b"application/vnd.oci.image.index.v1+json",
    }
)
_METADATA = "io.containerd.metadata.v1.bolt/meta.db"
_SYSTEM_SOCKET = "/run/containerd/containerd.sock"
_LENGTH = 64
"""Digits of a network's ID."""
_LARGEST = 16 << 20
"""Bytes; a hundred networks take 1 MB."""


def read_tagged(info: Any, networks: Any) -> list[dict[str, Any]] | None:
    """The images as ``GET /images/json`` has them, without times, sizes and labels.

    ``info`` and ``networks`` are the answers to ``GET /info`` and ``GET /networks``. None where an
    image has no tag, where the files cannot be read, or where they may be another engine's.
    """
    try:
        root, count = str(info["DockerRootDir"]), int(info["Images"])
        if not _is_engine_of(root, networks):
            return None
        if ["driver-type", "io.containerd.snapshotter.v1"] in (info.get("DriverStatus") or ()):
            references = _in_containerd(root, info["Containerd"])
        else:
            references = _in_classic_store(f"{root}/image/{info['Driver']}")
    except (OSError, ValueError, LookupError, TypeError, AttributeError, StopIteration):
        return None
    # On the containerd store engines count names (28.5), elsewhere images.
    if references is None or count not in (len(references), sum(map(len, references.values()))):
        return None
    entries = []
    for image_id, names in references.items():
        tags = [name for name in names if "@" not in name]
        if not tags:
            return None
        digests = [name for name in names if "@" in name]
        entries.append({"Id": image_id, "RepoTags": tags, "RepoDigests": digests})
    return entries


def _is_engine_of(root: str, networks: Iterable[Mapping[str, Any]]) -> bool:
    """Whether the data in this folder are those of the engine that has these networks.

    The socket may be that of an engine in a container, or be forwarded from another machine, with
    its data at a path that is here as well. The network ``none`` was given a number of its own
    when each engine was first started, and the engine's database of networks has it in plain text.
    """
    number = next(str(each["Id"]) for each in networks if each["Name"] == "none")
    with open(f"{root}/network/files/local-kv.db", "rb") as file:
        return len(number) == _LENGTH and number.encode() in file.read(_LARGEST)


def _in_classic_store(folder: str) -> dict[str, list[str]]:
    """The references of each image, by ID (moby ``reference/store.go`` and ``image/fs.go``)."""
    with open(f"{folder}/repositories.json", "rb") as file:
        repositories = json.loads(file.read())["Repositories"]
    ids = os.listdir(f"{folder}/imagedb/content/sha256")
    references: dict[str, list[str]] = {f"sha256:{digits}": [] for digits in ids}
    for names in repositories.values():
        for name, image_id in names.items():
            # A reference outlives its image where the engine was killed between the two.
            if image_id in references:
                references[image_id].append(name)
    return references


def _in_containerd(root: str, containerd: Mapping[str, Any]) -> dict[str, list[str]] | None:
    """The references of each image, by ID; None where there are others than an engine makes.

    The database is that of the containerd which the engine started itself, or of the system's.
    """
    from holystone.engine.bolt import Unreadable, reading

    folder = f"{root}/containerd/daemon"
    if str(containerd["Address"]).removeprefix("/var") == _SYSTEM_SOCKET:
        folder = "/var/lib/containerd"
    path = f"{folder}/{_METADATA}"
    if not _is_open(path):
        return None
    namespace = str(containerd["Namespaces"]["Containers"]).encode()
    targets = []
    try:
        with reading(path) as database:
            for name, image in database.bucket(b"v1", namespace, b"images").items():
                if isinstance(image, bytes):
                    return None
                target = dict(image.bucket(b"target").items())
                targets.append((name, target.get(b"digest"), target.get(b"mediatype")))
    except Unreadable:
        return None
    return _by_digest(targets)


def _by_digest(targets: Iterable[tuple[bytes, Any, Any]]) -> dict[str, list[str]] | None:
    """The names of images as docker shows them, by the digest of what they name."""
    from holystone.core.reference import Reference

    references: defaultdict[str, list[str]] = defaultdict(list)
    for written, digest, media_type in targets:
        domain, slash, rest = written.decode().partition("/")
        if not slash or not (":" in rest or "@" in rest) or media_type not in _IMAGE_TYPES:
            return None
        references[digest.decode()].append(Reference(domain, rest).familiar_name)
    return references


def _is_open(path: str) -> bool:
    """Whether some process has this database open: bbolt keeps it locked as long as it does."""
    with open(path, "rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
