"""Making images without a network: archives for ``docker load`` and contexts for ``docker build``.

Payloads are pseudo-random and seeded: incompressible, so that compressed and plain sizes tell the
same story, and different for each seed, so that no two layers fold into one unless meant to. A
test takes a seed of its own (its name, say) and gets images nobody else has.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import platform
import random
import tarfile
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from .api import ApiError
from .engine import Engine

BUSYBOX = Path("/bin/busybox")
"""Debian's busybox-static."""

APPLETS = ("cat", "cp", "dd", "echo", "head", "ls", "mkdir", "rm", "sh", "sleep", "touch", "true")

ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
"""The machine's architecture in the engines' words."""

SCRATCH = "FROM scratch\nCOPY rootfs/ /\n"
"""How a Dockerfile for ``build`` begins: an image of nothing but busybox."""

EPOCH = datetime(2024, 1, 1, tzinfo=UTC)
"""When images are made unless told otherwise: old, and the same in each run."""


@dataclasses.dataclass(frozen=True, slots=True)
class Layer:
    """A layer: its tar, what it counts for, and the digest of the tar (its diff ID)."""

    tar: bytes = dataclasses.field(repr=False)
    diff_id: str
    size: int
    """Bytes of the files in it, which is what the classic store counts for the layer."""


@dataclasses.dataclass(frozen=True, slots=True)
class ImageToLoad:
    """An image for a ``docker load`` archive.

    ``steps`` are its history in order: a ``Layer`` adds that layer, a string is the instruction
    of a step that adds none (``ENV A=1``). ``tags`` are references; without any it is dangling.
    """

    steps: Sequence[Layer | str]
    tags: Sequence[str] = ()
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict)
    created: datetime = EPOCH
    comment: str = ""
    """BuildKit writes ``buildkit.dockerfile.v0`` into the history entries it makes."""
    architecture: str = ARCHITECTURE

    @property
    def layers(self) -> list[Layer]:
        """Its layers, lowest first."""
        return [step for step in self.steps if isinstance(step, Layer)]

    @property
    def config(self) -> bytes:
        """Its configuration. The digest of this is the image's ID on the classic store."""
        stamp = self.created.strftime("%Y-%m-%dT%H:%M:%SZ")
        history = []
        for step in self.steps:
            entry: dict[str, str | bool] = {"created": stamp}
            if isinstance(step, Layer):
                entry["created_by"] = f"COPY {step.diff_id[7:19]} / # test"
            else:
                entry["created_by"] = step
                entry["empty_layer"] = True
            if self.comment:
                entry["comment"] = self.comment
            history.append(entry)
        return json.dumps(
            {
                "architecture": self.architecture,
                "os": "linux",
                "created": stamp,
                "config": {"Labels": dict(self.labels), "Cmd": ["/bin/sleep", "1000"]},
                "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in self.layers]},
                "history": history,
            },
            sort_keys=True,
        ).encode()

    @property
    def config_id(self) -> str:
        """``sha256:`` and the digest of the configuration."""
        return "sha256:" + hashlib.sha256(self.config).hexdigest()


def layer(seed: object, size: int = 10_000) -> Layer:
    """A layer with one incompressible file of ``size`` bytes; the same seed gives the same one."""
    name = hashlib.sha256(str(seed).encode()).hexdigest()[:16]
    return layer_of({f"payload/{name}": random.Random(str(seed)).randbytes(size)})


def layer_of(files: Mapping[str, bytes | str]) -> Layer:
    """A layer with exactly these files (see ``tar_of``)."""
    tar = tar_of(files)
    digest = "sha256:" + hashlib.sha256(tar).hexdigest()
    return Layer(tar, digest, sum(len(body) for body in files.values() if isinstance(body, bytes)))


def busybox_layer() -> Layer:
    """A layer with busybox and its usual names, so that containers of the image can run."""
    return layer_of(busybox_files())


