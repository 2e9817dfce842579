"""Containers that belong together: compose projects, pods, tasks, jobs, and who needs whom."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from holystone.planner.inventory import Container, Image

Labels = Mapping[str, str]

CI_JOB = "com.gitlab.gitlab-runner."
"""How the labels begin that GitLab Runner puts on the containers of a job."""
SWARM = "com.docker.swarm."
"""How the labels begin that Swarm puts on the containers of its tasks."""
_ONE_OFF = "com.docker.compose.oneoff"
"""``True`` on what ``docker compose run`` made: nothing starts that again."""
_OF_A_CONTAINER = (
    _ONE_OFF,
    "com.docker.compose.container-number",
    "com.docker.compose.config-hash",
)
"""What compose labels containers with and, unlike the project, not the images it builds."""


class Group(NamedTuple):
    """What some containers are a part of."""

    kind: str
    """``compose project``, ``pod``, ``Kubernetes pod`` and so on."""
    id: str
    name: str
    starts_again: bool
    """Whether somebody may start the whole of it again once all its containers have stopped."""


class _Label(NamedTuple):
    key: str
    kind: str
    starts_again: bool
    name: str = ""
    """The label that has a better name of the group."""


_LABELS = (
    # https://github.com/docker/compose/blob/main/pkg/api/labels.go
    _Label("com.docker.compose.project", "compose project", starts_again=True),
    # https://github.com/containers/podman-compose/blob/main/podman_compose.py
    _Label("io.podman.compose.project", "compose project", starts_again=True),
    # https://github.com/kubernetes/kubernetes/blob/master/staging/src/k8s.io/kubelet/pkg/types/labels.go
    _Label(
        "io.kubernetes.pod.uid", "Kubernetes pod", starts_again=True, name="io.kubernetes.pod.name"
    ),
    # https://github.com/aws/amazon-ecs-agent/blob/master/agent/engine/docker_task_engine.go
    _Label("com.amazonaws.ecs.task-arn", "ECS task", starts_again=False),
    # https://github.com/hashicorp/nomad/blob/main/drivers/docker/driver.go
    _Label("com.hashicorp.nomad.alloc_id", "Nomad allocation", starts_again=False),
    # https://docs.gitlab.com/runner/executors/docker/#docker-labels
    _Label(f"{CI_JOB}job.id", "GitLab job", starts_again=False),
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
        if kind == "compose project" and not _made_by_compose(labels, of_image, key):
            continue
        groups.append(Group(kind, value, labels.get(name) or value, starts_again))
    return groups


def is_of_ci_job(container: Container) -> bool:
    """Whether a CI runner made it for a job, after which nobody needs it."""
    return any(key.startswith(CI_JOB) for key in container.labels)


def is_of_swarm(container: Container) -> bool:
    """Whether it is a task of a Swarm service."""
    return any(key.startswith(SWARM) for key in container.labels)


def is_one_off(container: Container) -> bool:
    """Whether ``docker compose run`` made it."""
    return container.labels.get(_ONE_OFF, "").lower() == "true"


def _made_by_compose(labels: Labels, of_image: Labels, key: str) -> bool:
    """False for a label that the container only has from an image which compose built."""
    return of_image.get(key) != labels[key] or any(each in labels for each in _OF_A_CONTAINER)


def is_active(container: Container) -> bool:
    """Whether it works now, so that what belongs to it does as well."""
    return not container.idle and container.state != "removing"


class Groups:
    """The groups of a host with their members."""

    def __init__(self, containers: Iterable[Container], images: Mapping[str, Image]) -> None:
        self.of: dict[str, list[Group]] = {}
        """By container ID."""
        self.members: defaultdict[tuple[str, str], list[Container]] = defaultdict(list)
        """By kind and ID of the group."""
        self._active: dict[tuple[str, str], Container] = {}
        """A member that works now."""
        self._start: dict[tuple[str, str], list[Container]] = {}
        for container in containers:
            image = images.get(container.image_id)
            groups = groups_of(container, image.labels if image else {})
            if groups:
                self.of[container.id] = groups
            for group in groups:
                self.members[group.kind, group.id].append(container)
                if is_active(container):
                    self._active.setdefault((group.kind, group.id), container)

    def alive(self, container: Container) -> tuple[Group, Container] | None:
        """A group of the container with a member that works now, or None."""
        for group in self.of.get(container.id, ()):
            if self._starts(container, group) and (
                member := self._active.get((group.kind, group.id))
            ):
                return group, member
        return None

    def stopped(self, container: Container) -> list[tuple[Group, list[Container]]]:
        """The groups that somebody may start again as a whole, with all that would start."""
        return [
            (group, starting)
            for group in self.of.get(container.id, ())
            if group.starts_again and self._starts(container, group)
            for starting in [self._starting(group)]
        ]

    def _starting(self, group: Group) -> list[Container]:
        key = (group.kind, group.id)
        if key not in self._start:
            self._start[key] = [each for each in self.members[key] if self._starts(each, group)]
        return self._start[key]

    def _starts(self, container: Container, group: Group) -> bool:
        """Whether it starts where the group is started.

        What ``docker compose run`` made does not, and nothing can start a dead container.
        """
        return container.state != "dead" and not (
            group.kind == "compose project" and is_one_off(container)
        )


class Names:
    """Containers by the ways in which others name them."""

    def __init__(self, containers: Sequence[Container]) -> None:
        self._ids = dict.fromkeys(container.id for container in containers)
        self._by_name = {container.name: container.id for container in containers}

    def meant(self, name: str) -> list[str]:
        """The IDs of the containers that a name, an ID or the beginning of one can mean."""
        bare = name.lstrip("/")
        if bare in self._by_name:
            return [self._by_name[bare]]
        if bare in self._ids:
            return [bare]
        return [each for each in self._ids if bare and each.startswith(bare)]


def needs(containers: Sequence[Container]) -> dict[str, set[str]]:
    """By ID the IDs of the other containers that each one names."""
    names = Names(containers)
    return {
        each.id: {other for name in each.needs for other in names.meant(name)} - {each.id}
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
    for pod, container in last.items():
        members = [each.id for each in going if each.pod == pod and each.id != container.id]
        before[container.id] = list(dict.fromkeys((*before[container.id], *members)))
    placed: dict[str, Container] = {}

    def place(container_id: str, above: tuple[str, ...]) -> None:
        if container_id not in placed and container_id not in above:
            for other in before[container_id]:
                place(other, (*above, container_id))
            placed[container_id] = leaving[container_id]

    for container in going:
        place(container.id, ())
    return [
        (container, _targets(container, last.get(container.pod)), tuple(before[container.id]))
        for container in placed.values()
    ]


def _targets(container: Container, last: Container | None) -> tuple[str, ...]:
    if last is None or last.id != container.id:
        return (container.id,)
    pod = f"{POD}{container.pod}"
    return (pod,) if container.infra else (container.id, pod)
