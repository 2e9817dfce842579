"""The demo host: a realistic CI runner with a nearly full disk, fixed for a given time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from holystone.demo.images import (
    DAY,
    HOUR,
    MINUTE,
    demo_images,
    hexadecimal,
    image_named,
    megabytes,
)
from holystone.demo.usage import demo_absent, demo_company, demo_references, demo_speeds
from holystone.planner.inventory import (
    CacheRecord,
    Container,
    Disk,
    Engine,
    Image,
    Inventory,
    Network,
    Volume,
)
from holystone.planner.totals import Beside, Log, Orphan
from holystone.planner.usage import Usage

_DISK = Disk(total_bytes=200_000_000_000, free_bytes=18_000_000_000)
_ENGINE = Engine(
    id="demo",
    name="ci-runner-07 (simulated)",
    version="28.5.1",
    api_version="1.51",
    storage_driver="overlay2",
    root="/var/lib/docker",
)
# Name, or a number where it is anonymous; MB; days since it was made.
_VOLUMES = (
    ("gitlab-runner-config", 1, 410 / 24),
    ("sonarqube-data", 9640, 96.0),
    ("e2e-artifacts", 870, 12.0),
    ("maven-repository", 5210, 61.0),
    ("0", 240, 0.004),
    ("1", 410, 0.004),
    ("2", 8, 0.004),
    ("3", 2950, 1.3),
    ("4", 11720, 19.0),
    ("5", 36, 33.0),
    ("shop_db-data", 1340, 26.0),
    ("6", 2110, 34.0),
)
# Name, driver, days since it was made, whether it is the engine's own, the compose project.
_NETWORKS = (
    ("bridge", "bridge", 17.0, True, ""),
    ("host", "host", 17.0, True, ""),
    ("none", "null", 17.0, True, ""),
    ("ci-backend", "bridge", 0.004, False, ""),
    ("e2e-4711", "bridge", 3.2, False, ""),
    ("legacy-reports_default", "bridge", 44.0, False, "legacy-reports"),
    ("shop_default", "bridge", 26.0, False, "shop"),
    ("kind", "bridge", 34.0, False, ""),
)
_JOB = "runner-t3pk2x8z-project-{}-concurrent-{}"

# Name, image, state, hours since it was made, seconds since it stopped, exit code, MB written,
# volumes (by number where anonymous), networks.
_CONTAINERS: tuple[
    tuple[str, str, str, float, float | None, int | None, int, tuple[str, ...], tuple[str, ...]],
    ...,
] = (
    ("gitlab-runner", "gitlab/gitlab-runner:alpine-v17.2.0", "running", 410, None, None, 12,
     ("gitlab-runner-config",), ("bridge",)),
    (_JOB.format(114, 0) + "-build", "python:3.12-slim", "running", 0.1, None, None, 318,
     ("0",), ("ci-backend",)),
    (_JOB.format(114, 0) + "-postgres-0", "postgres:16", "running", 0.1, None, None, 64,
     ("1",), ("ci-backend",)),
    (_JOB.format(114, 0) + "-redis-1", "redis:7", "running", 0.1, None, None, 1,
     ("2",), ("ci-backend",)),
    ("debug-e2e-checkout", "mcr.microsoft.com/playwright:v1.45.1-jammy", "paused", 52, None, None,
     940, (), ("bridge",)),
    ("backend-staging-next", "registry.example.com/team/backend:1.42.3", "created", 0.4, None, None,
     0, (), ("bridge",)),
    (_JOB.format(114, 1) + "-build", "node:20-alpine", "exited", 0.3, 140.0, 0, 655,
     (), ("bridge",)),
    (_JOB.format(98, 2) + "-build", "ultralytics/yolov5:latest", "exited", 31, 29 * HOUR, 137, 3870,
     ("3",), ("bridge",)),
    (_JOB.format(114, 3) + "-build", "python:3.12-slim", "exited", 9, 8.7 * HOUR, 0, 402,
     (), ("bridge",)),
    (_JOB.format(121, 0) + "-build", "untagged backend 2", "exited", 27, 26 * HOUR, 1, 187,
     (), ("bridge",)),
    ("smoke-backend-48219", "untagged backend 6", "exited", 1.2, 4 * MINUTE, 0, 21,
     (), ("bridge",)),
    ("e2e-shop-4711", "registry.example.com/team/frontend:main", "exited", 77, 76 * HOUR, 1, 1130,
     ("e2e-artifacts",), ("e2e-4711",)),
    # What a prune of stopped containers would take, and holystone keeps.
    ("shop-db-1", "postgres:16", "exited", 26 * 24, 2 * DAY, 0, 5,
     ("shop_db-data",), ("shop_default",)),
    ("shop-web-1", "registry.example.com/team/frontend:2.17.0", "exited", 26 * 24, 2 * DAY, 0, 14,
     (), ("shop_default",)),
    ("kind-control-plane", "kindest/node:v1.30.2", "exited", 34 * 24, 5 * DAY, 137, 1470,
     ("6",), ("kind",)),
    ("registry-mirror", "registry:2", "exited", 34 * 24, 8 * DAY, 2, 3,
     (), ("bridge",)),
    ("e2e-tunnel", "alpine/socat:1.8.0.0", "exited", 53, 50 * HOUR, 0, 1,
     (), ("bridge",)),
)  # fmt: skip
_COMPOSE = "com.docker.compose"
_KIND = "io.x-k8s.kind"
_MORE: Mapping[str, Mapping[str, Any]] = {
    "shop-db-1": {"labels": {f"{_COMPOSE}.project": "shop", f"{_COMPOSE}.service": "db"}},
    "shop-web-1": {"labels": {f"{_COMPOSE}.project": "shop", f"{_COMPOSE}.service": "web"}},
    "kind-control-plane": {
        "labels": {f"{_KIND}.cluster": "kind", f"{_KIND}.role": "control-plane"},
        "restart": "on-failure",
    },
    "registry-mirror": {"restart": "always"},
    "debug-e2e-checkout": {"needs": ("e2e-tunnel",)},
}
"""What else an inspection tells of a container."""
# Project, base image, then megabytes of: system packages, dependencies, sources, result;
# and for each build seconds since it was last used.
_BUILDS: tuple[tuple[str, str, tuple[float, float, float, float], tuple[float, ...]], ...] = (
    ("backend", "python:3.12-slim", (212, 940, 61, 385),
     (40 * MINUTE, 5 * HOUR, 28 * HOUR, 4 * DAY, 12 * DAY)),
    ("frontend", "node:20-alpine", (34, 1010, 92, 540),
     (4.2 * HOUR, 29 * HOUR, 3 * DAY, 8 * DAY)),
    ("ml-train", "ultralytics/yolov5:latest", (655, 2150, 240, 980),
     (4 * MINUTE, 2 * DAY, 4.1 * DAY, 11 * DAY)),
    ("worker", "python:3.12-slim", (118, 730, 38, 96), (66 * HOUR, 9 * DAY)),
)  # fmt: skip
# Where it is mounted, megabytes, seconds since last use, in use.
_MOUNTS = (
    ("/root/.cache/pip", 3420, 40 * MINUTE, False),
    ("/root/.npm", 2180, 4.2 * HOUR, False),
    ("/var/cache/apt", 410, 2 * DAY, False),
    ("/root/.cache/huggingface", 1960, 20.0, True),
)


def demo_inventory(now: float) -> tuple[Inventory, Usage]:
    """What is on the demo host at ``now`` (UTC seconds), and what is known of its past."""
    images, first_seen = demo_images(now)
    inventory = Inventory(
        engine=_ENGINE,
        taken_at=now,
        images=images,
        containers=_containers(now, images),
        cache=_cache(now, images),
        volumes=tuple(
            Volume(
                _volume_name(name),
                created=now - days * DAY,
                size=megabytes(size, f"volume {name}"),
                anonymous=name.isdecimal(),
            )
            for name, size, days in _VOLUMES
        ),
        networks=tuple(
            Network(
                hexadecimal(f"network {name}"),
                name,
                driver,
                now - days * DAY,
                {"com.docker.compose.project": project} if project else {},
                builtin,
            )
            for name, driver, days, builtin, project in _NETWORKS
        ),
        disk=_DISK,
    )
    arrived = {image.id: image.last_tagged or image.created for image in images}
    usage = Usage(
        arrived | first_seen,
        references=demo_references(now),
        company=demo_company(),
        absent=demo_absent(),
        speeds=demo_speeds(),
    )
    return inventory, usage


def demo_beside(inventory: Inventory) -> Beside:
    """A log that grew for a year, and what an engine left when it was killed."""
    (runner,) = (each for each in inventory.containers if each.name == "gitlab-runner")
    root = "/var/lib/docker"
    path = f"{root}/containers/{runner.id}/{runner.id}-json.log"
    log = Log(runner.id, runner.name, path, 5_412_003_840, limited=False)
    orphan = Orphan(f"{root}/overlay2/{hexadecimal('orphan')}", 1_287_655_424)
    return Beside(read=True, logs=(log,), orphans=(orphan,), own=214_683_648)


def _containers(now: float, images: tuple[Image, ...]) -> tuple[Container, ...]:
    containers = []
    for name, image, state, hours, stopped, exit_code, written, volumes, networks in _CONTAINERS:
        found = image_named(images, image)
        container = Container(
            id=hexadecimal(f"container {name}"),
            name=name,
            image_id=found.id,
            image=image if found.tags else found.id,
            state=state,
            created=now - hours * HOUR,
            finished=None if stopped is None else now - stopped,
            exit_code=exit_code,
            writable_size=megabytes(written, name),
            labels=_job_labels(name),
            volumes=tuple(map(_volume_name, volumes)),
            networks=networks,
        )
        containers.append(container._replace(**_MORE.get(name, {})))
    return tuple(containers)


def _volume_name(name: str) -> str:
    """The name of a volume; those that are numbers here are anonymous."""
    return hexadecimal(f"volume {name}") if name.isdecimal() else name


def _job_labels(name: str) -> dict[str, str]:
    """What GitLab Runner writes on the containers of its jobs."""
    if not name.startswith("runner-"):
        return {}
    project = name.split("-")[3]
    return {
        "com.gitlab.gitlab-runner.managed": "true",
        "com.gitlab.gitlab-runner.project.id": project,
        "com.gitlab.gitlab-runner.job.id": str(48000 + int(hexadecimal(name)[:2], 16)),
    }


def _cache(now: float, images: Iterable[Image]) -> tuple[CacheRecord, ...]:
    """BuildKit's tree of results after weeks of pipelines: trees by project, mounts, sources.

    The records of bases hold the lowest layers of ``images`` that are here.
    """
    lowest = {tag: image.layers[0] for image in images if image.layers for tag in image.tags}
    records = []

    def add(name: str, text: str, mb: float, since: float, *parents: str, **more: Any) -> None:
        told = {"size": megabytes(mb, name), "created": now - since - HOUR, "usage_count": 2}
        above, more = tuple(map(_base36, parents)), told | more
        records.append(
            CacheRecord(_base36(name), above, description=text, last_used=now - since, **more)
        )

    # fmt: off
    for project, base, (system, dependencies, sources, result), builds in _BUILDS:
        newest, layer, on = min(builds), lowest[base], f"{project} system"
        library = "" if "/" in base else "library/"
        add(f"{project} base", f"pulled from docker.io/{library}{base}", 0, newest,
            size=layer.size, shared=True)
        add(on, "mount / from exec /bin/sh -c apt-get install", system, newest, f"{project} base")
        add(f"{project} context", "local source for context", sources * 2, newest,
            type="source.local")
        for number, since in enumerate(builds):
            deps, copy = f"{project} deps {number}", f"{project} copy {number}"
            add(deps, "mount / from exec install dependencies", dependencies, since, on)
            add(copy, "[stage 4/5] COPY . /app", sources, since, deps)
            add(f"{project} result {number}", "mount / from exec build", result, since, copy,
                in_use=since < 10 * MINUTE)
    for path, size, since, in_use in _MOUNTS:
        text = f"cached mount {path} from exec /bin/sh -c install"
        add(path, text, size, since, type="exec.cachemount", created=now - 35 * DAY,
            usage_count=90, in_use=in_use)
    # fmt: on
    return tuple(records)


def _base36(name: str) -> str:
    """An ID as BuildKit makes them, 25 letters and digits, for this name."""
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"
    number = int(hexadecimal(name), 16)
    letters = []
    for _ in range(25):
        number, digit = divmod(number, 36)
        letters.append(digits[digit])
    return "".join(letters)
