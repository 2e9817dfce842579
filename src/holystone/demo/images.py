"""The images of the demo host: base images, the team's own, and leftovers of builds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256

from holystone.planner.inventory import Image, Layer, chain_ids

MINUTE = 60.0
HOUR = 3600.0
DAY = 86400.0

# What an image is made of: the name of the stack below it, then layers with their megabytes.
_STACKS: dict[str, tuple[str, tuple[tuple[str, float], ...]]] = {
    "": ("", ()),
    "debian": ("", (("debian 12", 74.8),)),
    "alpine": ("", (("alpine 3.20", 7.8),)),
    "ubuntu": ("", (("ubuntu 22.04", 77.9),)),
    "python 3.12": ("debian", (("ca-certificates", 9.2), ("python 3.12.4", 41.6), ("pip", 0.0))),
    "python 3.12 new": ("", (("debian 12.6", 74.9), ("python 3.12.5", 41.7), ("pip", 0.0))),
    "python 3.12 old": ("", (("debian 12.5", 74.7), ("python 3.12.3", 41.3), ("pip", 0.0))),
    "node 16": ("alpine", (("node 16.20.2", 106.0), ("yarn 1.22", 5.3))),
    "node 18": ("alpine", (("node 18.20.4", 114.0), ("yarn 1.22", 5.3))),
    "node 18 old": ("", (("alpine 3.19", 7.4), ("node 18.20.2", 113.4), ("yarn 1.22", 5.3))),
    "node 20": ("alpine", (("node 20.15.1", 123.0), ("yarn 1.22", 5.3))),
    "node 20 new": ("alpine", (("node 20.16.0", 123.4), ("yarn 1.22", 5.3))),
    "cuda": ("ubuntu", (("cuda 12.2 runtime", 2190.0), ("cudnn 8", 1430.0))),
    "yolov5": ("cuda", (("torch 2.3", 6310.0), ("yolov5 requirements", 1590.0), ("yolov5", 402.0))),
    "backend deps": ("python 3.12", (("apt libpq", 31.0), ("pip install", 388.0))),
    "backend deps old": ("python 3.12", (("apt libpq", 31.0), ("pip install before", 371.0))),
    "frontend": ("node 20", (("npm ci", 512.0),)),
    "reports": ("debian", (("apt texlive", 1280.0), ("fonts", 96.0), ("templates", 12.0))),
}

_Row = tuple[str, str, float, float, float]
# Reference, stack, its own layer in MB, days since it was built, days since it was pulled.
_FROM_REGISTRIES: tuple[_Row, ...] = (
    ("python:3.12-slim", "python 3.12", 0, 13, 9),
    ("python:3.11-slim", "debian", 52, 20, 17),
    ("node:18-alpine", "node 18", 0, 11, 9),
    ("node:20-alpine", "node 20", 0, 11, 9),
    ("ultralytics/yolov5:latest", "yolov5", 0, 64, 38),
    ("nvidia/cuda:12.2.2-cudnn8-runtime-ubuntu22.04", "cuda", 0, 210, 38),
    ("postgres:16", "debian", 357, 15, 12),
    ("postgres:15-alpine", "alpine", 231, 40, 31),
    ("redis:7", "debian", 43, 28, 25),
    ("nginx:1.27", "debian", 113, 22, 17),
    ("docker:27-dind", "alpine", 346, 19, 17),
    ("maven:3.9-eclipse-temurin-21", "ubuntu", 462, 33, 31),
    ("mcr.microsoft.com/playwright:v1.45.1-jammy", "ubuntu", 2020, 30, 27),
    ("gitlab/gitlab-runner:alpine-v17.2.0", "alpine", 183, 24, 17),
    ("aquasec/trivy:0.53.0", "alpine", 127, 35, 26),
    ("kindest/node:v1.30.2", "debian", 880, 52, 34),
    ("registry:2", "alpine", 18, 60, 34),
    ("alpine/socat:1.8.0.0", "alpine", 1.4, 90, 34),
)
# Reference, stack, its own layer in MB, hours since it was built. Built here and pushed.
_TEAM: tuple[tuple[str, str, float, float], ...] = (
    ("registry.example.com/team/backend:1.41.0", "backend deps old", 27.1, 620),
    ("registry.example.com/team/backend:1.42.0", "backend deps old", 27.6, 310),
    ("registry.example.com/team/backend:1.42.3 registry.example.com/team/backend:latest",
     "backend deps", 28.2, 49),
    ("registry.example.com/team/backend:main", "backend deps", 28.4, 0.8),
    ("registry.example.com/team/worker:1.9.2", "backend deps", 12.0, 66),
    ("registry.example.com/team/frontend:2.17.0", "frontend", 84.0, 190),
    ("registry.example.com/team/frontend:main", "frontend", 86.0, 4.2),
    ("registry.example.com/team/ml-train:2024.06", "yolov5", 4460.0, 760),
    ("registry.example.com/team/ml-train:2024.07", "yolov5", 4510.0, 96),
)  # fmt: skip
# Reference, stack, its own layer in MB, hours since it was built. Built here, in no registry.
_LOCAL: tuple[tuple[str, str, float, float], ...] = (
    ("backend-test:48207", "backend deps", 61.0, 5.1),
    ("backend-test:48219", "backend deps", 61.4, 0.7),
)
# Name, stack, its own layer in MB, seconds since a tag was last on it. Made by BuildKit.
_UNTAGGED: tuple[tuple[str, str, float, float], ...] = (
    ("untagged backend 0", "backend deps old", 27.2, 330 * HOUR),
    ("untagged backend 1", "backend deps old", 431.0, 290 * HOUR),
    ("untagged backend 2", "backend deps", 28.0, 49 * HOUR),
    ("untagged backend 3", "backend deps", 402.0, 27 * HOUR),
    ("untagged backend 4", "backend deps", 28.1, 9 * HOUR),
    ("untagged backend 5", "backend deps", 395.0, 5 * HOUR),
    ("untagged backend 6", "backend deps", 28.3, 1.2 * HOUR),
    ("untagged backend 7", "backend deps", 28.4, 21.0),
    ("untagged frontend 0", "node 18 old", 618.0, 190 * HOUR),
    ("untagged frontend 1", "frontend", 85.0, 28 * HOUR),
    ("untagged frontend 2", "frontend", 85.5, 4.2 * HOUR),
    ("untagged ml 0", "yolov5", 6310.0, 97 * HOUR),
    ("untagged ml 1", "yolov5", 5870.0, 75 * HOUR),
    ("untagged ml 2", "yolov5", 4508.0, 37.0),
)
# Repository, stack, its own layer in MB, days since it was built, seconds since first seen here.
_TAG_MOVED: tuple[_Row, ...] = (
    ("python", "python 3.12 old", 0, 43, 30 * DAY),
    ("node", "node 18 old", 0, 39, 30 * DAY),
)
_BY_DIGEST = ("hadolint/hadolint", "debian", 33.0, 70.0, 22 * MINUTE)
# A chain of the classic builder: name, stack, megabytes of each step, hours since it was built.
_CHAINS: tuple[tuple[str, str, tuple[float, ...], float], ...] = (
    ("legacy/reports:2.8", "reports", (0.0, 142.0, 0.0, 18.0), 530),
    ("", "python 3.12", (88.0, 410.0, 0.0), 6.5),
    ("", "python 3.12", (88.2, 0.0), 0.06),
)


def hexadecimal(name: str) -> str:
    """An ID of 64 hexadecimal digits for this name."""
    return sha256(name.encode()).hexdigest()


def megabytes(count: float, name: str) -> int:
    """About this many megabytes: bytes with an odd rest that depends on the name."""
    return int(count * 1_000_000) + (int(hexadecimal(name)[:5], 16) if count >= 1 else 0)


def demo_images(now: float) -> tuple[tuple[Image, ...], dict[str, float]]:
    """The images at ``now`` (UTC seconds), and when each of those pulled was first seen."""
    images = []
    first_seen = {}
    for reference, stack, own, built, pulled in _FROM_REGISTRIES:
        image = _image(reference, stack, own, now - built * DAY, pushed=True)
        images.append(image)
        first_seen[image.id] = now - pulled * DAY
    for rows, pushed in ((_TEAM, True), (_LOCAL, False)):
        for references, stack, own, hours in rows:
            built_at = now - hours * HOUR
            image = _image(references, stack, own, built_at, pushed=pushed)
            images.append(image._replace(last_tagged=built_at + 2, made_by_buildkit=True))
    for name, stack, own, since in _UNTAGGED:
        image = _image(name, stack, own, now - since - 2, pushed=False)
        images.append(image._replace(tags=(), last_tagged=now - since, made_by_buildkit=True))
    for repository, stack, own, days, seen in (*_TAG_MOVED, _BY_DIGEST):
        image = _image(f"{repository}:before", stack, own, now - days * DAY, pushed=True)
        pinned = repository == _BY_DIGEST[0]
        known = {"pinned": image.digests} if pinned else {"tagged_in": (repository,)}
        images.append(image._replace(tags=(), **known))
        first_seen[image.id] = now - seen
    for number, (reference, stack, steps, hours) in enumerate(_CHAINS):
        images += _chain(f"chain {number}", reference, stack, steps, now - hours * HOUR)
    return tuple(images), first_seen


def image_named(images: Iterable[Image], name: str) -> Image:
    """The image of the demo host with this reference, or made under this name."""
    return next(i for i in images if name in i.tags or i.id == _image_id(name))


def pushed_image(name: str, references: str, stack: str, own: float, created: float) -> Image:
    """An image of a registry that shares references, not its ID, with one of the demo host."""
    image = _image(references, stack, own, created, pushed=True)
    repository = references.split(maxsplit=1)[0].rpartition(":")[0]
    digest = f"{repository}@sha256:{hexadecimal(f'pushed {name}')}"
    return image._replace(id=_image_id(name), digests=(digest,))


def _image(references: str, stack: str, own: float, created: float, *, pushed: bool) -> Image:
    """An image with these references (separated by blanks) on a stack, with one more layer."""
    tags = tuple(references.split())
    repository = tags[0].rpartition(":")[0]
    layers = layers_of(_diffs(stack) + ([(f"layer {references}", own)] if own else []))
    return Image(
        id=_image_id(references),
        tags=tags,
        digests=(f"{repository}@sha256:{hexadecimal(f'pushed {references}')}",) if pushed else (),
        created=created,
        size=sum(layer.size for layer in layers),
        layers=layers,
    )


def _chain(
    name: str, reference: str, stack: str, steps: tuple[float, ...], started: float
) -> list[Image]:
    """What the classic builder leaves: an image for each step, the last one tagged if it worked."""
    images: list[Image] = []
    diffs = _diffs(stack)
    for number, own in enumerate(steps):
        diffs = [*diffs, (f"{name} step {number}", own)] if own else diffs
        layers = layers_of(diffs)
        images.append(
            Image(
                id=_image_id(f"{name} {number}"),
                parent=images[-1].id if images else "",
                created=started + 20 * number,
                size=sum(layer.size for layer in layers),
                layers=layers,
            )
        )
    if reference:
        images[-1] = images[-1]._replace(tags=(reference,), last_tagged=images[-1].created)
    return images


def _diffs(stack: str) -> list[tuple[str, float]]:
    below, layers = _STACKS[stack]
    return [*(_diffs(below) if below else ()), *layers]


def layers_of(diffs: Sequence[tuple[str, float]]) -> tuple[Layer, ...]:
    """Layers by name and megabytes, bottom first."""
    chained = chain_ids([f"sha256:{hexadecimal(name)}" for name, _ in diffs])
    return tuple(
        Layer(chain_id, megabytes(size, name))
        for chain_id, (name, size) in zip(chained, diffs, strict=True)
    )


def _image_id(name: str) -> str:
    return f"sha256:{hexadecimal(f'image {name}')}"
