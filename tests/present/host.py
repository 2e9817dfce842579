"""A small believable CI runner, the same at every run: the host the reports are tested on."""

from __future__ import annotations

import hashlib
from typing import Any

from holystone.engine.host import Removal
from holystone.operations.execute import Outcome
from holystone.planner.inventory import (
    CacheRecord,
    Container,
    Disk,
    Engine,
    Image,
    Inventory,
    Layer,
    Network,
    Volume,
)
from holystone.planner.plan import plan as make_plan
from holystone.planner.policy import CacheLimits, Policy
from holystone.planner.usage import Usage
from holystone.planner.verdict import Plan

NOW = 1_760_000_000.0
"""2025-10-09T08:53:20Z."""
MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
MB, GB = 1_000_000, 1_000_000_000

ENGINE = Engine(
    id="6f0c…", name="runner-7", version="28.5.1", api_version="1.51", storage_driver="overlay2"
)
POLICY = Policy(cache=CacheLimits(budget_bytes=6 * GB))


def digest(text: str) -> str:
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def stack(*layers: tuple[str, int]) -> tuple[Layer, ...]:
    """Layers by name and size; a name stands for the same layer in every image."""
    chained, found = "", []
    for name, size in layers:
        chained += f"/{name}"
        found.append(Layer(digest(chained), size))
    return tuple(found)


DEBIAN = (("debian", 74_800_000),)
PYTHON = (*DEBIAN, ("python", 56_100_000))
NODE = (("alpine", 8_300_000), ("node", 167_000_000))
ML = (("ubuntu", 77_900_000), ("cuda", 6_420_000_000), ("torch", 5_310_000_000))
APP = (*PYTHON, ("app-deps", 412_000_000))


def image(name: str, layers: tuple[tuple[str, int], ...], age: float, **fields: Any) -> Image:
    """An image that was made ``age`` seconds ago."""
    known = stack(*layers)
    size = sum(layer.size for layer in known)
    return Image(digest(name), size=size, layers=known, created=NOW - age)._replace(**fields)


def of(repository: str, manifest: str) -> tuple[str, ...]:
    """The digest of an image that was pulled."""
    return (f"{repository}@{digest(manifest)}",)


def images() -> tuple[Image, ...]:
    yolo, python = ("ultralytics/yolov5:latest",), ("python:3.12-slim", "python:3.12.7-slim")
    shop, old = ("registry.example.com:5000/shop/checkout-backend:4712",), NOW - 12 * DAY
    new: dict[str, Any] = {"last_tagged": NOW - 25 * MINUTE, "made_by_buildkit": True}
    gone: dict[str, Any] = {"last_tagged": NOW - 3 * HOUR, "made_by_buildkit": True}
    last: dict[str, Any] = {
        "digests": of("python", "python-old-manifest"),
        "tagged_in": ("python",),
    }
    python_old = (("debian-old", 74_700_000), ("python-old", 55_900_000))
    digests = of("ultralytics/yolov5", "yolo-manifest")
    leftovers = [
        image(name, (*PYTHON, (name, 9_000_000 + 517_000 * i)), 2 * DAY, last_tagged=NOW - 2 * DAY)
        for i, name in enumerate(f"leftover-{i}" for i in range(18))
    ]
    return (
        image("yolo", (*ML, ("yolov5", 330_000_000)), 90 * DAY, tags=yolo, digests=digests),
        image("python", PYTHON, 12 * DAY, tags=python, digests=of("python", "python-manifest")),
        image(
            "node", NODE, 40 * DAY, tags=("node:18-alpine",), digests=of("node", "node-manifest")
        ),
        image("app-new", (*APP, ("app-4712", 18_200_000)), 25 * MINUTE, tags=shop, **new),
        image("app-old", (*APP, ("app-4711", 17_900_000)), 3 * HOUR, **gone),
        image("python-old", python_old, 45 * DAY, last_tagged=old, **last),
        image("stage", (*NODE, ("npm", 231_000_000)), 20 * MINUTE, parent=digest("node")),
        image("just-untagged", (*PYTHON, ("wheel", 3_100_000)), HOUR, last_tagged=NOW - 12),
        *leftovers,
    )


