"""The demo host: a believable CI runner whose disk is nearly full, the same for a given time."""

from __future__ import annotations

from holystone.core.account import Beside, Log, Orphan
from holystone.core.inventory import Container, Disk, Engine, Inventory, Network, Volume
from holystone.core.lazy import Lazy
from holystone.core.usage import Usage
from holystone.engine.simulation.demo_cache import demo_cache
from holystone.engine.simulation.demo_images import demo_images, image_named
from holystone.engine.simulation.demo_making import DAY, HOUR, MINUTE, hexadecimal, megabytes
from holystone.engine.simulation.demo_usage import (
    demo_absent,
    demo_cache_uses,
    demo_company,
    demo_image_uses,
    demo_references,
    demo_speeds,
)
from holystone.engine.simulation.host import SimulatedHost

_DISK = Disk(total_bytes=200_000_000_000, free_bytes=18_000_000_000)
_ENGINE = Engine(
    id="demo",
    name="ci-runner-07 (simulated)",
    version="28.5.1",
    api_version="1.51",
    storage_driver="overlay2",
    root="/var/lib/docker",
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
)  # fmt: skip

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
)
# Name, driver, days since it was made, whether it is the engine's own, the compose project.
_NETWORKS = (
    ("bridge", "bridge", 17.0, True, ""),
    ("host", "host", 17.0, True, ""),
    ("none", "null", 17.0, True, ""),
    ("ci-backend", "bridge", 0.004, False, ""),
    ("e2e-4711", "bridge", 3.2, False, ""),
    ("legacy-reports_default", "bridge", 44.0, False, "legacy-reports"),
)


def demo_inventory(now: float) -> tuple[Inventory, Usage]:
    """What is on the demo host at ``now`` (UTC seconds), and what is known of its past."""
    images, first_seen = demo_images(now)
    containers = []
    for name, image, state, hours, stopped, exit_code, written, volumes, networks in _CONTAINERS:
        found = image_named(images, image)
        containers.append(
            Container(
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
        )
    inventory = Inventory(
        engine=_ENGINE,
        taken_at=now,
        images=images,
        containers=tuple(containers),
        cache=demo_cache(now, images),
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
    references = Lazy(lambda: demo_references(now))
    usage = Usage(
        arrived | first_seen,
        references=references,
        company=Lazy(demo_company),
        absent=Lazy(demo_absent),
        speeds=demo_speeds(),
        images=Lazy(lambda: demo_image_uses(images, references)),
        cache=Lazy(lambda: demo_cache_uses(inventory.cache)),
    )
    return inventory, usage


def demo_host(now: float) -> SimulatedHost:
    """A simulated CI runner at ``now`` (UTC seconds): 200 GB of disk, 91 % of it used."""
    inventory, usage = demo_inventory(now)
    return SimulatedHost(inventory, usage, beside=_beside(inventory))


def _beside(inventory: Inventory) -> Beside:
    """A log that grew for a year, and what an engine left when it was killed."""
    (runner,) = (each for each in inventory.containers if each.name == "gitlab-runner")
    root = "/var/lib/docker"
    path = f"{root}/containers/{runner.id}/{runner.id}-json.log"
    log = Log(runner.id, runner.name, path, 5_412_003_840, limited=False)
    orphan = Orphan(f"{root}/overlay2/{hexadecimal('orphan')}", 1_287_655_424)
    return Beside(read=True, logs=(log,), orphans=(orphan,), own=214_683_648)


def _volume_name(name: str) -> str:
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