def busybox_files(prefix: str = "") -> dict[str, bytes | str]:
    """Busybox and links to it under ``prefix`` (``rootfs/``, say), for a layer or a context."""
    links: dict[str, bytes | str] = {f"{prefix}bin/{name}": "busybox" for name in APPLETS}
    return {f"{prefix}bin/busybox": BUSYBOX.read_bytes(), **links}


def tar_of(files: Mapping[str, bytes | str]) -> bytes:
    """A tar of files by path; content that is a string makes a symbolic link to it."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.mode = 0o755
            entry.mtime = int(EPOCH.timestamp())
            if isinstance(content, str):
                entry.type, entry.linkname = tarfile.SYMTYPE, content
                tar.addfile(entry)
            else:
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def write_archive(target: IO[bytes], images: Iterable[ImageToLoad]) -> None:
    """Write a ``docker load`` archive; a layer several images share is in it once."""
    manifest = []
    written: set[str] = set()
    with tarfile.open(fileobj=target, mode="w") as tar:

        def add(name: str, content: bytes) -> None:
            if name not in written:
                written.add(name)
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))

        for image in images:
            config_name = f"{image.config_id[7:]}.json"
            add(config_name, image.config)
            for part in image.layers:
                add(f"{part.diff_id[7:]}/layer.tar", part.tar)
            manifest.append(
                {
                    "Config": config_name,
                    "RepoTags": list(image.tags) or None,
                    "Layers": [f"{part.diff_id[7:]}/layer.tar" for part in image.layers],
                }
            )
        add("manifest.json", json.dumps(manifest).encode())


def load(engine: Engine, *images: ImageToLoad) -> list[str]:
    """Load images and return the IDs the engine gave them, in order.

    On the classic store and with Podman an ID is the digest of the configuration, on the
    containerd store that of a manifest; there, load images that take over each other's tags one
    call after the other. Tags that begin with ``localhost/`` read the same on every engine:
    Podman puts that before names without a registry.
    """
    if engine.store != "containerd":
        _send(engine, images)
        return [image.config_id for image in images]
    tagged = [image for image in images if image.tags]
    if tagged:
        _send(engine, tagged)
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(lambda image: _containerd_id(engine, image), images))


def _containerd_id(engine: Engine, image: ImageToLoad) -> str:
    if image.tags:
        return str(engine.api("GET", f"/images/{image.tags[0]}/json")["Id"])
    # Only the answer to a load of its own tells which ID an untagged image got.
    return _send(engine, [image]).rpartition("Loaded image ID: ")[2].strip()


def _send(engine: Engine, images: Iterable[ImageToLoad]) -> str:
    """Load an archive and return what the engine said. Raises ``ApiError`` for an error in it."""
    with tempfile.TemporaryFile() as archive:
        write_archive(archive, images)
        archive.seek(0)
        said = engine.api("POST", "/images/load?quiet=1", archive)
    lines = said if isinstance(said, list) else [said]
    for line in lines:
        if isinstance(line, dict) and "error" in line:
            raise ApiError("POST /images/load", 200, line["error"])
    return "".join(line["stream"] for line in lines if "stream" in line)


def build(
    engine: Engine,
    dockerfile: str,
    *arguments: str,
    files: Mapping[str, bytes | str] | None = None,
    buildkit: bool = False,
) -> str:
    """Build an image with the docker client and return its ID.

    The context has busybox under ``rootfs/`` and ``files``; ``SCRATCH`` begins a Dockerfile whose
    ``RUN`` lines work. ``arguments`` go to ``docker build`` (``-t``, ``--label``, ...).
    """
    context = tar_of(
        {"Dockerfile": dockerfile.encode(), **busybox_files("rootfs/"), **(files or {})}
    )
    said = engine.docker(
        *("build", "--quiet", "--network", "none", *arguments, "-"),
        stdin=context,
        buildkit=buildkit,
    )
    return "sha256:" + said.splitlines()[-1].removeprefix("sha256:")