def containers() -> tuple[Container, ...]:
    def ended(name: str, app: str, age: float, ran: float, code: int, size: int) -> Container:
        reference = "node:18-alpine"
        if app != "node":
            reference = f"registry.example.com:5000/shop/checkout-backend:{name[4:8]}"
        made = Container(digest(name)[7:], name, digest(app), reference, "exited")
        made = made._replace(exit_code=code, writable_size=size, created=NOW - age)
        return made._replace(finished=NOW - age + ran)

    def running(name: str, **fields: Any) -> Container:
        made = Container(digest(name)[7:], name, digest("node"), "node:18-alpine", "running")
        return made._replace(created=NOW - 30 * DAY, **fields)

    data: dict[str, Any] = {
        "volumes": ("registry-data",),
        "networks": ("ci",),
        "writable_size": 120_000,
    }
    return (
        ended("job-4711-test", "app-old", 3 * HOUR, 90, 0, 48_300_000),
        ended("job-4709-lint", "node", 26 * HOUR, 20, 137, 1_240_000),
        ended("job-4712-e2e", "app-new", 8 * MINUTE, 6 * MINUTE, 1, 5_000_000),
        running("registry-cache", **data),
        running("buildx_buildkit_ci0", networks=("bridge",)),
    )


def cache() -> tuple[CacheRecord, ...]:
    def record(name: str, size: int, idle: float, **fields: Any) -> CacheRecord:
        identifier = hashlib.sha1(name.encode(), usedforsecurity=False).hexdigest()[:25]
        used = NOW - idle
        made = CacheRecord(identifier, description=name, size=size, usage_count=3)
        return made._replace(created=used - DAY, last_used=used, **fields)

    base = record("[backend 1/6] FROM python:3.12-slim", 74_800_000, HOUR, shared=True)
    step = "[backend 3/6] RUN pip install -r requirements.txt"
    deps = record(step, 2_410_000_000, HOUR, parents=(base.id,))
    return (
        base,
        deps,
        record("[backend 5/6] COPY . /app", 18_200_000, 25 * MINUTE, parents=(deps.id,)),
        record("mount / from exec npm ci", 1_930_000_000, 2 * MINUTE, type="exec.cachemount"),
        record("[old 4/9] RUN apt-get install -y build-essential", 2_200_000_000, 9 * DAY),
        record("[docs 2/3] RUN pip install mkdocs", 640_000_000, 5 * DAY),
        record("local source for context", 44_000_000, 60, in_use=True, type="source.local"),
    )


def inventory() -> Inventory:
    return Inventory(
        engine=ENGINE,
        taken_at=NOW,
        images=images(),
        containers=containers(),
        cache=cache(),
        volumes=(
            Volume("registry-data", created=NOW - 30 * DAY, size=3_300_000_000),
            Volume("gitlab-runner-cache", created=NOW - 200 * DAY, size=780_000_000),
            Volume(digest("anonymous")[7:], created=NOW - 6 * DAY, anonymous=True),
        ),
        networks=(
            Network(digest("bridge")[7:], "bridge", builtin=True),
            Network(digest("ci")[7:], "ci", created=NOW - 30 * DAY),
            Network(digest("old-net")[7:], "job-4600-net", created=NOW - 9 * DAY),
        ),
        disk=Disk(total_bytes=100 * GB, free_bytes=23_400_000_000),
    )


def plan(of: Inventory | None = None, policy: Policy = POLICY) -> Plan:
    return make_plan(of or inventory(), Usage(), policy, NOW)


def quiet() -> Inventory:
    """The same host where nothing is to be removed, and layers were never asked for."""
    full = inventory()
    return full._replace(
        images=tuple(each._replace(layers=None) for each in full.images if each.tags),
        containers=tuple(c for c in full.containers if not c.stopped),
        cache=full.cache[:3],
    )


def outcome(of: Plan, *, skip: int = 0, fail: int = 0, interrupted: str = "") -> Outcome:
    """What became of a plan of this host: everything went but the first images."""
    results = {(step.kind, step.id): Removal("removed") for step in of.steps}
    keys = [key for key in results if key[0] == "image"]
    for key in keys[:skip]:
        results[key] = Removal("skipped", "used since planned: tagged as shop/new:1")
    for key in keys[skip : skip + fail]:
        results[key] = Removal("failed", "500: unlinkat /var/lib/docker/overlay2/l: resource busy")
    freed = {
        (step.kind, step.id): step.freed_bytes
        for step in of.steps
        if results[step.kind, step.id].result == "removed"
    }
    return Outcome(results, freed, sum(freed.values()), 1.26, interrupted)
