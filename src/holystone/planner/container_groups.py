"""Groups of containers: compose projects, pods, tasks, jobs, and containers that need others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from holystone.planner.inventory import Container, Image

Labels = Mapping[str, str]

_CI_JOB = "com.gitlab.gitlab-runner."
"""How the labels begin that GitLab Runner puts on the containers of a job."""
_SWARM = "com.docker.swarm."
"""How the labels begin that Swarm puts on the containers of its tasks."""
_ONE_OFF = "com.docker.compose.oneoff"
"""``True`` on containers of ``docker compose run``: nothing starts these again."""
_OF_A_CONTAINER = (
    _ONE_OFF,
    "com.docker.compose.container-number",
    "com.docker.compose.config-hash",
)
"""A label that compose puts on containers but not, like the project, on images it builds."""


class Group(NamedTuple):
    """What some containers are a part of."""

    kind: str
    """``compose project``, ``pod``, ``Kubernetes pod`` and so on."""
    id: str
    name: str
    starts_again: bool
    """Whether the whole group may be started again once all its containers have stopped."""


_COMPOSE = "compose project"
_LABELS = (
    # Label, kind, whether the group starts again, and the label that has a better name of it.
    # https://github.com/docker/compose/blob/main/pkg/api/labels.go
    ("com.docker.compose.project", _COMPOSE, True, ""),
    # https://github.com/containers/podman-compose/blob/main/podman_compose.py
    ("io.podman.compose.project", _COMPOSE, True, ""),
    # https://github.com/kubernetes/kubernetes/blob/master/staging/src/k8s.io/kubelet/pkg/types/labels.go
    ("io.kubernetes.pod.uid", "Kubernetes pod", True, "io.kubernetes.pod.name"),
    # https://github.com/aws/amazon-ecs-agent/blob/master/agent/engine/docker_task_engine.go
    ("com.amazonaws.ecs.task-arn", "ECS task", False, ""),
    # https://github.com/hashicorp/nomad/blob/main/drivers/docker/driver.go
    ("com.hashicorp.nomad.alloc_id", "Nomad allocation", False, ""),
    # https://docs.gitlab.com/runner/executors/docker/#docker-labels
    (f"{_CI_JOB}job.id", "GitLab job", False, ""),
)


def groups_of(container: Container, of_image: Labels) -> list[Group]:
    """The groups a container is a part of. ``of_image`` are the labels of its image."""
    groups = []
    labels = container.labels
    if container.pod:
        name = container.pod_name or container.pod[:12]
        groups.append(Group("pod", container.pod, name, starts_again=True))
    of_a_job = is_of_ci_job(container)
    for key, kind, starts_again, name in _LABELS:
        value = labels.get(key)
        if not value or (starts_again and of_a_job):
            continue
        # A container has the label of a project also from an image that compose built.
        made = of_image.get(key) != value or any(each in labels for each in _OF_A_CONTAINER)
        if made or kind != _COMPOSE:
            groups.append(Group(kind, value, labels.get(name) or value, starts_again))
    return groups


def is_of_ci_job(container: Container) -> bool:
    """Whether a CI runner made it for a job; it is not needed after that job."""
    return any(key.startswith(_CI_JOB) for key in container.labels)


def is_of_swarm(container: Container) -> bool:
    """Whether it is a task of a Swarm service."""
    return any(key.startswith(_SWARM) for key in container.labels)


class Groups:
    """The groups of a host with their members."""

    def __init__(self, containers: Iterable[Container], images: Mapping[str, Image]) -> None:
        self._of: dict[str, list[Group]] = {}
        """By container ID."""
        self._starting: defaultdict[tuple[str, str], list[Container]] = defaultdict(list)
        """By kind and ID of a group the members that start where the group is started."""
        self._active: dict[tuple[str, str], Container] = {}
        """A member that works now."""
        for container in containers:
            image = images.get(container.image_id)
            groups = groups_of(container, image.labels if image else {})
            if groups:
                self._of[container.id] = groups
            for group in groups:
                if _starts(container, group):
                    self._starting[group.kind, group.id].append(container)
                if not container.idle and container.state != "removing":
                    self._active.setdefault((group.kind, group.id), container)

    def alive(self, container: Container) -> tuple[Group, Container] | None:
        """A group of the container with a member that works now, or None."""
        for group in self._of.get(container.id, ()):
            member = self._active.get((group.kind, group.id))
            if member is not None and _starts(container, group):
                return group, member
        return None

    def stopped(self, container: Container) -> list[tuple[Group, list[Container]]]:
        """The groups that may be started again as a whole, with all containers that would start."""
        return [
            (group, self._starting[group.kind, group.id])
            for group in self._of.get(container.id, ())
            if group.starts_again and _starts(container, group)
        ]


def _starts(container: Container, group: Group) -> bool:
    """Whether it starts where the group is started.

    What ``docker compose run`` made does not, and nothing can start a dead container.
    """
    one_off = container.labels.get(_ONE_OFF, "").lower() == "true"
    return container.state != "dead" and not (group.kind == _COMPOSE and one_off)


def needs(containers: Sequence[Container]) -> dict[str, set[str]]:
    """By ID the IDs of the other containers that each one names.

    A name, an ID or the beginning of one means a container.
    """
    ids = dict.fromkeys(container.id for container in containers)
    by_name = {container.name: container.id for container in containers}

    def meant(name: str) -> list[str]:
        bare = name.lstrip("/")
        if bare in by_name:
            return [by_name[bare]]
        return [bare] if bare in ids else [each for each in ids if bare and each.startswith(bare)]

    return {
        each.id: {other for name in each.needs for other in meant(name)} - {each.id}
        for each in containers
    }


POD = "pod:"
"""How the target of a step begins that is a pod: what is left of it goes with it."""


def removals(
    going: Sequence[Container], containers: Sequence[Container]
) -> list[tuple[Container, tuple[str, ...], tuple[str, ...]]]:
    """The containers that go, in an order in which they can, with what is to be removed for each.

    Those that need another go before it; the third are their IDs. A pod goes with the last of its
    containers: its infra container, which an engine does not remove alone, or else the last one.
    """
    needed = needs(containers)
    leaving = {container.id: container for container in going}
    before: dict[str, list[str]] = {container.id: [] for container in going}
    last: dict[str, Container] = {}
    staying = {each.pod for each in containers if each.id not in leaving}
    whole = {each.pod for each in going if each.pod} - staying
    for container in going:
        for other in sorted(needed[container.id] & leaving.keys()):
            before[other].append(container.id)
        if container.pod in whole and not (container.pod in last and last[container.pod].infra):
            last[container.pod] = container
    targets: dict[str, tuple[str, ...]] = {each.id: (each.id,) for each in going}
    for pod, container in last.items():
        members = [each.id for each in going if each.pod == pod and each.id != container.id]
        before[container.id] = list(dict.fromkeys((*before[container.id], *members)))
        whole_pod = (f"{POD}{pod}",)
        targets[container.id] = whole_pod if container.infra else (container.id, *whole_pod)
    placed: dict[str, Container] = {}

    def place(container_id: str, above: tuple[str, ...]) -> None:
        if container_id not in placed and container_id not in above:
            for other in before[container_id]:
                place(other, (*above, container_id))
            placed[container_id] = leaving[container_id]

    for container in going:
        place(container.id, ())
    return [(each, targets[each.id], tuple(before[each.id])) for each in placed.values()]
