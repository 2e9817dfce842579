"""GitLab Runner's cache volumes: which project, runner and folder a volume is for.

The docker executor makes a volume for each cached folder of a project, a runner and a slot
(``concurrent``), and removes none of them (gitlab-runner ``executors/docker/internal/volumes``,
gitlab-runner#37906). Older releases name it ``runner-TOKEN-project-ID-concurrent-SLOT-cache-MD5``,
newer ones ``runner-HASH-cache-MD5``, each with ``-protected`` where it is for protected branches.
The MD5 is that of the folder; labels tell the project: ``com.gitlab.gitlab-runner.project.id``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from holystone.planner.inventory import Volume

_LABEL = "com.gitlab.gitlab-runner."
_NAME = re.compile(
    r"runner-(?P<runner>.{1,64}?)"
    r"(-project-(?P<project>\d{1,18})-concurrent-(?P<slot>\d{1,9})(-.{1,64})?)?"
    r"-cache-(?P<folder>[0-9a-f]{32})(?P<protected>-protected)?"
)
_JOB = re.compile(r"https?://[^/\s]+/(?P<path>[^\s]{1,200}?)(/-)?/jobs/\d+")
_DIGITS = re.compile(r"\d{1,18}")
_FOLDERS = {
    "c33bcaa1fd2c77edfc3893b41966cea8": "/builds",
    "3c3f060a0374fc8bc39395164f415a70": "/cache",
}
"""The folders that the runner caches unless it is told otherwise, by MD5."""


class RunnerCache(NamedTuple):
    """What a cache volume of GitLab Runner is for. Empty where nothing tells."""

    project: str
    """The number of the project."""
    path: str
    """Its path, from the address of a job: ``team/app``."""
    runner: str
    """The start of the runner's token, or of a hash of it."""
    slot: str
    """Which of the runner's jobs of that project at a time it is for, from 0."""
    folder: str
    """The folder in the job: ``/cache``, ``/builds``, or the MD5 of another one."""
    protected: bool
    """Whether it is for jobs on protected branches."""

    @property
    def of(self) -> str:
        """The project as people know it: ``team/app (42)``, ``42``, or empty."""
        return f"{self.path} ({self.project})" if self.path and self.project else self.project


def runner_cache(volume: Volume) -> RunnerCache | None:
    """What a volume is for, if GitLab Runner made it for a cache; None for any other."""
    labels = volume.labels
    found = _NAME.fullmatch(volume.name)
    if found is None and labels.get(f"{_LABEL}type") != "cache":
        return None
    told = {} if found is None else found.groupdict(default="")
    project = labels.get(f"{_LABEL}project.id", "")
    if not _DIGITS.fullmatch(project):
        project = told.get("project", "")
    job = _JOB.match(labels.get(f"{_LABEL}job.url", ""))
    return RunnerCache(
        project=project,
        path="" if job is None else job["path"],
        runner=told.get("runner", ""),
        slot=told.get("slot", ""),
        folder=_FOLDERS.get(told.get("folder", ""), told.get("folder", "")),
        protected=bool(told.get("protected")),
    )


class ProjectCaches(NamedTuple):
    """The cache volumes of one project on one host."""

    project: str
    """See ``RunnerCache.of``."""
    volumes: tuple[Volume, ...]
    """The largest first, those of unknown size last."""

    @property
    def size(self) -> int:
        """Bytes of those whose size is known."""
        return sum(volume.size or 0 for volume in self.volumes)


def by_project(volumes: Iterable[Volume]) -> list[ProjectCaches]:
    """The cache volumes of GitLab Runner by project, the largest project first."""
    groups: dict[str, list[Volume]] = {}
    paths: dict[str, str] = {}
    for volume in volumes:
        cache = runner_cache(volume)
        if cache is not None:
            groups.setdefault(cache.project, []).append(volume)
            # Volumes of older runners have no label with the address of a job.
            paths[cache.project] = cache.of if cache.path else paths.get(cache.project, cache.of)
    found = [
        ProjectCaches(paths[project], tuple(sorted(group, key=_largest_first)))
        for project, group in groups.items()
    ]
    return sorted(found, key=lambda each: (-each.size, each.project))


def _largest_first(volume: Volume) -> tuple[bool, int, str]:
    return volume.size is None, -(volume.size or 0), volume.name
