"""The containers of the demo host: jobs that run, what jobs left, and what stays with a reason."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from holystone.demo.images import image_named
from holystone.demo.making import DAY, HOUR, MINUTE, hexadecimal, megabytes
from holystone.planner.inventory import Container, Image

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


class _More(NamedTuple):
    """What else an inspection tells of a container."""

    labels: Mapping[str, str] = {}
    restart: str = ""
    needs: tuple[str, ...] = ()


_COMPOSE = "com.docker.compose"
_MORE: Mapping[str, _More] = {
    "shop-db-1": _More({f"{_COMPOSE}.project": "shop", f"{_COMPOSE}.service": "db"}),
    "shop-web-1": _More({f"{_COMPOSE}.project": "shop", f"{_COMPOSE}.service": "web"}),
    "kind-control-plane": _More(
        {"io.x-k8s.kind.cluster": "kind", "io.x-k8s.kind.role": "control-plane"}, "on-failure"
    ),
    "registry-mirror": _More(restart="always"),
    "debug-e2e-checkout": _More(needs=("e2e-tunnel",)),
}


def demo_containers(now: float, images: Iterable[Image]) -> tuple[Container, ...]:
    """The containers at ``now``, UTC seconds, made from these images."""
    images = tuple(images)
    containers = []
    for name, image, state, hours, stopped, exit_code, written, volumes, networks in _CONTAINERS:
        found = image_named(images, image)
        more = _MORE.get(name, _More())
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
                labels={**_job_labels(name), **more.labels},
                volumes=tuple(map(volume_name, volumes)),
                networks=networks,
                restart=more.restart,
                needs=more.needs,
            )
        )
    return tuple(containers)


def volume_name(name: str) -> str:
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
